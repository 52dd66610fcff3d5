"""Weight normalisation."""

from torch import nn
from torch.nn.utils import parametrizations

from hindi_bn.networks.norms import Norm


class WeightNorm(Norm):
    """Weight normalisation of the layer itself: length and direction of a filter are learned."""

    over = "weights"
    words = "weight norm"
    vmap = False

    def parametrise(self, layer: nn.Conv2d | nn.Linear) -> None:
        """Make each filter a length times a direction (Salimans and Kingma 2016)."""
        parametrizations.weight_norm(layer)
