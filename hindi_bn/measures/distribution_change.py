"""How the distributions of the activations' inputs change while a network trains."""

from __future__ import annotations

import pandas as pd

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import rows_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric

KEYS = ["layer", "index", "quantity"]
COMPARED = ("p5", "p50", "p95")

RECORDING = "percentiles"
VERSION = 1
VALUES = {
    "per_reading": Metric("Change of the activations' percentiles", "spans per reading"),
    "per_reading_later": Metric(
        "Change of the activations' percentiles after the first epoch", "spans per reading"
    ),
    "over_the_run": Metric("Change of the activations' percentiles from start to end", "spans"),
    "after_one_epoch": Metric(
        "Change of the activations' percentiles from the first epoch's end on", "spans"
    ),
    "readings": Metric("Changes between readings"),
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how distributions change, from a recording `percentiles`.

    A change is the mean absolute difference of percentiles 5, 50 and 95 between two readings, in
    units of the channel's span at the earlier one, percentile 95 minus 5; a channel without span
    then is left out. Means over percentiles and channels, then over layers, then over readings.
    """
    rows = rows_of(record, RECORDING)
    rows = rows[rows["quantity"].isin(COMPARED)]
    table = rows.pivot(index="step", columns=KEYS, values="value")  # noqa: PD010
    epochs = rows.drop_duplicates("step").set_index("step")["epoch"].loc[table.index]
    ends = table[epochs == 0].iloc[[-1]]
    steps = pd.Series(
        [_change(table.iloc[n], table.iloc[n + 1]) for n in range(len(table) - 1)],
        index=table.index[1:], dtype="float64",
    )  # fmt: skip
    return {
        "per_reading": float(steps.mean()),
        "per_reading_later": float(steps[epochs.loc[steps.index] > 0].mean()),
        "over_the_run": _change(table.iloc[0], table.iloc[-1]),
        "after_one_epoch": _change(ends.iloc[0], table.iloc[-1]),
        "readings": float(len(steps)),
    }


def _change(earlier: pd.Series[float], later: pd.Series[float]) -> float:
    """Return the change from one reading to another, each by (layer, channel, percentile)."""
    before, after = earlier.unstack("quantity"), later.unstack("quantity")  # noqa: PD010
    span = before["p95"] - before["p5"]
    change = (after - before).abs().mean(axis=1) / span.where(span > 0)
    return float(change.groupby(level="layer").mean().mean())
