"""What figures over seeds share: looks of arms, labels with n and divergences, and axes.

The tables that they draw are those of `hindi_bn.stats.tables`.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from hindi_bn.figures.style import log_axis
from hindi_bn.stats.intervals import FEWEST
from hindi_bn.stats.metrics import Metric

INTERVAL = f"95 % t-interval of the mean (from n = {FEWEST} on)"

_WRAP = 38  # letters of an arm's name in a line of a label
_LETTER_INCHES = 0.078  # a letter of a label, on the safe side
_BEYOND = 3.0  # per cent that an axis of accuracies shows below 0 and above 100
_WIDE = 10.0  # a loss whose largest value is so many times its smallest has a logarithmic axis


def shown(table: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return a table of values or of means in the metric's unit on an axis."""
    columns = [c for c in ("value", "recorded", "mean", "low", "high") if c in table]
    return table.assign(**{c: metric.factor * table[c].astype(float) for c in columns})


def counts_text(row: Mapping[Any, Any], metric: Metric, what: str = "") -> str:
    """Say how many runs or pairs a row of means is over, and how many diverged.

    `what` is what is counted, in the singular; runs when empty.
    """
    n, diverged, missing = (int(row[key]) for key in ("n", "n_diverged", "n_missing"))
    parts = [f"n = {n}" + (f" {what}{'s' * (n != 1)}" if what else "")]
    if diverged:
        parts.append(f"{diverged} of them diverged" if metric.counts_diverged else
                     f"{diverged} diverged")  # fmt: skip
    if other := missing - (0 if metric.counts_diverged else diverged):
        parts.append(f"{other} without a value")
    return ", ".join(parts)


def diverged_note(means: pd.DataFrame, metric: Metric, mark: str = "× ") -> str:
    """Say what runs that diverged count as; nothing when none did."""
    if not means["n_diverged"].sum():
        return ""
    if not metric.counts_diverged:
        return f"{mark}diverged, without a value"
    return f"{mark}diverged, counted as {metric.factor * metric.diverged:g} {metric.unit}"


def wrapped(text: str, letters: int = _WRAP) -> str:
    """Break a long label into lines."""
    return textwrap.fill(text, letters, break_long_words=True)


def label_size(labels: Sequence[str]) -> tuple[float, int]:
    """Return the width in inches and the lines that labels, already wrapped, take together."""
    lines = [line for label in labels for line in label.split("\n")]
    return _LETTER_INCHES * max(map(len, lines), default=0), len(lines)


def cut_note(means: pd.DataFrame) -> str:
    """Say that intervals are cut to what is possible; nothing when none is."""
    return "intervals end at what is possible" if means["method"].eq("t, cut").any() else ""


def levels(values: pd.Series) -> list[Any]:
    """Return the different values of a key: numbers in ascending order, others as they come."""
    different = list({value_text(value): value for value in values}.values())
    return sorted(different) if are_numbers(different) else different


def are_numbers(values: Iterable[Any]) -> bool:
    """Whether all values are finite numbers, and not truth values."""
    return all(
        isinstance(value, int | float | np.number) and not isinstance(value, bool)
        and math.isfinite(value)
        for value in values
    )  # fmt: skip


def value_text(value: Any) -> str:
    """Return a key's value as it is written on an axis."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "none"
    return f"{value:g}" if are_numbers([value]) else str(value)


def number(value: float, digits: int = 4, sign: str = "") -> str:
    """Return a number with so many significant digits, zeros kept, and a true minus sign."""
    whole = abs(value) >= 10 ** (digits - 1)
    return f"{value:{sign}{'.0f' if whole else f'#.{digits}g'}}".replace("-", "−")


def scale_losses(ax: Axes, axis: str, metric: Metric, values: pd.Series) -> None:
    """Make the axis logarithmic when the values are losses that span at least a decade."""
    low, high = values.min(), values.max()
    if "nats" in metric.unit and low > 0 and high / low >= _WIDE:
        log_axis(ax, axis)


def n_note(values: pd.DataFrame, arms: Sequence[str] = ()) -> str:
    """Say how many seeds and arms a figure shows, and that few seeds have no interval."""
    seeds = values["seed"].nunique()
    text = f"{seeds} seed{'s' * (seeds != 1)}"
    if arms:
        text += f", {len(arms)} arm{'s' * (len(arms) != 1)}"
    return text + (f", {INTERVAL}" if seeds >= FEWEST else f", no interval below n = {FEWEST}")


def limits(ax: Axes, axis: str, values: pd.Series, means: pd.DataFrame, metric: Metric) -> None:
    """Set an axis, `x` or `y`, to the values and the intervals of their means.

    An interval may take up to half of the values' spread on either side; beyond, and where there
    can be no accuracies, the axis ends.
    """
    if values.notna().sum() == 0:
        return
    low, high = float(values.min()), float(values.max())
    if getattr(ax, f"get_{axis}scale")() == "log":
        ax.set(**{f"{axis}lim": (low / 1.2, high * 1.2)})
        return
    reach = 0.5 * (high - low) or max(0.02 * abs(high), 1e-3)
    low = max(low - reach, min(low, float(means["low"].fillna(low).min())))
    high = min(high + reach, max(high, float(means["high"].fillna(high).max())))
    margin = 0.05 * (high - low) or reach
    low, high = low - margin, high + margin
    if metric.unit == "%":
        low, high = max(low, -_BEYOND), min(high, 100 + _BEYOND)
    ax.set(**{f"{axis}lim": (low, high)})
