"""Layer normalisation."""

from torch import nn

from hindi_bn.networks.norms import AffineNorm
from hindi_bn.networks.norms._base import sides


class LayerNorm(AffineNorm):
    """Layer normalisation: over all channels and pixels of an image (Ba, Kiros, Hinton 2016)."""

    over = "image"

    def maps(self, channels: int) -> nn.Module:
        # The statistics of nn.LayerNorm((channels, height, width)), but gamma and beta per channel.
        return nn.GroupNorm(1, channels, self.eps, self.affine)

    def features(self, features: int) -> nn.Module:
        return nn.LayerNorm(features, self.eps, self.affine)

    def describe(self, layer: nn.Module) -> str:
        if isinstance(layer, nn.GroupNorm):
            return f"GroupNorm {layer.num_channels}, 1 group (layer norm)"
        assert isinstance(layer, nn.LayerNorm)
        return f"LayerNorm {layer.normalized_shape[0]}"

    def one_value(self, shape: tuple[int, ...]) -> tuple[str, str]:
        return (
            f"The layer there has a single unit ({sides(shape)}).",
            "set options.width to 2 or more",
        )
