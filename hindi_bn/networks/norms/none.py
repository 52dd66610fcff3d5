"""No normalisation."""

from hindi_bn.networks.norms import Norm


class NoNorm(Norm):
    over = "nothing"
