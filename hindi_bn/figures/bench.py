"""What training costs: against the number of training images, and against the number of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hindi_bn.figures.style import Look, data_note, new_figure, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WAYS = {
    "notebook": ("the notebook's way", Look("#D55E00", "s")),
    "exact": ("exact", Look("#009E73", "^")),
    "fast": ("fast", Look("#0072B2", "o")),
    "one_by_one": ("one after the other", Look("#D55E00", "s")),
    "side_by_side": ("side by side", Look("#0072B2", "o")),
}
"""Label and look of each way to train."""

_POINTS_FOR_A_LINE = 3


def cost_by_images(sizes: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the seconds of an epoch against the training images, a line a way.

    Parameters
    ----------
    sizes
        A row for each way and number of images: `images`, `way`, and `median`, `min` and `max` of
        the seconds.

    Returns
    -------
    `ax`. A bar at a point reaches from the fastest to the slowest epoch; a straight line is the
    least-squares fit, with its coefficient of determination in the legend.
    """
    for way, rows in sizes.groupby("way", sort=False):
        spread = [rows["median"] - rows["min"], rows["max"] - rows["median"]]
        _points(ax, rows["images"].to_numpy(), rows["median"].to_numpy(), str(way), spread)
    ax.set_xlabel("Training images")
    ax.set_ylabel("Seconds an epoch (median)")
    return _finish(ax)


def cost_by_runs(runs: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the seconds of all runs together against their number.

    Parameters
    ----------
    runs
        A row for each number of runs: `runs`, and the seconds `side_by_side` and `one_by_one`.

    Returns
    -------
    `ax`; lines as in `cost_by_images`.
    """
    from matplotlib.ticker import MaxNLocator

    for way in ("one_by_one", "side_by_side"):
        _points(ax, runs["runs"].to_numpy(), runs[way].to_numpy(), way)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("Runs (seeds)")
    ax.set_ylabel("Seconds, start included")
    return _finish(ax)


def cost_figure(
    sizes: pd.DataFrame, runs: pd.DataFrame, data_title: str, details: str = ""
) -> Figure:
    """Compose both panels with a title and the data note; see `cost_by_images`, `cost_by_runs`."""
    with theme():
        figure = new_figure(11.0, 4.8)
        figure.suptitle("What training costs", fontweight="bold")
        left, right = figure.subplots(1, 2)
        cost_by_images(sizes, left)
        cost_by_runs(runs, right)
        data_note(figure, data_title, details)
    return figure


def _points(
    ax: Axes, x: np.ndarray, y: np.ndarray, way: str, spread: list[pd.Series] | None = None
) -> None:
    label, look = WAYS[way]
    if len(x) >= _POINTS_FOR_A_LINE:
        slope, start = np.polyfit(x, y, 1)
        ends = np.array([0.0, x.max()])
        ax.plot(ends, start + slope * ends, color=look.colour, linewidth=1.2, alpha=0.7)
        label += f" (line: $R^2$ = {determination(x, y):.4f})"
    ax.errorbar(
        x, y, yerr=spread, color=look.colour, marker=look.marker, markersize=7, linestyle="none",
        capsize=4, label=label,
    )  # fmt: skip


def determination(x: np.ndarray, y: np.ndarray) -> float:
    """Return the coefficient of determination of a straight line through the points."""
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def _finish(ax: Axes) -> Axes:
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left", frameon=True, framealpha=0.9)
    return ax
