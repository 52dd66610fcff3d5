"""Spectral normalisation."""

from pydantic import Field
from torch import nn
from torch.nn.utils import parametrizations

from hindi_bn.networks.norms import Norm


class SpectralNorm(Norm):
    """Spectral normalisation of the layer itself: weights over their largest singular value."""

    over = "weights"
    words = "spectral norm"
    vmap = False

    iterations: int = Field(1, ge=1, description="Power iterations per training step.")

    def parametrise(self, layer: nn.Conv2d | nn.Linear) -> None:
        """Divide the weights by their largest singular value (Miyato et al. 2018)."""
        parametrizations.spectral_norm(layer, n_power_iterations=self.iterations)
