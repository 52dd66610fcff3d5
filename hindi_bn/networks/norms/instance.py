"""Instance normalisation."""

import math

from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks.norms import AffineNorm
from hindi_bn.networks.norms._base import sides


class InstanceNorm(AffineNorm):
    """Instance normalisation: over the pixels of each channel of an image (Ulyanov et al. 2016)."""

    over = "image"

    def maps(self, channels: int) -> nn.Module:
        return nn.InstanceNorm2d(channels, self.eps, affine=self.affine)

    def features(self, features: int) -> nn.Module:
        raise StudyError(
            "Norm 'instance' cannot follow a linear layer.",
            "It normalises the pixels of one channel of one image; here each channel is a single "
            "value, and less its own mean that is 0.",
            "choose norm layer or group, or a network without hidden linear layers "
            "(three_convs, one_conv, conv_pair)",
        )

    def describe(self, layer: nn.Module) -> str:
        return f"{type(layer).__name__} {layer.num_features}"

    def values_together(self, shape: tuple[int, ...], batch: int) -> int:
        return math.prod(shape[1:])

    def one_value(self, shape: tuple[int, ...]) -> tuple[str, str]:
        return (
            f"The maps there have a single pixel ({sides(shape)}), so each channel of an image is "
            "one value.",
            "choose another norm, or larger images",
        )
