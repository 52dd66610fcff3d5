"""What figures over seeds share: names and units of outcomes, means with intervals, labels with n.

Means and intervals are over the runs that did not diverge; how many did stands beside each n.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hindi_bn.figures.style import NOTE_INCHES, Look, data_note, looks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONFIDENCE = 0.95
INTERVAL = "95 % t-interval of the mean"

_WRAP = 38  # letters of an arm's name in a line of a label
_LETTER_INCHES = 0.078  # a letter of a label, on the safe side
_NOTE_LETTERS, _NOTE_LINE = 15.0, 0.135  # letters an inch; height of a line in inches
_WIDE_RANGE = (
    10.0  # a loss whose largest value is so many times its smallest is drawn on a log axis
)


class Quantity(NamedTuple):
    """How an outcome is called and scaled: a value of a table times `factor` is in `unit`."""

    name: str
    factor: float = 1.0
    unit: str = ""
    difference_unit: str = ""

    @property
    def axis(self) -> str:
        """The label of an axis of values."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def difference(self, baseline: str) -> str:
        """Return the label of an axis of differences from the baseline arm."""
        unit = f" ({self.difference_unit})" if self.difference_unit else ""
        return f"{self.name}: difference from {baseline}{unit}"


_ACCURACY: dict[str, Any] = {"factor": 100.0, "unit": "%", "difference_unit": "points"}
_POINTS: dict[str, Any] = {"factor": 100.0, "unit": "points", "difference_unit": "points"}
_LOSS: dict[str, Any] = {"unit": "cross-entropy, nats", "difference_unit": "nats"}

_NAMED = {
    "last5_test_accuracy": Quantity("Test accuracy, mean of the last 5 epochs", **_ACCURACY),
    "loss_area": Quantity("Mean training loss", **_LOSS),
    "oscillation": Quantity("Oscillation of the test accuracy", **_POINTS),
    "generalisation_gap": Quantity("Generalisation gap", **_POINTS),
    "generalisation.gap": Quantity("Generalisation gap, in eval mode", **_POINTS),
    "shifted-digits.rotated_accuracy": Quantity("Accuracy on rotated test digits", **_ACCURACY),
    "shifted-digits.scaled_accuracy": Quantity("Accuracy on scaled test digits", **_ACCURACY),
}


def quantity(outcome: str) -> Quantity:
    """Return how an outcome, a measured quantity, or a column of a history is said.

    A name that is not known is drawn as it is; one that ends in `accuracy` in per cent, one that
    ends in `loss` in nats.
    """
    if outcome in _NAMED:
        return _NAMED[outcome]
    if found := re.fullmatch(r"train_loss_at_(\d+)", outcome):
        count = int(found[1])
        return Quantity(f"Training loss after {count} epoch{'s' * (count != 1)}", **_LOSS)
    if found := re.fullmatch(r"epochs_to_(\d+)", outcome):
        return Quantity(f"Epochs to {found[1]} % test accuracy", difference_unit="epochs")
    words = re.sub(r"\btrain\b", "training", outcome.replace("_", " "))
    words = words[:1].upper() + words[1:]
    if outcome.endswith("accuracy"):
        return Quantity(words, **_ACCURACY)
    return Quantity(words, **_LOSS) if outcome.endswith("loss") else Quantity(words)


def intervals(rows: pd.DataFrame, by: str | list[str], value: str) -> pd.DataFrame:
    """Compute each group's mean with its two-sided 95 % t-interval.

    Parameters
    ----------
    rows
        A row a run (and epoch), with the columns `by` and `value`.
    by
        What makes a group; groups come in the order of their first rows.
    value
        The column to average; NaN is left out.

    Returns
    -------
    Indexed by `by`: `n`, `mean`, `low` and `high`; the interval of a single value is NaN.
    """
    import pandas as pd
    from scipy import stats

    groups = rows.groupby(by, sort=False)[value]
    n, mean = groups.count(), groups.mean()
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * groups.sem()
    return pd.DataFrame({"n": n, "mean": mean, "low": mean - half, "high": mean + half})


