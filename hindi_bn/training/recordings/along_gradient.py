"""The loss and its gradient along the gradient: how far a step can trust what it sees."""

import itertools
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import BatchSeries, Every, Label, Reader, Reading, Timed
from hindi_bn.training.tensors import Tensors

LossAndGradient = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""The loss () and its gradient (numbers,) at the weights (numbers,)."""


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if values[0] <= 0 or any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError("must be positive numbers, each larger than the one before")
    return values


Lengths = Annotated[tuple[float, ...], AfterValidator(_ascending)]


class AlongGradient(Timed):
    """Loss and gradient at points along the gradient, after Santurkar et al. (2018), figure 4.

    Of the step about to be made: on its batch, in train mode, at the weights before it. Once in
    steps of `multiples` of the learning rate, and once in relative coordinates, in which every
    parameter tensor is measured in units of its own norm (one that is 0 stays): there the step has
    the length of `relative`, and scaling a tensor that its BN makes free of scale changes nothing.
    By torch's layers, without mixed precision, whatever the numerics of the training.
    """

    kind: Literal["along-gradient"] = "along-gradient"
    name: str = Field("along-gradient", pattern=NAME, description="Name in captures.csv.")
    every: Every = Field(
        125, description="Read the first step and then every so many, or the last of each epoch."
    )
    multiples: Lengths = Field(
        (0.5, 1.0, 2.0, 4.0), min_length=2,
        description="Steps along the gradient, in multiples of the learning rate.",
    )  # fmt: skip
    relative: Lengths = Field(
        (0.01, 0.02, 0.05, 0.1), min_length=2,
        description="Lengths of steps in relative coordinates: 0.1 moves one tensor by a tenth of "
        "its norm, or several by less.",
    )  # fmt: skip

    def reader(self, network: nn.Module, data: Tensors, run: Run) -> Reader:
        """Return what reads the batches that are due."""
        return BatchSeries(self.name, self.every, *self.reading(network, data, run), at_start=False)

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        """Return the labels, and what reads them from a batch of images and its labels."""
        scales = {"lr": self.multiples, "relative": self.relative}
        marks: list[Label] = [("loss", "", "")]
        for scale, lengths in scales.items():
            marks.append(("norm", "", scale))
            for length in lengths:
                marks += [(what, "", f"{scale} {length:g}") for what in ("loss", "change")]

        def read(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            at, weights = loss_of(network, images, labels), _vector(network)
            loss, gradient = at(weights)
            units = _norms(network)
            norm, relative = gradient.norm(), (units * gradient).norm()
            by_lr = along(at, weights, gradient, [m * run.lr for m in self.multiples])
            shares = [r / relative.clamp_min(1e-30) for r in self.relative]
            in_units = along(at, weights, gradient, shares, units)
            parts = [loss, norm, by_lr, relative, in_units]
            return torch.cat([part.flatten() for part in parts])

        return marks, read


def along(
    at: LossAndGradient,
    weights: torch.Tensor,
    gradient: torch.Tensor,
    steps: Sequence[float | torch.Tensor],
    units: torch.Tensor | float = 1.0,
) -> torch.Tensor:
    """Return the loss after each step against the gradient, and the gradient's change: (steps, 2).

    `units` (numbers,) are those in which the weights are measured: in weights / units the gradient
    is units * gradient. A step of t moves by t times that; its change is the L2 norm there.
    """
    found = []
    for step in steps:
        loss, there = at(weights - step * units * units * gradient)
        found.append(torch.stack([loss, (units * (there - gradient)).norm()]))
    return torch.stack(found)


def loss_of(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> LossAndGradient:
    """Return loss and gradient of a batch in train mode, the same masks each time.

    The network is not touched: running averages and other buffers are those of now at each call.
    """
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    sizes = [shape.numel() for shape in shapes.values()]

    def at(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        leaf = weights.detach().requires_grad_()
        parts = zip(shapes.items(), leaf.split(sizes), strict=True)
        values = {name: part.view(shape) for (name, shape), part in parts}
        values |= {name: buffer.clone() for name, buffer in network.named_buffers()}
        with torch.enable_grad(), preserved(network, train=True):
            loss = functional.cross_entropy(functional_call(network, values, (images,)), labels)
            (gradient,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), gradient

    return at


def _vector(network: nn.Module) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in network.parameters()])


def _norms(network: nn.Module) -> torch.Tensor:
    """Return for each number the norm of the tensor that it is of: (numbers,)."""
    tensors = [each.detach() for each in network.parameters()]
    return torch.cat([each.norm().expand(each.numel()) for each in tensors])
