"""What training costs: against the number of training images, and against the number of runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hindi_bn.figures.style import NEUTRAL, Caption, Look, composing

WAYS = {
    "notebook": ("the notebook's way", Look(NEUTRAL, "s")),
    "exact": ("exact", Look("#009E73", "^")),
    "fast": ("fast", Look("#332288", "o")),
    "engine": ("engine", Look("#CC79A7", "D")),
    "one_by_one": ("one after the other", Look(NEUTRAL, "s")),
    "side_by_side": ("side by side", Look("#332288", "o")),
}
"""Label and look of each way to train; none has the colour of an arm with or without BN."""


def cost_by_images(sizes: pd.DataFrame, lines: Mapping[str, Any], ax: Axes) -> Axes:
    """Draw the seconds per epoch against the training images, a line per way.

    `sizes` has a row for each way and number of images: `images`, `way`, and `median`, `min` and
    `max` of the seconds; a bar reaches from the fastest to the slowest epoch. `lines` are those
    that scipy fitted to ways.
    """
    for way, rows in sizes.groupby("way", sort=False):
        spread = [rows["median"] - rows["min"], rows["max"] - rows["median"]]
        _points(ax, str(way), lines, rows["images"], rows["median"], yerr=spread)
    ax.set(xlabel="Training images", ylabel="Seconds per epoch (median)")
    return _from_zero(ax)


def cost_by_runs(runs: pd.DataFrame, lines: Mapping[str, Any], ax: Axes) -> Axes:
    """Draw the seconds of all runs together against their number.

    `runs` has a row for each number: `runs`, and the seconds `side_by_side` and `one_by_one`.
    """
    for way in ("one_by_one", "side_by_side"):
        _points(ax, way, lines, runs["runs"], runs[way])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="Runs (seeds)", ylabel="Seconds, start included")
    return _from_zero(ax)


def cost_figure(
    sizes: pd.DataFrame, runs: pd.DataFrame, lines: Mapping[str, Any], caption: Caption
) -> Figure:
    """Compose `cost_by_images` and `cost_by_runs`."""
    with composing("What training costs", caption, 11.0, 4.8) as figure:
        left, right = figure.subplots(1, 2)
        cost_by_images(sizes, lines, left)
        cost_by_runs(runs, lines, right)
    return figure


def _points(
    ax: Axes, way: str, lines: Mapping[str, Any], x: pd.Series, y: pd.Series, **bars: Any
) -> None:
    label, look = WAYS[way]
    if line := lines.get(way):
        ends = np.array([0.0, x.max()])
        fitted = line.intercept + line.slope * ends
        ax.plot(ends, fitted, color=look.colour, linewidth=1.2, alpha=0.7)
        label += f" (line: $R^2$ = {line.rvalue**2:.4f})"
    ax.errorbar(
        x, y, **bars, color=look.colour, marker=look.marker, markersize=7, linestyle="none",
        capsize=4, label=label,
    )  # fmt: skip


def _from_zero(ax: Axes) -> Axes:
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left", frameon=True, framealpha=0.9)
    return ax
