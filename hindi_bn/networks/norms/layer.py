"""Layer normalisation."""

from torch import nn

from hindi_bn.networks.norms import AffineNorm
from hindi_bn.networks.norms._base import sides
from hindi_bn.networks.norms.group import group_words


class LayerNorm(AffineNorm):
    """Layer normalisation: over all channels and pixels of an image (Ba, Kiros, Hinton 2016)."""

    over = "image"

    def maps(self, channels: int) -> nn.Module:
        """Return `nn.GroupNorm` with one group.

        It has the statistics of `nn.LayerNorm((channels, height, width))`, but a gamma and a beta
        per channel, not per pixel.
        """
        return nn.GroupNorm(1, channels, self.eps, self.affine)

    def features(self, features: int) -> nn.Module:
        """Return `nn.LayerNorm`."""
        return nn.LayerNorm(features, self.eps, self.affine)

    def describe(self, layer: nn.Module) -> str:
        """Return the layer's class and channels."""
        if isinstance(layer, nn.GroupNorm):
            return group_words(layer)
        assert isinstance(layer, nn.LayerNorm)
        return f"LayerNorm {layer.normalized_shape[0]}"

    def one_value(self, shape: tuple[int, ...]) -> tuple[str, str]:
        """Name the layer's single unit."""
        return (
            f"The layer there has a single unit ({sides(shape)}).",
            "set options.width to 2 or more",
        )
