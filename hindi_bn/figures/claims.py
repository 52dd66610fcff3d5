"""Figures of claims: effects beside the rule that they were tested by, and the article's gap."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hindi_bn.figures.over_seeds import (
    INTERVAL,
    label_size,
    limits,
    number,
    shown,
    wrapped,
)
from hindi_bn.figures.style import NEUTRAL, Look, Part, count_axis
from hindi_bn.stats.intervals import FEWEST
from hindi_bn.stats.metrics import points
from hindi_bn.study.words import arms_in_words, counted

VERDICTS = {
    "supported": Look("#009E73", "o"),
    "opposite found": Look("#882255", "s"),
    "not as stated": Look("#CC79A7", "v"),
    "undecided": Look("#555555", "D"),
    "pilot": Look("#999999", "P"),
}
"""Look of each verdict; none has the colour of an arm with or without BN."""

_GAP = points("Gap in test accuracy")
REGION = "#009E73"
"""Colour of where a claim holds."""

_PUBLISHED = "#882255"
_LINE, _PANEL = 0.24, 0.75  # inches of a line of a label, and of a panel beside its rows


def forest(tests: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a row per test: its estimate with interval, and shaded where the claim would hold.

    `tests` are of one unit, in order from the top: `label`, `estimate`, `low` and `high` (NaN for
    no interval), `margin_low` and `margin_high` (ends of the region in which the claim holds,
    infinite where it has no end), `unit`, `verdict` (one of `VERDICTS`) and `n`.
    """
    low, high = _reach(tests)
    ax.axvline(0.0, color="0.3", linewidth=1.0, linestyle="--", zorder=1)
    for row, test in enumerate(tests.to_dict("records")):
        left, right = max(test["margin_low"], low), min(test["margin_high"], high)
        if left < right:
            ax.fill_betweenx(
                [row - 0.42, row + 0.42], left, right, color=REGION, alpha=0.22, linewidth=0,
                zorder=0,
            )  # fmt: skip
        look = VERDICTS[test["verdict"]]
        ax.plot([test["low"], test["high"]], [row, row], color=look.colour, linewidth=2, zorder=3)
        ax.plot([test["estimate"]], [row], color=look.colour, marker=look.marker, zorder=4)
        ax.text(
            1.01, row, _numbers(test), transform=ax.get_yaxis_transform(), va="center", fontsize=8.5
        )
    labels = [wrapped(str(label)) for label in tests["label"]]
    ax.set_yticks(range(len(tests)), labels, fontsize=9)
    ax.set_ylim(len(tests) - 0.5, -0.5)
    ax.set_xlim(low, high)
    ax.grid(False, axis="y")
    ax.set_xlabel(str(tests["unit"].iloc[0]))
    return ax


def forest_part(tests: pd.DataFrame) -> Part:
    """Return the tests of a claim: a panel per unit, see `forest`, with a legend of the verdicts.

    The caption should name the intervals.
    """
    panels = list(tests.groupby("unit", sort=False))
    sizes = [label_size([wrapped(str(label)) for label in part["label"]]) for _, part in panels]
    lines = [
        max(lines, 1.5 * len(part)) for (_, lines), (_, part) in zip(sizes, panels, strict=True)
    ]

    def draw(figure: Any) -> None:
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=lines)[:, 0]
        for ax, (_, part) in zip(axes, panels, strict=True):
            forest(part, ax)
        _verdict_legend(axes[0], list(tests["verdict"]))

    height = _LINE * sum(lines) + _PANEL * len(panels) + 1.1
    return Part(7.4 + max(wide for wide, _ in sizes), height, (), draw)


