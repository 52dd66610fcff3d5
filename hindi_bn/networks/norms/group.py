"""Group normalisation."""

import math

from pydantic import Field
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks.norms import AffineNorm
from hindi_bn.networks.norms._base import sides


class GroupNorm(AffineNorm):
    """Group normalisation: over groups of channels of an image (Wu and He 2018)."""

    over = "image"

    groups: int = Field(2, ge=1, description="Groups that the channels are divided into.")

    def maps(self, channels: int) -> nn.Module:
        if channels % self.groups:
            raise StudyError(
                f"Norm 'group' cannot divide {channels} channels into {self.groups} groups.",
                f"{self.groups} does not divide {channels}.",
                f"set norm.groups to one of {', '.join(map(str, divisors(channels)))}",
            )
        return nn.GroupNorm(self.groups, channels, self.eps, self.affine)

    def describe(self, layer: nn.Module) -> str:
        assert isinstance(layer, nn.GroupNorm)
        groups = "1 group (layer norm)" if layer.num_groups == 1 else f"{layer.num_groups} groups"
        return f"GroupNorm {layer.num_channels}, {groups}"

    def values_together(self, shape: tuple[int, ...], batch: int) -> int:
        return math.prod(shape) // self.groups

    def one_value(self, shape: tuple[int, ...]) -> tuple[str, str]:
        fewer = ", ".join(str(d) for d in divisors(shape[0]) if d < shape[0])
        hint = f"set norm.groups to one of {fewer}" if fewer else "choose another norm"
        return f"Each group there holds one value ({sides(shape)}).", hint


def divisors(number: int) -> list[int]:
    """All divisors of a positive number, rising."""
    return [d for d in range(1, number + 1) if number % d == 0]
