"""A metric against a key with an order: learning rate, batch size, initialisation."""

import math
import textwrap
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from hindi_bn.figures.over_seeds import (
    are_numbers,
    cut_note,
    diverged_note,
    label_size,
    levels,
    limits,
    n_note,
    scale_losses,
    shown,
    value_text,
    wrapped,
)
from hindi_bn.figures.style import NEUTRAL, Look, Part, looks
from hindi_bn.stats.metrics import Metric
from hindi_bn.study.words import key_in_words, value_in_words

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


class Dose(NamedTuple):
    """A metric against a key: what is drawn, and by what it stands along the axis.

    Args:
        values, means: A table of values, and one of means by `x` and `hue`.
        x: The key along the axis. Powers of two have a binary logarithmic axis, numbers that span a
            decade a decimal one; text stands in the order of its first rows.
        hue: The key whose values differ in colour; None for a single line.
    """

    values: pd.DataFrame
    means: pd.DataFrame
    x: str
    hue: str | None
    metric: Metric

    @property
    def places(self) -> Places:
        """Where the values of `x` stand."""
        return places_of(self.means[self.x])

    @property
    def lines(self) -> dict[str, Look]:
        """The lines' names and looks."""
        if self.hue is None:
            return {"all": Look(NEUTRAL, "o")}
        return looks(value_text(value) for value in levels(self.means[self.hue]))

    @property
    def names(self) -> dict[str, str]:
        """The lines' names as they are read."""
        return {name: value_in_words(str(self.hue), name) for name in self.lines}

    def placed(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return one of the tables in the metric's unit, with each row's `line` and `place`."""
        line = "all" if self.hue is None else table[self.hue].map(value_text)
        place = table[self.x].map(value_text).map(self.places.at).astype(float)
        return shown(table, self.metric).assign(line=line, place=place)


def dose_lines(dose: Dose, ax: Axes) -> Axes:
    """Draw a metric against a key, without a legend.

    Single seeds are dots, those that diverged crosses. Means are a line with their intervals as a
    band; where x is text, which has no order, marks with bars.
    """
    values, means = dose.placed(dose.values), dose.placed(dose.means)
    numeric, given = dose.places.numeric, dose.lines
    scale_losses(ax, "y", dose.metric, values["value"])
    for turn, (name, look) in enumerate(given.items()):
        shift = 0.0 if numeric else _SHIFT * (turn - (len(given) - 1) / 2)
        rows, of_line = (table[table["line"] == name] for table in (values, means))
        rows = rows.assign(place=rows["place"] + shift)
        of_line = of_line.assign(place=of_line["place"] + shift)
        _line(ax, rows, of_line[of_line["n"] > 0].sort_values("place"), look, name, ordered=numeric)
    limits(ax, "y", values["value"], means, dose.metric)
    _scale(ax, dose.places, {text: value_in_words(dose.x, text) for text in dose.places.at})
    ax.set(xlabel=key_in_words(dose.x), ylabel=dose.metric.axis)
    return ax


def diverged_crosses(dose: Dose, ax: Axes) -> Axes:
    """Draw a row per line with diverged runs: a cross where they are, with their number of all."""
    means, given = dose.placed(dose.means), dose.lines
    means = means[means["n_diverged"] > 0]
    names = [name for name in given if name in set(means["line"])]
    for mean in means.to_dict("records"):
        row = names.index(mean["line"])
        colour = given[mean["line"]].colour
        ax.plot([mean["place"]], [row], marker="x", color=colour, markersize=6, zorder=3)
        ended = round(mean["n_diverged"] / mean["divergence_rate"])
        ax.annotate(
            f"{mean['n_diverged']}/{ended}", (mean["place"], row), (5, 0),
            textcoords="offset points", va="center", fontsize=8, color="0.25",
        )  # fmt: skip
    labels = ["diverged" if dose.hue is None else f"diverged: {dose.names[name]}" for name in names]
    ax.set_yticks(range(len(names)), [textwrap.shorten(text, 28) for text in labels], fontsize=8)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(False)
    return ax


def dose_part(dose: Dose) -> Part:
    """Return `dose_lines` with a legend, and `diverged_crosses` below when a run diverged."""
    means, names = dose.placed(dose.means), dose.names
    lost = means[means["n_diverged"] > 0]["line"].nunique()
    # A list of numbers needs the name of what they are; "with BN" does not.
    title = key_in_words(dose.hue) if dose.hue and set(names) == set(names.values()) else ""
    wide, lines = label_size([wrapped(name) for name in [*names.values(), title]])
    crosses = _CROSSES_ROW * lost + 0.12
    width = 6.9 + (wide + _LEGEND_HANDLE) * (dose.hue is not None)
    height = max(4.2, _LEGEND_LINE * lines + 1.2) + (crosses if lost else 0.0)

    def draw(figure: Any) -> None:
        if lost:
            ratios = [height - crosses, crosses]
            ax, below = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
            diverged_crosses(dose, below).set_xlabel(key_in_words(dose.x))
            dose_lines(dose, ax).label_outer()
        else:
            ax = dose_lines(dose, figure.add_subplot())
        if dose.hue is not None:
            handles, given = ax.get_legend_handles_labels()
            figure.legend(
                handles, [wrapped(names[name]) for name in given], title=title,
                loc="outside right upper", frameon=False, alignment="left",
            )  # fmt: skip

    dots = "dots: seeds" + ("" if dose.places.numeric else ", marks: means")
    notes = (_n(dose), dots, diverged_note(means, dose.metric), cut_note(means))
    return Part(width, height, notes, draw)


def _line(
    ax: Axes, rows: pd.DataFrame, means: pd.DataFrame, look: Look, name: str, ordered: bool
) -> None:
    for diverged, marker in ((False, "."), (True, "x")):
        dots = rows[(rows["status"] == "diverged") == diverged]
        ax.plot(
            dots["place"], dots["value"], linestyle="none", marker=marker, markersize=6, alpha=0.5,
            color=look.colour, markeredgewidth=1.5 * diverged, zorder=2,
        )  # fmt: skip
    place, low, high = means["place"], means["low"], means["high"]
    if ordered:
        ax.fill_between(place, low, high, color=look.colour, alpha=0.15, linewidth=0)
    else:
        ax.vlines(place, low, high, color=look.colour, linewidth=1.4)
    ax.plot(
        place, means["mean"], color=look.colour, marker=look.marker, markersize=6 if ordered else 8,
        linewidth=1.7, linestyle="-" if ordered else "none", zorder=3, label=name,
    )  # fmt: skip


def _scale(ax: Axes, places: Places, words: dict[str, str]) -> None:
    """Scale the axis, with a tick at each value that the key has."""
    if places.scale != "linear":
        ax.set_xscale("log", base=2 if places.scale == "binary" else 10)
        ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.07)
    turned = len("  ".join(words.values())) > _TICK_LETTERS
    how: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    labels = [wrapped(words[text], 20) for text in places.at]
    ax.set_xticks(list(places.at.values()), labels, **(how if turned else {}))


def _n(dose: Dose) -> str:
    """Say how many runs each mean is over."""
    counts = dose.means["n"][dose.means["n"] > 0]
    if counts.empty:
        return "no run has a value"
    few, many = int(counts.min()), int(counts.max())
    return f"n = {few}" + (f" to {many}" * (many > few)) + f" per mean, {n_note(dose.values)}"