def gap_by_epoch(pairs: pd.DataFrame, means: pd.DataFrame, published: float, ax: Axes) -> Axes:
    """Draw the gap against the stopping epoch: seeds thin, their mean, its 95 % t-interval.

    `pairs` has `seed`, `epoch` and `value`, a share: the gap in test accuracy, had the pair of runs
    been stopped after that epoch; `means` is a table of means of it by `epoch`. `published` is in
    points.
    """
    pairs, means = shown(pairs, _GAP), shown(means, _GAP)
    for _, run in pairs.groupby("seed"):
        ax.plot(run["epoch"], run["value"], color=NEUTRAL, linewidth=0.7, alpha=0.4)
    epochs, ends = means["epoch"], (means["low"], means["high"])
    ax.fill_between(epochs, *ends, color=NEUTRAL, alpha=0.2, linewidth=0)
    ax.plot(epochs, means["mean"], color=NEUTRAL, linewidth=2, label="mean")
    ax.axhline(published, color=_PUBLISHED, linestyle="--", label=f"published ({published:.1f})")
    ax.axhline(0.0, color="0.3", linewidth=1.0)
    count_axis(ax, "Stopped after epoch (counted from 0)")
    ax.set_ylabel(_GAP.axis)
    limits(ax, "y", pd.concat([pairs["value"], pd.Series([published, 0.0])]), means, _GAP)
    ax.legend(loc="upper right", frameon=True, framealpha=0.9)
    return ax


def gap_histogram(late: pd.DataFrame, published: float, ax: Axes) -> Axes:
    """Draw the distribution of the gaps of late stopping epochs, over all seeds.

    `late` are rows of `gap_by_epoch`'s pairs, with `reached`: whether it is at least the published
    one.
    """
    gaps = shown(late, _GAP)["value"]
    ends = [*gaps, published, 0.0]
    step = max(0.25, float(np.ceil((max(ends) - min(ends)) / 10) / 4))
    edges = np.arange(np.floor(min(ends) / step), np.ceil(max(ends) / step) + 2) * step
    ax.hist(gaps, bins=list(edges), color=NEUTRAL, alpha=0.75, edgecolor="white")
    ax.axvline(published, color=_PUBLISHED, linestyle="--")
    ax.axvline(0.0, color="0.3", linewidth=1.0)
    reached = int(late["reached"].sum())
    ax.set_title(f"{reached} of {len(late)} gaps reach the published one", fontsize=10)
    ax.set(xlabel=_GAP.axis, ylabel=f"Pairs of runs, bins of {step:g} points")
    return ax


def gap_part(
    pairs: pd.DataFrame,
    means: pd.DataFrame,
    late: pd.DataFrame,
    published: float,
    arms: tuple[str, str],
) -> Part:
    """Return `gap_by_epoch` beside `gap_histogram`: where the published gap falls.

    `arms` are the names of the arms with BN and without.
    """
    count = pairs["seed"].nunique()
    notes = (
        f"n = {count} pair{'s' * (count != 1)} of runs",
        INTERVAL if count >= FEWEST else f"no interval below n = {FEWEST}",
        f"right: last {counted(late['epoch'].nunique(), 'epoch')}",
    )

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1.2, 1.0))
        gap_by_epoch(pairs, means, published, left)
        left.set_title("{} minus {}, by seed".format(*arms_in_words(arms).values()), fontsize=10)
        gap_histogram(late, published, right)

    return Part(11.5, 4.3, notes, draw)


def _reach(tests: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of the axis: all estimates, intervals, finite margins, and zero."""
    columns = ["estimate", "low", "high", "margin_low", "margin_high"]
    values = np.append(tests[columns].to_numpy(dtype=float).ravel(), 0.0)
    values = values[np.isfinite(values)]
    margin = 0.08 * (values.max() - values.min()) or 1.0
    return float(values.min() - margin), float(values.max() + margin)


def _numbers(test: dict[Any, Any]) -> str:
    if not np.isfinite(test["estimate"]):
        return f"no estimate  n = {test['n']:g}"
    text, low, high = (number(test[name], 3, "+") for name in ("estimate", "low", "high"))
    if np.isfinite(test["low"]) and np.isfinite(test["high"]):
        text += f"  [{low}, {high}]"
    return f"{text}  n = {test['n']:g}"


def _verdict_legend(ax: Axes, verdicts: list[str]) -> None:
    handles: list[Artist] = [
        Line2D([], [], color=look.colour, marker=look.marker, label=verdict)
        for verdict, look in VERDICTS.items() if verdict in verdicts
    ]  # fmt: skip
    handles.append(Patch(color=REGION, alpha=0.3, linewidth=0, label="the claim holds here"))
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(len(handles), 5),
        frameon=False, fontsize=9, columnspacing=1.2,
    )  # fmt: skip
