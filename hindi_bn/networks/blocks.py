"""The blocks that networks are made of: a layer with its normalisation and its activation."""

from dataclasses import dataclass, field
from typing import Any, Self, cast

from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks.dropout import CountedDropout
from hindi_bn.networks.local import LocallyConnected2d
from hindi_bn.networks.norms import Norm
from hindi_bn.networks.norms._base import mark
from hindi_bn.networks.padding import MeanPaddedConv2d
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run

CLASSES = 10

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "none": nn.Identity,
}  # fmt: skip


@dataclass
class Blocks:
    """Builds layers as a run's settings say: the norm before the activation, or `after` it."""

    norm: Norm
    after: bool
    activation: str
    pooling: str
    padding: str
    dropout: float
    dropout_place: str
    layers: tuple[int, ...] | None  # those with a norm, counted from 1; None: all hidden ones
    hidden: int = 0  # hidden layers so far
    normalised: list[nn.Conv2d | nn.Linear] = field(default_factory=list)  # those of torch

    @classmethod
    def of(cls, run: Run, options: dict[str, Any]) -> Self:
        """Take norm, placement and dropout from a run, the others from the options."""
        return cls(
            cast(Norm, run.norm), run.placement == "after",
            options.get("activation", "relu"), options.get("pooling", "max"),
            options.get("padding", "zero"), run.dropout, run.dropout_place,
            run.norm_layers,
        )  # fmt: skip

    def convolution(
        self, inputs: int, outputs: int, kernel: int, *, padding: int = 0, stride: int = 1
    ) -> list[nn.Module]:
        """Convolution, norm, activation: (batch, inputs, ...) to (batch, outputs, ...)."""
        sizes = (inputs, outputs, kernel, stride, 0 if self.padding == "none" else padding)
        if padding and self.padding == "mean":
            return self._with_norm(MeanPaddedConv2d(*sizes))
        if padding and self.padding == "border":
            return self._with_norm(nn.Conv2d(*sizes, padding_mode="replicate"))
        return self._with_norm(nn.Conv2d(*sizes))

    def unpadded(self, side: int, convolutions: int = 1) -> int:
        """Return the side of maps after so many 3 x 3 convolutions with a padding of 1."""
        return side - 2 * convolutions if self.padding == "none" else side

    def local(
        self, inputs: int, outputs: int, kernel: int, side: int, *, padding: int = 0
    ) -> list[nn.Module]:
        """Locally connected layer of maps of `side`, norm, activation; see `convolution`."""
        return self._with_norm(LocallyConnected2d(inputs, outputs, kernel, side, padding))

    def pool(self, channels: int) -> list[nn.Module]:
        """Halve height and width, rounded down: by pooling, or a 2 x 2 convolution of stride 2."""
        if self.pooling == "none":
            return self.convolution(channels, channels, 2, stride=2)
        return [nn.MaxPool2d(2) if self.pooling == "max" else nn.AvgPool2d(2)]

    def linear(self, inputs: int, outputs: int) -> list[nn.Module]:
        """Linear layer, norm, activation: (batch, inputs) to (batch, outputs)."""
        return self._with_norm(nn.Linear(inputs, outputs))

    def flattened(self, channels: int, side: int) -> int:
        """Count the values of maps; StudyError where convolutions left nothing of them."""
        if side < 1:
            raise StudyError(
                "The network's convolutions leave nothing of the maps.",
                "Without padding each of them takes two pixels of their height and width.",
                "set options.padding to another kind, take fewer convolutions or larger images",
            )
        return channels * side**2

    def classifier(self, inputs: int) -> list[nn.Module]:
        """Dropout, if it stands here, and the last linear layer: (batch, inputs) to (batch, 10)."""
        layer = nn.Linear(inputs, CLASSES)
        asked = self.layers is not None and self.hidden + 1 in self.layers
        norm = self._norm_behind(layer) if asked else []
        return [*self._dropout("classifier", 0), layer, *norm]

    def _dropout(self, place: str, number: int) -> list[nn.Module]:
        here = self.dropout and self.dropout_place == place
        return [CountedDropout(self.dropout, number)] if here else []

    def _with_norm(self, layer: nn.Conv2d | nn.Linear | LocallyConnected2d) -> list[nn.Module]:
        self.hidden += 1
        activation = _ACTIVATIONS[self.activation]()
        here = self.layers is None or self.hidden in self.layers
        norm = self._norm_behind(layer) if here else []
        inner = [*self._dropout("norms", self.hidden), *norm]
        return [layer, activation, *inner] if self.after else [layer, *inner, activation]

    def _norm_behind(self, layer: nn.Conv2d | nn.Linear | LocallyConnected2d) -> list[nn.Module]:
        """Make the norm of a layer's outputs, if there is one, or note that of its weights."""
        with preserved():  # equal starts, whatever a norm draws
            if isinstance(layer, nn.Linear):
                norm = self.norm.features(layer.out_features)
            else:
                norm = self.norm.maps(layer.out_channels)
        if not isinstance(layer, LocallyConnected2d):
            self.normalised.append(layer)
        elif self.norm.over == "weights":
            raise StudyError(
                f"Norm {self.norm.name!r} cannot change a locally connected layer.",
                "It changes the weights of convolutions and linear layers.",
                "choose a norm over the batch or over an image",
            )
        if norm is not None:
            mark(norm, self.norm)
            return [norm]
        if self.norm.over == "weights":
            mark(layer, self.norm)
        return []