def scaled(runs: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Return the runs that count, with the outcome in its unit as column `value`.

    Runs that diverged and runs without a finite outcome are left out.
    """
    import numpy as np

    values = quantity(outcome).factor * runs[outcome].astype(float)
    counts = np.isfinite(values) & (runs["status"] != "diverged")
    return runs.assign(value=values)[counts]


def count_text(runs: pd.DataFrame, outcome: str) -> str:
    """Say how many of the runs count, and what became of the others: `n = 3, 2 diverged`."""
    said = [f"n = {len(scaled(runs, outcome))}"]
    lost = runs[runs["status"] != "finished"]["status"].value_counts(sort=False)
    said += [f"{count} {status}" for status, count in lost.items()]
    finished = runs[runs["status"] == "finished"]
    never = len(finished) - len(scaled(finished, outcome))
    return ", ".join(said + [f"{never} without a value"] * (never > 0))


def arm_looks(arms: Iterable[str]) -> dict[str, Look]:
    """Give each arm its look; an arm `norm=batch` has that of `batch`, so that it is known."""
    arms = list(dict.fromkeys(arms))
    values = {arm: arm.partition("=")[2] if arm.count("=") == 1 else arm for arm in arms}
    if len(set(values.values())) < len(arms):
        values = {arm: arm for arm in arms}
    given = looks(values.values())
    return {arm: given[value] for arm, value in values.items()}


def wrapped(text: str, letters: int = _WRAP) -> str:
    """Break a long label into lines."""
    return textwrap.fill(text, letters, break_long_words=True)


def label_size(labels: Sequence[str]) -> tuple[float, int]:
    """Return the width in inches and the lines that labels, already wrapped, take together."""
    lines = [line for label in labels for line in label.split("\n")]
    return _LETTER_INCHES * max(map(len, lines), default=0), len(lines)


def levels(values: pd.Series) -> list[Any]:
    """Return the different values of a key: numbers in ascending order, others as they come."""
    different = list({value_text(value): value for value in values}.values())
    return sorted(different) if are_numbers(different) else different


def are_numbers(values: Iterable[Any]) -> bool:
    """Whether all values are finite numbers, and not truth values."""
    import numpy as np

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


def wide_loss(outcome: str, values: pd.Series) -> bool:
    """Whether the outcome is a loss that spans at least a decade, so that a log axis shows more."""
    if "loss" not in outcome or values.empty:
        return False
    return bool(values.min() > 0 and values.max() / values.min() >= _WIDE_RANGE)


def plain_log(ax: Axes, axis: str) -> None:
    """Make an axis, `x` or `y`, logarithmic with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set(**{f"{axis}scale": "log"})
    line = ax.xaxis if axis == "x" else ax.yaxis
    line.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    line.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    line.set_minor_formatter(NullFormatter())


def finish(figure: Figure, data_title: str, *details: str) -> Figure:
    """Write the data note, and keep as many lines free for it as it needs."""
    said = " · ".join(filter(None, details))
    width, height = figure.get_size_inches()
    letters = len(data_title) + len(said) + 9
    lines = math.ceil(letters / (_NOTE_LETTERS * (width - 0.3)))
    share = max(NOTE_INCHES, 0.12 + _NOTE_LINE * lines) / height
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0.0, share, 1.0, 1.0 - share))
    data_note(figure, data_title, said)
    return figure


def n_note(runs: pd.DataFrame, arms: Sequence[str] = ()) -> str:
    """Say how many seeds and arms a figure shows, and that a single seed has no interval."""
    seeds = runs["seed"].nunique()
    said = f"{seeds} seed{'s' * (seeds != 1)}"
    if arms:
        said += f", {len(arms)} arm{'s' * (len(arms) != 1)}"
    return said + (f", {INTERVAL}" if seeds > 1 else ", no interval from a single seed")


def limits(ax: Axes, axis: str, values: pd.Series, means: pd.DataFrame) -> None:
    """Set an axis, `x` or `y`, to the values and the intervals of their means.

    An interval of very few values can be many times their spread: it may take up to half of that
    on either side, and is cut off beyond.
    """
    low, high = float(values.min()), float(values.max())
    if getattr(ax, f"get_{axis}scale")() == "log":
        ax.set(**{f"{axis}lim": (low / 1.2, high * 1.2)})
        return
    reach = 0.5 * (high - low) or max(0.02 * abs(high), 1e-3)
    low = max(low - reach, min(low, float(means["low"].fillna(low).min())))
    high = min(high + reach, max(high, float(means["high"].fillna(high).max())))
    margin = 0.05 * (high - low) or reach
    ax.set(**{f"{axis}lim": (low - margin, high + margin)})
