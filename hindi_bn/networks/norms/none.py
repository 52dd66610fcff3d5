"""No normalisation."""

from __future__ import annotations

from hindi_bn.networks.norms import Norm


class NoNorm(Norm):
    """No normalisation."""

    over = "nothing"
