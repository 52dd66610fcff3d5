"""The blocks that networks are made of: a layer with its normalisation and its activation."""

from dataclasses import dataclass, field
from typing import Any, Self, cast

from torch import nn

from hindi_bn.networks.dropout import CountedDropout
from hindi_bn.networks.norms import Norm
from hindi_bn.networks.norms._base import mark
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run

CLASSES = 10

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


@dataclass
class Blocks:
    """Builds layers as a run's settings say: the norm before the activation, or `after` it."""

    norm: Norm
    after: bool
    activation: str
    pooling: str
    dropout: float
    normalised: list[nn.Conv2d | nn.Linear] = field(default_factory=list)  # all but the classifier

    @classmethod
    def of(cls, run: Run, options: dict[str, Any]) -> Self:
        """Take norm, placement and dropout from a run, activation and pooling from the options."""
        return cls(
            cast(Norm, run.norm), run.placement == "after",
            options.get("activation", "relu"), options.get("pooling", "max"), run.dropout,
        )  # fmt: skip

    def convolution(
        self, inputs: int, outputs: int, kernel: int, *, padding: int = 0, stride: int = 1
    ) -> list[nn.Module]:
        """Convolution, norm, activation: (batch, inputs, ...) to (batch, outputs, ...)."""
        return self._with_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding))

    def pool(self, channels: int) -> list[nn.Module]:
        """Halve height and width, rounded down: by pooling, or a 2 x 2 convolution of stride 2."""
        if self.pooling == "none":
            return self.convolution(channels, channels, 2, stride=2)
        return [nn.MaxPool2d(2) if self.pooling == "max" else nn.AvgPool2d(2)]

    def linear(self, inputs: int, outputs: int) -> list[nn.Module]:
        """Linear layer, norm, activation: (batch, inputs) to (batch, outputs)."""
        return self._with_norm(nn.Linear(inputs, outputs))

    def classifier(self, inputs: int) -> list[nn.Module]:
        """Dropout, if any, and the last linear layer: (batch, inputs) to (batch, 10)."""
        dropout = [CountedDropout(self.dropout)] if self.dropout else []
        return [*dropout, nn.Linear(inputs, CLASSES)]

    def _with_norm(self, layer: nn.Conv2d | nn.Linear) -> list[nn.Module]:
        self.normalised.append(layer)
        activation = _ACTIVATIONS[self.activation]()
        with preserved():  # equal starts, whatever a norm draws
            if isinstance(layer, nn.Conv2d):
                norm = self.norm.maps(layer.out_channels)
            else:
                norm = self.norm.features(layer.out_features)
        if norm is None:
            if self.norm.over == "weights":
                mark(layer, self.norm)
            return [layer, activation]
        mark(norm, self.norm)
        return [layer, activation, norm] if self.after else [layer, norm, activation]
