"""Internal covariate shift: how a layer's gradient changes as the layers before it are updated."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from hindi_bn.errors import StudyError
from hindi_bn.networks import kind_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Label, Reading, Timed
from hindi_bn.training.tensors import Tensors

Values = dict[str, torch.Tensor]
WITH_WEIGHTS = ("convolution", "local", "linear")


class GradientShift(Timed):
    """Internal covariate shift after Santurkar et al. (2018), definition 2.1.

    A step of plain gradient descent on a fixed batch of training images, at the run's learning
    rate, is thought of but not made. G is the gradient of the loss in a layer's parameters before
    it, G' the same on the same batch once all layers before that one have made it. Recorded are the
    L2 norm of G - G', the L2 norm of G, and the cosine between the two, of each convolution and
    linear layer but the first, in train mode.
    """

    kind: Literal["gradient-shift"] = "gradient-shift"
    name: str = Field("gradient-shift", pattern=NAME, description="Name in captures.csv.")
    images: int = Field(256, ge=2, description="Number of images, drawn once from the training's.")

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        """Return what reads it; StudyError where a run's steps are other than plain descent's."""
        self._refuse_other_steps(run)
        drawn = torch.randperm(len(data.train_labels), generator=torch.Generator().manual_seed(0))
        places = drawn[: self.images].to(data.train_labels.device)
        images, labels = data.training_batch(places), data.train_labels[places]
        layers = {
            name: [f"{name}.{own}" for own, _ in layer.named_parameters()]
            for name, layer in network.named_children()
        }
        asked = [n for n in layers if kind_of(network.get_submodule(n)) in WITH_WEIGHTS][1:]

        def gradients(values: Values, of: list[str]) -> Values:
            leaves = {name: value.detach().requires_grad_() for name, value in values.items()}
            with torch.enable_grad(), preserved(network, train=True):  # the same masks each time
                logits = functional_call(network, leaves, (images,))
                loss = functional.cross_entropy(logits, labels)
                found = torch.autograd.grad(loss, [leaves[name] for name in of])
            return dict(zip(of, found, strict=True))

        def read() -> torch.Tensor:
            values: Values = dict(network.named_parameters())
            before, shifts = gradients(values, list(values)), []
            for layer, own in layers.items():
                if layer in asked:
                    after = gradients(values, own)
                    shifts += _compared(*(_joined(each, own) for each in (before, after)))
                values |= {name: values[name].detach() - run.lr * before[name] for name in own}
            return torch.stack(shifts)

        quantities = ("difference", "norm", "cosine")
        marks: list[Label] = [(quantity, layer, "") for layer in asked for quantity in quantities]
        return marks, read

    def _refuse_other_steps(self, run: Run) -> None:
        if run.optimizer != "sgd" or run.momentum:
            raise StudyError(
                f"Cannot record the gradient shift of run {run.name!r}.",
                "It is defined here for steps along the gradient: plain SGD without momentum.",
                f"leave recordings.{self.name} away, or set optimizer to sgd and momentum to 0",
            )


def _joined(gradients: Values, names: list[str]) -> torch.Tensor:
    return torch.cat([gradients[name].flatten() for name in names])


def _compared(before: torch.Tensor, after: torch.Tensor) -> list[torch.Tensor]:
    """Return the norm of the difference, that of the first, and the cosine; 0 where one is 0."""
    return [
        torch.linalg.vector_norm(before - after),
        torch.linalg.vector_norm(before),
        functional.cosine_similarity(before, after, dim=0, eps=1e-30),
    ]
