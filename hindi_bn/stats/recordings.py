"""Recordings condensed for figures: norms of layers, medians over channels, percentiles."""

import pandas as pd


def gradient_norms(gradients: pd.DataFrame) -> pd.DataFrame:
    """Join the norms of a layer's parameters into the norm of its gradient.

    `gradients` has `layer`, `step` and `value`, a row per parameter (weight, bias); what is
    returned, too, with the root of the sum of squares of the parameters' norms.
    """
    squares = gradients.assign(value=gradients["value"] ** 2)
    joined = squares.groupby(["layer", "step"], sort=False)["value"].sum().reset_index()
    return joined.assign(value=joined["value"] ** 0.5)


def channel_medians(statistics: pd.DataFrame) -> pd.DataFrame:
    """Return the median over channels: `layer`, `quantity`, `step` and `value`."""
    groups = statistics.groupby(["layer", "quantity", "step"], sort=False)
    return groups["value"].median().reset_index()


def channel_percentiles(percentiles: pd.DataFrame) -> pd.DataFrame:
    """Put the percentiles of a reading side by side.

    A row per layer, channel and step, in the network's order: `layer`, `index` (the channel, a
    number) and `step`, and a column for each percentile, such as `p5`.
    """
    wide = percentiles.pivot_table(
        "value", ["layer", "index", "step"], "quantity", sort=False
    ).reset_index()
    return wide.astype({"index": int})


def weight_changes(weights: pd.DataFrame) -> pd.DataFrame:
    """Add to recorded weights (`name`, `value`) the `change` since the weight's first record."""
    start = weights.groupby("name", sort=False)["value"].transform("first")
    return weights.assign(change=weights["value"] - start)


def pair_changes(history: pd.DataFrame) -> pd.DataFrame:
    """Add to a history the changes of its pair since the first epoch: `wx_change`, `wy_change`."""
    changes = {f"{name}_change": history[name] - history[name].iloc[0] for name in ("wx", "wy")}
    return history.assign(**changes)
