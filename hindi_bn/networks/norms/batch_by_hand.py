"""Batch normalisation written out, with its running averages, in plain tensor operations."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.networks.norms import BatchNormBase
from hindi_bn.networks.norms._channels import ChannelNorm, average, beside, moments


class BatchNormByHand(BatchNormBase):
    """Batch normalisation written out, with both conventions of the running averages."""

    words = "Batch norm by hand"

    momentum: float = Field(
        0.1, ge=0, le=1, description="Weight in the running averages of what momentum_of names."
    )
    momentum_of: Literal["new-batch", "old-average"] = Field(
        "new-batch", description="What momentum weighs: the new batch (torch) or the old average."
    )
    running_variance: Literal["unbiased", "biased"] = Field(
        "unbiased", description="Variance that enters the running average; torch's is unbiased."
    )
    allow_one_value: bool = Field(
        False,
        description="Train where a batch gives a unit a single value: its output is 0 before gamma "
        "and beta, so that nothing is learned. Refused otherwise.",
    )

    def maps(self, channels: int) -> nn.Module:
        return HandwrittenBatchNorm(channels, self)

    def takes_one_value(self) -> bool:
        return self.allow_one_value


class HandwrittenBatchNorm(ChannelNorm):
    """Batch normalisation of (batch, channels) and (batch, channels, height, width).

    In training: (x - mean of the batch) / sqrt(biased variance of the batch + eps), then
    gamma * that + beta; in evaluation the running averages (channels,), from 0 and 1, stand for the
    batch's statistics. With the settings' defaults it equals `nn.BatchNorm1d` and `nn.BatchNorm2d`.
    Of a single value, where the settings allow it, the biased variance, 0, is averaged.

    Source: Ioffe and Szegedy 2015, arXiv 1502.03167, algorithms 1 and 2.
    """

    running_var: torch.Tensor

    def __init__(self, channels: int, settings: BatchNormByHand) -> None:
        super().__init__(channels, settings.affine, "running_var")
        self.eps = settings.eps
        of_new = settings.momentum_of == "new-batch"
        self.weight_of_new = settings.momentum if of_new else 1 - settings.momentum
        self.unbiased = settings.running_variance == "unbiased"
        self.allow_one_value = settings.allow_one_value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (batch, channels) or (batch, channels, height, width); the shape stays."""
        count = self.values_per_channel(x)
        if self.training:
            mean, variance = moments(x)
            unbiased = self.unbiased and count > 1
            averaged = variance * count / (count - 1) if unbiased else variance
            average(self.running_mean, mean, self.weight_of_new)
            average(self.running_var, averaged, self.weight_of_new)
        else:
            mean, variance = self.running_mean, self.running_var
        normalised = (x - beside(mean, x)) / torch.sqrt(beside(variance, x) + self.eps)
        return self.scale_and_shift(normalised)
