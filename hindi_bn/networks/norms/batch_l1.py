"""Batch normalisation with the l1 norm as its scale."""

import torch

from hindi_bn.networks.norms._channels import mean_per_channel
from hindi_bn.networks.norms._lp import BatchLpNorm


class BatchL1Norm(BatchLpNorm):
    """Batch normalisation with the l1 norm as its scale."""

    lp = "l1"

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        """Return mean |x| + eps, per channel."""
        return mean_per_channel(x.abs()) + self.eps
