"""Batch renormalisation: batch norm whose training output follows the running averages."""

import torch
from pydantic import Field
from torch import nn

from hindi_bn.networks.norms import BatchNormBase
from hindi_bn.networks.norms._channels import ChannelNorm, average, beside, moments


class BatchRenorm(BatchNormBase):
    """Batch renormalisation; the schedule is the paper's at a tenth of its steps."""

    words = "Batch renormalisation"
    running = ("running_mean", "running_std")

    momentum: float = Field(
        0.01, ge=0, le=1, description="Weight of the new batch in the running averages."
    )
    r_max: float = Field(3.0, ge=1, description="Largest correction of the scale.")
    d_max: float = Field(5.0, ge=0, description="Largest correction of the mean.")
    warm_up: int = Field(500, ge=0, description="First steps, trained as plain batch norm.")
    r_ramp: int = Field(3500, ge=0, description="Steps after warm_up until r_max is reached.")
    d_ramp: int = Field(2000, ge=0, description="Steps after warm_up until d_max is reached.")

    def maps(self, channels: int) -> nn.Module:
        return BatchRenormalisation(channels, self)


class BatchRenormalisation(ChannelNorm):
    """Batch renormalisation of (batch, channels) and (batch, channels, height, width).

    In training, with the batch's mean m and std s = sqrt(biased variance + eps), and the
    running averages M and S of these as they were before the batch::

        r = s / S, clipped to [1 / r_limit, r_limit]
        d = (m - M) / S, clipped to [-d_limit, d_limit]
        output = gamma * ((x - m) / s * r + d) + beta

    No gradient goes through r and d. Unclipped, the output is (x - M) / S, as in evaluation. The
    limits are 1 and 0 (plain batch norm) for `warm_up` steps and then rise linearly, to r_max in
    `r_ramp` and to d_max in `d_ramp` steps.

    Source: Ioffe 2017, arXiv 1702.03275, algorithm 1 and section 3; the paper averages the
    std, not the variance, with a weight of 0.01.

    `steps` are the training batches seen so far, in the saved state, so that a resumed run goes on.
    """

    running_std: torch.Tensor
    steps: torch.Tensor

    def __init__(self, channels: int, settings: BatchRenorm) -> None:
        super().__init__(channels, settings.affine, "running_std")
        self.settings = settings
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return r_limit and d_limit for the next training batch."""
        s = self.settings
        r_limit = 1 + (s.r_max - 1) * self._risen(s.r_ramp)
        return r_limit, s.d_max * self._risen(s.d_ramp)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (batch, channels) or (batch, channels, height, width); the shape stays."""
        self.values_per_channel(x)
        if not self.training:
            centred = x - beside(self.running_mean, x)
            return self.scale_and_shift(centred / beside(self.running_std, x))
        mean, variance = moments(x)
        std = torch.sqrt(variance + self.settings.eps)
        r_limit, d_limit = self.limits()
        r = (std.detach() / self.running_std).clamp(1 / r_limit, r_limit)
        d = (mean.detach() - self.running_mean) / self.running_std
        d = d.clamp(-d_limit, d_limit)
        normalised = (x - beside(mean, x)) / beside(std, x) * beside(r, x) + beside(d, x)
        average(self.running_mean, mean, self.settings.momentum)
        average(self.running_std, std, self.settings.momentum)
        self.steps += 1
        return self.scale_and_shift(normalised)

    def _risen(self, ramp: int) -> torch.Tensor:
        """Share of the way to the final limit, 0 to 1: (steps - warm_up) / ramp."""
        beyond = (self.steps - self.settings.warm_up).to(self.running_mean.dtype)
        if ramp == 0:
            return (beyond >= 0).to(beyond.dtype)
        return (beyond / ramp).clamp(0, 1)
