"""Figures of claims: effects beside the rule that they were tested by, and the article's gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hindi_bn.figures.dose import dose_figure
from hindi_bn.figures.over_seeds import (
    INTERVAL,
    finish,
    intervals,
    label_size,
    limits,
    number,
    wrapped,
)
from hindi_bn.figures.style import Look, new_figure, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["dose_figure", "forest_figure", "gap_figure"]

VERDICTS = {
    "supported": Look("#009E73", "o"),
    "contradicted": Look("#D55E00", "s"),
    "undecided": Look("#555555", "D"),
}
"""Look of each verdict."""

_REGION, _GAP, _PUBLISHED = "#56B4E9", "#0072B2", "#D55E00"
_LINE, _PANEL = 0.24, 0.75  # inches of a line of a label, and of a panel beside its rows
_TITLE_LETTERS = 8.0  # an inch
_LAST = 10  # stopping epochs in the histogram


def forest(tests: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a row a test: its estimate with interval, and shaded where the claim would hold.

    Parameters
    ----------
    tests
        Tests of one unit, a row each: `label`, `estimate`, `low` and `high` (NaN for no interval),
        `margin_low` and `margin_high` (ends of the region in which the claim holds, infinite where
        it has no end), `unit`, `verdict` (one of `VERDICTS`) and `n`.
    ax
        Where to draw.

    Returns
    -------
    `ax`, with the tests in order from the top and their numbers at the right.
    """
    low, high = _reach(tests)
    ax.axvline(0.0, color="0.3", linewidth=1.0, linestyle="--", zorder=1)
    for row, test in enumerate(tests.to_dict("records")):
        left, right = max(test["margin_low"], low), min(test["margin_high"], high)
        if left < right:
            ax.fill_betweenx(
                [row - 0.42, row + 0.42], left, right, color=_REGION, alpha=0.22, linewidth=0,
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


def forest_figure(
    tests: pd.DataFrame, data_title: str, details: str = "", title: str = ""
) -> Figure:
    """Compose the tests of a claim: a panel a unit, see `forest`, with a legend of the verdicts.

    Parameters
    ----------
    tests
        See `forest`; units may differ.
    data_title, details
        For the note at the bottom; `details` should name the intervals.
    title
        Of the figure, for instance the claim's statement.
    """
    panels = list(tests.groupby("unit", sort=False))
    sizes = [label_size([wrapped(str(label)) for label in part["label"]]) for _, part in panels]
    lines = [
        max(lines, 1.5 * len(part)) for (_, lines), (_, part) in zip(sizes, panels, strict=True)
    ]
    with theme():
        height = _LINE * sum(lines) + _PANEL * len(panels) + 1.5
        width = 7.4 + max(wide for wide, _ in sizes)
        figure = new_figure(width, height)
        title = wrapped(title or "Effects and the claim's rule", int(_TITLE_LETTERS * width))
        figure.suptitle(title, fontweight="bold")
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=lines)[:, 0]
        for ax, (_, part) in zip(axes, panels, strict=True):
            forest(part, ax)
        _verdict_legend(axes[0], list(tests["verdict"]))
        return finish(figure, data_title, details)


def paired_gaps(epochs: pd.DataFrame, arm: str = "bn", baseline: str = "no-bn") -> pd.DataFrame:
    """Return the gap in test accuracy, had a pair of runs been stopped after each epoch.

    Parameters
    ----------
    epochs
        A row a run and epoch: `arm`, `seed`, `epoch` and `test_accuracy` (0..1).
    arm, baseline
        The two arms; runs of the same seed make a pair.

    Returns
    -------
    Columns `seed`, `epoch` and `gap`: the arm's accuracy less the baseline's, in points; a row a
    seed and epoch that both have.
    """
    columns = ["seed", "epoch", "test_accuracy"]
    first, second = (epochs[epochs["arm"] == name][columns] for name in (arm, baseline))
    pairs = first.merge(second, on=["seed", "epoch"], suffixes=("", "_base"))
    gap = 100 * (pairs["test_accuracy"] - pairs["test_accuracy_base"])
    return pairs.assign(gap=gap)[["seed", "epoch", "gap"]].dropna()


