"""A map of a sweep in which two keys vary: a cell per arm, coloured by its mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hindi_bn.figures.over_seeds import (
    diverged_note,
    levels,
    number,
    shown,
    value_text,
    wrapped,
)
from hindi_bn.figures.style import Caption, composing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hindi_bn.stats.metrics import Metric

_CELL_WIDTH, _CELL_HEIGHT = 1.05, 0.62  # inches
_LABEL_LETTERS = 24  # in a line beside the colour bar
_MARK = "#D55E00"  # the frame of a cell with diverged runs


def mean_map(
    means: pd.DataFrame,
    x: str,
    y: str,
    metric: Metric,
    ax: Axes,
    whole: pd.DataFrame | None = None,
) -> Axes:
    """Draw the mean of each pair of values of two keys, with its n.

    A cell with diverged runs is framed and counts them, one without a value is hatched. A pair
    without runs stays empty. Numbers ascend along the axes, text keeps its order. `whole` are the
    means of all panels, whose values make columns, rows and the colour scale.
    """
    import seaborn as sns

    whole = means if whole is None else whole
    columns, rows = ([value_text(value) for value in levels(whole[key])] for key in (x, y))
    cells = {
        (value_text(cell[y]), value_text(cell[x])): cell
        for cell in shown(means, metric).to_dict("records")
    }
    grid = np.array([[cells[r, c]["mean"] if (r, c) in cells else np.nan for c in columns]
                     for r in rows], dtype=float)  # fmt: skip
    span = metric.factor * whole["mean"]
    low, high = (span.min(), span.max()) if span.notna().any() else (0.0, 1.0)
    sns.heatmap(
        grid, ax=ax, mask=np.isnan(grid), cmap="viridis", vmin=low, vmax=high, cbar=False,
        annot=np.array([[_text(cells.get((r, c))) for c in columns] for r in rows]), fmt="",
        annot_kws={"fontsize": 8.5}, linewidths=1.5, linecolor="white",
    )  # fmt: skip
    for (row, column), cell in cells.items():
        _mark(ax, columns.index(column), rows.index(row), cell)
    ax.grid(False)
    ax.set_xticklabels([wrapped(text, 12) for text in columns], rotation=0)
    ax.set_yticklabels([wrapped(text, 20) for text in rows], rotation=0)
    ax.set(xlabel=x, ylabel=y)
    return ax


def heat_figure(
    means: pd.DataFrame, x: str, y: str, facet: str | None, metric: Metric, caption: Caption
) -> Figure:
    """Compose `mean_map`, a panel per value of `facet` (a third key), all with one colour scale."""
    parts = {"": means}
    if facet is not None:
        texts = means[facet].map(value_text)
        parts = {f"{facet} = {value_text(v)}": means[texts == value_text(v)]
                 for v in levels(means[facet])}  # fmt: skip
    width = max(_CELL_WIDTH * len(levels(means[x])) * len(parts) + 3.0, 5.5)
    height = _CELL_HEIGHT * len(levels(means[y])) + 2.3
    caption = caption.plus(diverged_note(means, metric, "framed: some runs "))
    with composing(f"{metric.label}: mean over seeds", caption, width, height) as figure:
        panels = figure.subplots(1, len(parts), squeeze=False)[0]
        for ax, (title, part) in zip(panels, parts.items(), strict=True):
            mean_map(part, x, y, metric, ax, means).set_title(title)
            ax.label_outer(remove_inner_ticks=True)
        label = wrapped(metric.axis, _LABEL_LETTERS)
        figure.colorbar(panels[0].collections[0], ax=list(panels), label=label)
    return figure


def _text(cell: Mapping[Any, Any] | None) -> str:
    if cell is None:
        return ""
    lost = f"{int(cell['n_diverged'])} diverged" if cell["n_diverged"] else ""
    if not cell["n"]:
        return lost or "no value"
    return "\n".join(filter(None, (number(cell["mean"]), f"n = {int(cell['n'])}", lost)))


def _mark(ax: Axes, column: int, row: int, cell: Mapping[Any, Any]) -> None:
    """Frame a cell with diverged runs; hatch one that has no mean, and say why."""
    from matplotlib.patches import Rectangle

    if not cell["n"]:
        ax.add_patch(
            Rectangle((column, row), 1, 1, facecolor="0.93", edgecolor="0.75", hatch="///", lw=0)
        )
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
        ax.text(
            column + 0.5, row + 0.5, _text(cell), ha="center", va="center", fontsize=8.5,
            color="0.2", bbox=box,
        )  # fmt: skip
    if cell["n_diverged"]:
        corner = column + 0.04, row + 0.05
        ax.add_patch(Rectangle(corner, 0.92, 0.9, fill=False, edgecolor=_MARK, linewidth=1.8))
