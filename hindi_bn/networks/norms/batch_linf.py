"""Batch normalisation with the l-infinity norm as its scale."""

import torch

from hindi_bn.networks.norms._lp import BatchLpNorm


class BatchLInfNorm(BatchLpNorm):
    lp = "l-infinity"

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        return x.abs().amax(dim=[0, *range(2, x.ndim)]) + self.eps