def gap_by_epoch(gaps: pd.DataFrame, ax: Axes, published: float) -> Axes:
    """Draw the gap against the stopping epoch: seeds thin, their mean, its 95 % t-interval.

    Parameters
    ----------
    gaps
        See `paired_gaps`.
    ax
        Where to draw.
    published
        The published gap, in points.
    """
    import pandas as pd
    from matplotlib.ticker import MaxNLocator

    for _, run in gaps.groupby("seed"):
        ax.plot(run["epoch"], run["gap"], color=_GAP, linewidth=0.7, alpha=0.4)
    means = intervals(gaps, "epoch", "gap").sort_index()
    ax.fill_between(means.index, means["low"], means["high"], color=_GAP, alpha=0.2, linewidth=0)
    ax.plot(means.index, means["mean"], color=_GAP, linewidth=2, label="mean")
    ax.axhline(published, color=_PUBLISHED, linestyle="--", label=f"published ({published:.1f})")
    ax.axhline(0.0, color="0.3", linewidth=1.0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    ax.set(xlabel="Stopped after epoch (counted from 0)", ylabel="Gap in test accuracy (points)")
    shown = pd.concat([gaps["gap"], pd.Series([published, 0.0])])
    limits(ax, "y", shown, means)
    ax.legend(loc="upper right", frameon=True, framealpha=0.9)
    return ax


def gap_histogram(gaps: pd.DataFrame, ax: Axes, published: float) -> Axes:
    """Draw the distribution of the gaps of the last ten stopping epochs, over all seeds.

    Parameters
    ----------
    gaps, ax, published
        See `gap_by_epoch`.

    Returns
    -------
    `ax`; its title says how many gaps there are, and how many reach the published one.
    """
    last = gaps[gaps["epoch"] > gaps["epoch"].max() - _LAST]
    ends = [*last["gap"], published, 0.0]
    step = max(0.25, float(np.ceil((max(ends) - min(ends)) / 10) / 4))
    edges = np.arange(np.floor(min(ends) / step), np.ceil(max(ends) / step) + 2) * step
    ax.hist(last["gap"], bins=list(edges), color=_GAP, alpha=0.75, edgecolor="white")
    ax.axvline(published, color=_PUBLISHED, linestyle="--")
    ax.axvline(0.0, color="0.3", linewidth=1.0)
    reached = int((last["gap"] >= published).sum())
    ax.set_title(f"{reached} of {len(last)} gaps reach the published one", fontsize=10)
    ax.set(xlabel="Gap in test accuracy (points)", ylabel=f"Pairs of runs, bins of {step:g} points")
    return ax


def gap_figure(
    epochs: pd.DataFrame,
    published_gap: float,
    data_title: str,
    details: str = "",
    arm: str = "bn",
    baseline: str = "no-bn",
) -> Figure:
    """Compose `gap_by_epoch` and `gap_histogram`: where the published gap falls.

    Parameters
    ----------
    epochs, arm, baseline
        See `paired_gaps`.
    published_gap
        The gap between the published final test accuracies, a share (0.067 for 6.7 points).
    data_title, details
        For the note at the bottom; the number of pairs and the interval's name are added.
    """
    gaps = paired_gaps(epochs, arm, baseline)
    published = 100 * published_gap
    with theme():
        figure = new_figure(11.0, 4.9)
        figure.suptitle(f"Test accuracy: {arm} less {baseline}, paired by seed", fontweight="bold")
        left, right = figure.subplots(1, 2)
        gap_by_epoch(gaps, left, published)
        gap_histogram(gaps, right, published)
        count = gaps["seed"].nunique()
        seeds = f"n = {count} pair{'s' * (count != 1)} of runs"
        said = INTERVAL if count > 1 else "no interval from a single pair"
        last = min(_LAST, gaps["epoch"].nunique())
        return finish(figure, data_title, details, seeds, said, f"right: last {last} epochs")


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
    said, low, high = (number(test[name], 3, "+") for name in ("estimate", "low", "high"))
    if np.isfinite(test["low"]) and np.isfinite(test["high"]):
        said += f"  [{low}, {high}]"
    return f"{said}  n = {test['n']:g}"


def _verdict_legend(ax: Axes, verdicts: list[str]) -> None:
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Line2D([], [], color=look.colour, marker=look.marker, label=verdict)
        for verdict, look in VERDICTS.items() if verdict in verdicts
    ]  # fmt: skip
    handles.append(Patch(color=_REGION, alpha=0.3, linewidth=0, label="the claim holds here"))
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        columnspacing=1.2,
    )
