"""Recordings condensed for figures: norms of layers, medians over channels, percentiles."""

import numpy as np
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


def bands_along_gradient(rows: pd.DataFrame, lr: float) -> pd.DataFrame:
    """Condense a recording `along-gradient` of a run with this learning rate, length by length.

    Returns a row per reading and scale (`lr`, `relative`): `step`, `epoch`, `scale`, `loss` and
    `norm` of the gradient before the step; lowest and highest loss after it, `loss_low` and
    `loss_high`; smallest and largest change of the gradient, `change_low` and `change_high`; and
    `smoothness`, the largest change over the distance moved. A loss that is not a number counts as
    infinite; where the gradient is 0 nothing moves, and `smoothness` is NaN.
    """
    named = rows.assign(label=rows["quantity"] + " " + rows["index"])
    table = named.pivot(index=["epoch", "step"], columns="label", values="value")  # noqa: PD010
    parts = []
    for scale in ("lr", "relative"):
        labels = map(str, table.columns)
        lengths = [text.removeprefix("loss ") for text in labels if f"loss {scale} " in text]
        losses, changes = (
            np.nan_to_num(table[[f"{what} {length}" for length in lengths]], nan=np.inf)
            for what in ("loss", "change")
        )  # (readings, lengths)
        norm = table[f"norm {scale}"].to_numpy(float)[:, None]
        moved = np.array([[float(length.partition(" ")[2]) for length in lengths]])
        moved = np.where(norm > 0, lr * norm * moved if scale == "lr" else moved, np.nan)
        parts.append(table[[]].assign(
            scale=scale, loss=table["loss "], norm=norm[:, 0],
            loss_low=losses.min(1), loss_high=losses.max(1),
            change_low=changes.min(1), change_high=changes.max(1),
            smoothness=(changes / moved).max(1),
        ))  # fmt: skip
    return pd.concat(parts).rename_axis(columns=None).reset_index()
