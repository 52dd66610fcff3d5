"""torch's batch normalisation."""

from torch import nn

from hindi_bn.networks.norms import BatchNormBase


class BatchNorm(BatchNormBase):
    """torch's batch normalisation (Ioffe and Szegedy 2015)."""

    def maps(self, channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, self.eps, self.momentum, self.affine)

    def features(self, features: int) -> nn.Module:
        return nn.BatchNorm1d(features, self.eps, self.momentum, self.affine)

    def describe(self, layer: nn.Module) -> str:
        return f"{type(layer).__name__} {layer.num_features}"
