"""Ways to run the members of a stack at once.

`GroupedForward` runs all members as one network whose channels stand side by side: convolutions in
groups, a matrix product a member for linear layers. Normalisation layers need nothing else:
statistics are per channel, and each channel belongs to one member. `UnfoldedForward` is the same
with convolutions written as matrix products, for devices whose grouped convolutions are slow.
`VmapForward` leaves the batching to `torch.func.vmap`; it takes layers that the others do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional
from torch.nn.utils import parametrize

from hindi_bn.training.gpu.stack import Stack
from hindi_bn.training.numerics import pooled_first


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
Grouping = Callable[..., Layer]  # from the layer, its own tensors and the number of members


def _convolution(layer: nn.Conv2d, own: _Own, members: int) -> Layer:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(
            x, own["weight"].flatten(0, 1), own.side_by_side("bias"),
            layer.stride, layer.padding, layer.dilation, members * layer.groups,
        )  # fmt: skip

    return forward


def _unfolded(layer: nn.Conv2d, own: _Own, members: int) -> Layer:
    """Convolution as the product of its weights with the windows that it sees."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        windows = functional.unfold(
            x, layer.kernel_size, layer.dilation, _both(layer.padding), layer.stride
        )  # (batch, members * inputs * window, places)
        seen = windows.unflatten(1, (members, -1))
        maps: torch.Tensor = own["weight"].flatten(2) @ seen + own["bias"].unsqueeze(2)
        side = x.shape[2] + 2 * _both(layer.padding)[0] - layer.kernel_size[0]
        height = side // layer.stride[0] + 1
        together: torch.Tensor = maps.flatten(1, 2).unflatten(2, (height, -1))
        return together

    return forward


def _both(padding: str | tuple[int, ...]) -> tuple[int, ...]:
    assert not isinstance(padding, str)
    return padding


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


_GROUPED: Mapping[type[nn.Module], Grouping] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.GroupNorm: _group_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.LayerNorm: _layer_norm,
    **dict.fromkeys((nn.ReLU, nn.Sigmoid, nn.Tanh, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten), _alike),
}


class GroupedForward:
    """Runs a stack as one network with the members' channels side by side.

    Maps are (batch, members * channels, height, width), features (batch, members * features).

    Attributes
    ----------
    known
        Gives a layer's grouped form by its type.
    """

    known: ClassVar[Mapping[type[nn.Module], Grouping]] = _GROUPED

    def __init__(self, stack: Stack) -> None:
        self._members = stack.members
        names = {layer: name for name, layer in stack.template.named_children()}
        self._layers = [
            self.known[type(layer)](layer, _Own(stack, names[layer]), stack.members)
            for layer in pooled_first(list(names))
        ]

    @classmethod
    def supports(cls, network: nn.Sequential) -> bool:
        """Tell whether all layers have a grouped form."""
        return all(type(layer) in cls.known for layer in network)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (members, batch, 1, height, width) to logits (members, batch, classes)."""
        x: torch.Tensor = images.transpose(0, 1).flatten(1, 2)  # (batch, members, height, width)
        for layer in self._layers:
            x = layer(x)
        logits: torch.Tensor = x.unflatten(1, (self._members, -1)).transpose(0, 1)
        return logits


class UnfoldedForward(GroupedForward):
    """Runs a stack as `GroupedForward` does, with convolutions as matrix products.

    It moves more bytes: each map is copied once for every place of the kernel.
    """

    known: ClassVar = {**_GROUPED, nn.Conv2d: _unfolded}


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
