"""An outcome against a key with an order: learning rate, batch size, initialisation."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from hindi_bn.figures.over_seeds import (
    are_numbers,
    finish,
    intervals,
    label_size,
    levels,
    limits,
    n_note,
    plain_log,
    quantity,
    scaled,
    value_text,
    wide_loss,
    wrapped,
)
from hindi_bn.figures.style import Look, looks, new_figure, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BEYOND = 3.0  # per cent that an axis of accuracies shows below 0 and above 100
_DECADE = 10.0  # numbers that span it have a logarithmic axis
_TICK_LETTERS = 60  # with more, the labels of the values are turned
_SHIFT = 0.14  # between the lines of text values, so that their intervals do not overlap
_LEGEND_HANDLE, _LEGEND_LINE = 0.75, 0.19  # inches
_CROSSES_ROW = 0.24  # inches of a line's row of diverged runs


class Places(NamedTuple):
    """Where a key's values stand on an axis: by their text, and whether they are numbers."""

    at: dict[str, float]
    numeric: bool

    @property
    def scale(self) -> str:
        """Name the scale that suits the values: `binary`, `decimal` or `linear`."""
        values = list(self.at.values())
        if not self.numeric or min(values) <= 0 or len(values) == 1:
            return "linear"
        if all(value >= 1 and math.log2(value).is_integer() for value in values):
            return "binary"
        return "decimal" if max(values) / min(values) >= _DECADE else "linear"


def places_of(values: pd.Series) -> Places:
    """Place numbers at themselves, and text at 0, 1, 2 … in the order of its first rows."""
    different = levels(values)
    numeric = are_numbers(different)
    at = {value_text(value): float(value) if numeric else i for i, value in enumerate(different)}
    return Places(at, numeric)


def dose_lines(
    runs: pd.DataFrame, ax: Axes, x: str, hue: str | None, outcome: str = "final_test_accuracy"
) -> Axes:
    """Draw an outcome against a key, a line a value of another key.

    Parameters
    ----------
    runs
        A row a run: `seed`, `status`, the columns `x` and `hue`, and the outcome's.
    ax
        Where to draw.
    x
        The key along the axis. Powers of two have a binary logarithmic axis, numbers that span a
        decade a decimal one; text stands in the order of its first rows.
    hue
        The key whose values are told apart by colour; None for a single line.
    outcome
        A name of `hindi_bn.stats.metrics`.

    Returns
    -------
    `ax`, without a legend: single seeds as dots, means as a line, their 95 % t-interval as a band
    (a bar where x is text). Runs that diverged are not drawn; see `diverged_crosses`.
    """
    places, given = places_of(runs[x]), _lines(runs, hue)
    values = _placed(scaled(runs, outcome), x, hue, places)
    if wide_loss(outcome, values["value"]):
        plain_log(ax, "y")
    for turn, (name, look) in enumerate(given.items()):
        rows = values[values["line"] == name]
        shift = 0.0 if places.numeric else _SHIFT * (turn - (len(given) - 1) / 2)
        _line(ax, rows.assign(place=rows["place"] + shift), look, name, band=places.numeric)
    if not values.empty:
        limits(ax, "y", values["value"], intervals(values, ["line", "place"], "value"))
    if quantity(outcome).unit == "%":  # intervals of few seeds reach beyond what there can be
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, -_BEYOND), min(high, 100 + _BEYOND))
    _scale(ax, places)
    ax.set(xlabel=x, ylabel=quantity(outcome).axis)
    return ax


def diverged_crosses(runs: pd.DataFrame, ax: Axes, x: str, hue: str | None) -> Axes:
    """Draw a row a line: a cross where runs diverged, with their number and that of all runs.

    Parameters
    ----------
    runs, ax, x, hue
        See `dose_lines`; of the outcome only `status` is needed.

    Returns
    -------
    `ax`, with a row only for lines that have diverged runs.
    """
    places, given = places_of(runs[x]), _lines(runs, hue)
    values = _placed(runs, x, hue, places).assign(diverged=runs["status"] == "diverged")
    counts = values.groupby(["line", "place"])["diverged"].agg(["sum", "size"])
    counts = counts[counts["sum"] > 0].reset_index()
    shown = [name for name in given if name in set(counts["line"])]
    for line, place, some, of in counts.itertuples(index=False):
        row = shown.index(line)
        ax.plot([place], [row], marker="x", color=given[line].colour, markersize=6, zorder=3)
        ax.annotate(
            f"{some}/{of}", (place, row), (5, 0), textcoords="offset points", va="center",
            fontsize=8, color="0.25",
        )  # fmt: skip
    labels = ["diverged" if hue is None else f"diverged: {name}" for name in shown]
    ax.set_yticks(range(len(shown)), [textwrap.shorten(text, 28) for text in labels], fontsize=8)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.grid(False)
    return ax


