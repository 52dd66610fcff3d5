"""Recordings condensed for figures: norms of whole layers, medians over channels."""

from __future__ import annotations

import pandas as pd


def gradient_norms(gradients: pd.DataFrame) -> pd.DataFrame:
    """Join the norms of a layer's parameters into the norm of its gradient.

    Args:
        gradients: Columns `layer`, `step` and `value`, a row per parameter (weight, bias).

    Returns:
        Columns `layer`, `step` and `value`: the root of the sum of squares of the parameters'
        norms.
    """
    squares = gradients.assign(value=gradients["value"] ** 2)
    joined = squares.groupby(["layer", "step"], sort=False)["value"].sum().reset_index()
    return joined.assign(value=joined["value"] ** 0.5)


def channel_medians(statistics: pd.DataFrame) -> pd.DataFrame:
    """Return the median over channels: `layer`, `quantity`, `step` and `value`."""
    groups = statistics.groupby(["layer", "quantity", "step"], sort=False)
    return groups["value"].median().reset_index()
