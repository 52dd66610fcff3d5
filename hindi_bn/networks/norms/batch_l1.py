"""Batch normalisation with the l1 norm as its scale."""

import torch

from hindi_bn.networks.norms._channels import mean_per_channel
from hindi_bn.networks.norms._lp import BatchLpNorm


class BatchL1Norm(BatchLpNorm):
    lp = "l1"

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        return mean_per_channel(x.abs()) + self.eps