def dose_figure(
    runs: pd.DataFrame,
    x: str,
    hue: str | None = None,
    outcome: str = "final_test_accuracy",
    data_title: str = "",
    details: str = "",
    title: str = "",
) -> Figure:
    """Compose `dose_lines` with a legend, and `diverged_crosses` below when a run diverged.

    Parameters
    ----------
    runs, x, hue, outcome
        See `dose_lines`.
    data_title, details
        For the note at the bottom; the number of seeds and the interval's name are added.
    title
        The outcome and the key by default.
    """
    given = _lines(runs, hue)
    lost = _placed(runs, x, hue, places_of(runs[x]))[runs["status"] == "diverged"]["line"].nunique()
    wide, lines = label_size([wrapped(name) for name in [*given, hue or ""]])
    crosses = _CROSSES_ROW * lost + 0.12
    with theme():
        height = max(4.6, _LEGEND_LINE * lines + 1.2) + (crosses if lost else 0.0)
        figure = new_figure(6.9 + (wide + _LEGEND_HANDLE) * (hue is not None), height)
        figure.suptitle(title or f"{quantity(outcome).name} by {x}", fontweight="bold")
        if lost:
            ax, below = figure.subplots(
                2, 1, sharex=True, height_ratios=[height - crosses, crosses]
            )
            diverged_crosses(runs, below, x, hue).set_xlabel(x)
            dose_lines(runs, ax, x, hue, outcome).label_outer()
        else:
            ax = dose_lines(runs, figure.add_subplot(), x, hue, outcome)
        if hue is not None:
            handles, names = ax.get_legend_handles_labels()
            figure.legend(
                handles, [wrapped(name) for name in names], title=hue, loc="outside right upper",
                frameon=False, alignment="left",
            )  # fmt: skip
        said = "× diverged, of all runs, left out of the means" if lost else ""
        return finish(figure, data_title, details, _n(runs, x, hue, outcome), "dots: seeds", said)


def _lines(runs: pd.DataFrame, hue: str | None) -> dict[str, Look]:
    names = ["all"] if hue is None else [value_text(value) for value in levels(runs[hue])]
    return looks(names)


def _placed(runs: pd.DataFrame, x: str, hue: str | None, places: Places) -> pd.DataFrame:
    """Add each run's `line` and its `place` on the axis."""
    line = "all" if hue is None else runs[hue].map(value_text)
    return runs.assign(line=line, place=runs[x].map(value_text).map(places.at).astype(float))


def _line(ax: Axes, rows: pd.DataFrame, look: Look, name: str, band: bool) -> None:
    means = intervals(rows, "place", "value").sort_index()
    ax.plot(
        rows["place"], rows["value"], linestyle="none", marker=".", markersize=6, alpha=0.5,
        color=look.colour, markeredgewidth=0, zorder=2,
    )  # fmt: skip
    if band:
        ax.fill_between(
            means.index, means["low"], means["high"], color=look.colour, alpha=0.15, linewidth=0
        )
    else:
        ax.vlines(means.index, means["low"], means["high"], color=look.colour, linewidth=1.4)
    ax.plot(
        means.index, means["mean"], color=look.colour, marker=look.marker, markersize=6,
        linewidth=1.7, zorder=3, label=name,
    )  # fmt: skip


def _scale(ax: Axes, places: Places) -> None:
    """Scale the axis, with a tick at each value that the key has."""
    from matplotlib.ticker import NullLocator

    if places.scale != "linear":
        ax.set_xscale("log", base=2 if places.scale == "binary" else 10)
        ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.07)
    turned = len("  ".join(places.at)) > _TICK_LETTERS
    how: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    labels = [wrapped(text, 20) for text in places.at]
    ax.set_xticks(list(places.at.values()), labels, **(how if turned else {}))


def _n(runs: pd.DataFrame, x: str, hue: str | None, outcome: str) -> str:
    """Say how many runs each mean is over."""
    values = _placed(scaled(runs, outcome), x, hue, places_of(runs[x]))
    counts = values.groupby(["line", "place"]).size()
    if counts.empty:
        return "no run counts"
    few, many = int(counts.min()), int(counts.max())
    return f"n = {few}" + (f" to {many}" if many > few else "") + f" a mean, {n_note(runs)}"
