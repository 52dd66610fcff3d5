"""Batch normalisation with an lp norm as its scale."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import nn

from hindi_bn.networks.norms import BatchNormBase
from hindi_bn.networks.norms._channels import ChannelNorm, average, beside, mean_per_channel


class BatchLpNorm(BatchNormBase):
    """Batch normalisation with the l1, l2 or l-infinity norm as its scale."""

    running = ("running_mean", "running_scale")
    lp: ClassVar[str]
    """Name of the lp norm, for the layer table."""

    @abstractmethod
    def scale(self, x: torch.Tensor) -> torch.Tensor:
        """Return the average lp norm of each channel's values: (channels,)."""

    def maps(self, channels: int) -> nn.Module:
        return LpBatchNorm(channels, self)

    def describe(self, layer: nn.Module) -> str:
        return f"Batch norm {layer.extra_repr()}, {self.lp} scale"


class LpBatchNorm(ChannelNorm):
    """Batch normalisation whose scale is the l1, l2 or l-infinity norm of a channel's values.

    The mean over batch and pixels is subtracted, as batch norm does, and the result divided by the
    average lp norm of the values **before** the mean is subtracted::

        l1:          scale = mean |x| + eps
        l2:          scale = sqrt(mean x**2 + eps)
        l-infinity:  scale = max |x| + eps
        output = gamma * (x - mean x) / scale + beta

    In evaluation, running averages stand for mean and scale.

    Source: Santurkar, Tsipras, Ilyas, Madry 2018, arXiv 1805.11604, on schemes other than batch
    norm that smooth the landscape. The paper does not say how its layers evaluate, nor where eps
    stands; both are ours, after batch norm.
    """

    running_scale: torch.Tensor

    def __init__(self, channels: int, settings: BatchLpNorm) -> None:
        super().__init__(channels, settings.affine, "running_scale")
        self.settings = settings

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (batch, channels) or (batch, channels, height, width); the shape stays."""
        self.values_per_channel(x)
        if self.training:
            mean, scale = mean_per_channel(x), self.settings.scale(x)
            average(self.running_mean, mean, self.settings.momentum)
            average(self.running_scale, scale, self.settings.momentum)
        else:
            mean, scale = self.running_mean, self.running_scale
        return self.scale_and_shift((x - beside(mean, x)) / beside(scale, x))
