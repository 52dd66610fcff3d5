"""Several networks of one architecture as stacked tensors, and two ways to run them at once.

Every parameter and buffer has the shape (members, *its own shape). `GroupedForward` runs all
members as one network whose channels stand side by side: convolutions in groups, a matrix product
a member for linear layers. Normalisation layers need nothing else: statistics are per channel, and
each channel belongs to one member. `VmapForward` leaves the batching to `torch.func.vmap`; it takes
layers that the first does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional
from torch.nn.utils import parametrize

from hindi_bn.study import Precision, Run
from hindi_bn.training.capture import WeightPair
from hindi_bn.training.device import autocast
from hindi_bn.training.loop import make_optimizer


class Stack:
    """Networks of one architecture, their tensors stacked.

    Parameters
    ----------
    networks
        At least one; their tensors are copied.

    Attributes
    ----------
    parameters, buffers
        By name in the network, (members, *shape).
    template
        One of the networks, for its layers; its tensors are not used.
    """

    def __init__(self, networks: Sequence[nn.Sequential]) -> None:
        self.members, self.template = len(networks), networks[0]
        self.parameters: dict[str, torch.Tensor] = {
            name: nn.Parameter(stacked)
            for name, stacked in _stacked([dict(n.named_parameters()) for n in networks]).items()
        }
        self.buffers = _stacked([dict(n.named_buffers()) for n in networks])

    def train(self, mode: bool = True) -> None:
        """Put the layers in train or eval mode."""
        self.template.train(mode)

    def member(self, index: int) -> dict[str, torch.Tensor]:
        """Return the state dict of one member, copied to the CPU."""
        tensors = self.parameters | self.buffers
        return {
            name: tensors[name][index].detach().to("cpu", copy=True)
            for name in self.template.state_dict()
        }


def _stacked(tensors: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([t[name].detach() for t in tensors]) for name in tensors[0]}


class Forward(Protocol):
    """A way to run all members of a stack."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (members, batch, 1, height, width) to logits (members, batch, classes)."""
        ...


class VmapForward:
    """Runs a stack by `torch.func.vmap` over its parameters, buffers and images."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @staticmethod
    def supports(network: nn.Sequential) -> bool:
        """Tell whether vmap can run all layers: not weight and spectral normalisation."""
        return not any(parametrize.is_parametrized(layer) for layer in network)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (members, batch, 1, height, width) to logits (members, batch, classes)."""
        stack = self._stack

        def one(
            parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], x: torch.Tensor
        ) -> torch.Tensor:
            logits: torch.Tensor = functional_call(stack.template, (parameters, buffers), (x,))
            return logits

        logits: torch.Tensor = vmap(one)(stack.parameters, stack.buffers, images)
        return logits


