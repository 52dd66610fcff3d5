"""Batch normalisation with the l2 norm as its scale."""

import torch

from hindi_bn.networks.norms._channels import mean_per_channel
from hindi_bn.networks.norms._lp import BatchLpNorm


class BatchL2Norm(BatchLpNorm):
    lp = "l2"

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(mean_per_channel(x**2) + self.eps)