class GroupedForward:
    """Runs a stack as one network with the members' channels side by side.

    Maps are (batch, members * channels, height, width), features (batch, members * features).
    """

    def __init__(self, stack: Stack) -> None:
        self._members = stack.members
        self._layers = [
            _GROUPED[type(layer)](layer, _Own(stack, name), stack.members)
            for name, layer in _pooled_first(stack.template)
        ]

    @staticmethod
    def supports(network: nn.Sequential) -> bool:
        """Tell whether all layers have a grouped form."""
        return all(type(layer) in _GROUPED for layer in network)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (members, batch, 1, height, width) to logits (members, batch, classes)."""
        x: torch.Tensor = images.transpose(0, 1).flatten(1, 2)  # (batch, members, height, width)
        for layer in self._layers:
            x = layer(x)
        logits: torch.Tensor = x.unflatten(1, (self._members, -1)).transpose(0, 1)
        return logits


def _pooled_first(network: nn.Sequential) -> list[tuple[str, nn.Module]]:
    """Layers by name, with max-pooling before a ReLU that it follows.

    Values and gradients are the same, and the ReLU has a quarter of the work: where several values
    of a window are equal after the ReLU they are 0, and no gradient passes.
    """
    layers = list(network.named_children())
    for place in range(1, len(layers)):
        (_, before), (_, layer) = layers[place - 1 : place + 1]
        if isinstance(before, nn.ReLU) and isinstance(layer, nn.MaxPool2d):
            layers[place - 1 : place + 1] = layers[place], layers[place - 1]
    return layers


class StackLearner:
    """Several networks that learn at once; a `hindi_bn.training.program.Learner`.

    Parameters
    ----------
    run
        Optimiser and captured weights of all members.
    forward
        How the members are run; `GroupedForward` or `VmapForward`.
    """

    def __init__(
        self,
        run: Run,
        stack: Stack,
        forward: Callable[[Stack], Forward],
        precision: Precision = "float32",
    ) -> None:
        self.lead: tuple[int, ...] = (stack.members,)
        self.stack = stack
        self.optimizer = make_optimizer(run, nn.ParameterList(stack.parameters.values()))
        self._forward, self._precision = forward(stack), precision
        layer = WeightPair(stack.template, run.capture).layer
        self._weight = stack.parameters[f"{layer}.weight"]
        self._pair = (run.capture.wx, run.capture.wy)

    def learn(
        self, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make a step of every member: losses (members,), logits (members, batch, classes)."""
        self.stack.train()
        self.optimizer.zero_grad()
        with autocast(self._precision, images.device):
            logits = self._forward(images)
            each = functional.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), reduction="none"
            )
        losses = each.view(labels.shape).mean(1)
        losses.sum().backward()  # a member's parameters reach its own loss only
        self.optimizer.step()
        return losses.detach(), logits.detach()

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Evaluate all members on the same images: (members, batch, classes)."""
        self.stack.train(False)
        with autocast(self._precision, images.device):
            return self._forward(images.expand(*self.lead, *images.shape))

    def pair(self) -> torch.Tensor:
        """Return wx and wy of each member: (members, 2)."""
        weight = self._weight.detach().movedim(0, -1)  # (*shape, members)
        return torch.stack([weight[index] for index in self._pair], 1)

    def buffers(self) -> list[torch.Tensor]:
        """Return all stacked buffers."""
        return list(self.stack.buffers.values())


class _Own:
    """A layer's own stacked tensors; a tensor that it has not is None."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._tensors: Mapping[str, torch.Tensor] = stack.parameters | stack.buffers
        self._name = name

    def __getitem__(self, key: str) -> torch.Tensor:
        return self._tensors[f"{self._name}.{key}"]

    def side_by_side(self, key: str) -> torch.Tensor | None:
        """Return a view of the members' tensors in a row: (members * channels, ...)."""
        stacked = self._tensors.get(f"{self._name}.{key}")
        return None if stacked is None else stacked.flatten(0, 1)


Layer = Callable[[torch.Tensor], torch.Tensor]


def _convolution(layer: nn.Conv2d, own: _Own, members: int) -> Layer:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(
            x, own["weight"].flatten(0, 1), own.side_by_side("bias"),
            layer.stride, layer.padding, layer.dilation, members * layer.groups,
        )  # fmt: skip

    return forward


def _linear(layer: nn.Linear, own: _Own, members: int) -> Layer:
    def forward(x: torch.Tensor) -> torch.Tensor:
        inputs = x.unflatten(1, (members, -1)).transpose(0, 1)  # (members, batch, inputs)
        outputs = torch.baddbmm(own["bias"].unsqueeze(1), inputs, own["weight"].transpose(1, 2))
        return outputs.transpose(0, 1).flatten(1)

    return forward


def _batch_norm(layer: nn.BatchNorm2d | nn.BatchNorm1d, own: _Own, members: int) -> Layer:
    def forward(x: torch.Tensor) -> torch.Tensor:
        if layer.training:
            own["num_batches_tracked"].add_(1)
        return functional.batch_norm(
            x, own.side_by_side("running_mean"), own.side_by_side("running_var"),
            own.side_by_side("weight"), own.side_by_side("bias"),
            layer.training, layer.momentum or 0.0, layer.eps,
        )  # fmt: skip

    return forward


def _group_norm(layer: nn.GroupNorm, own: _Own, members: int) -> Layer:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return functional.group_norm(
            x, members * layer.num_groups,
            own.side_by_side("weight"), own.side_by_side("bias"), layer.eps,
        )  # fmt: skip

    return forward


def _instance_norm(layer: nn.InstanceNorm2d, own: _Own, members: int) -> Layer:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return functional.instance_norm(
            x, weight=own.side_by_side("weight"), bias=own.side_by_side("bias"), eps=layer.eps
        )

    return forward


def _layer_norm(layer: nn.LayerNorm, own: _Own, members: int) -> Layer:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return functional.group_norm(
            x, members, own.side_by_side("weight"), own.side_by_side("bias"), layer.eps
        )

    return forward


def _alike(layer: nn.Module, own: _Own, members: int) -> Layer:
    """Layers that treat each channel alike, or each value."""
    return layer


_GROUPED: dict[type[nn.Module], Callable[..., Layer]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.GroupNorm: _group_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.LayerNorm: _layer_norm,
    **dict.fromkeys((nn.ReLU, nn.Sigmoid, nn.Tanh, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten), _alike),
}
