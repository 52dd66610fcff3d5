"""A map of a sweep in which two keys vary: a cell an arm, coloured by its mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hindi_bn.figures.over_seeds import (
    finish,
    levels,
    n_note,
    number,
    quantity,
    scaled,
    value_text,
    wrapped,
)
from hindi_bn.figures.style import new_figure, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL_WIDTH, _CELL_HEIGHT = 1.05, 0.62  # inches
_MARK = "#D55E00"  # the frame of a cell with diverged runs


def mean_map(
    runs: pd.DataFrame,
    ax: Axes,
    x: str,
    y: str,
    outcome: str = "final_test_accuracy",
    span: tuple[float, float] | None = None,
    whole: pd.DataFrame | None = None,
) -> Axes:
    """Draw the mean outcome of each pair of values of two keys, with its n.

    Parameters
    ----------
    runs
        A row a run: `seed`, `status`, the columns `x` and `y` (text or numbers) and the outcome's.
    ax
        Where to draw.
    x, y
        The keys whose values make the columns and the rows; numbers ascend, text keeps its order.
    outcome
        A name of `hindi_bn.stats.metrics`.
    span
        Ends of the colour scale in the outcome's unit; the smallest and largest mean by default.
    whole
        The runs of all panels, whose values make the columns and the rows; `runs` by default.

    Returns
    -------
    `ax`. Runs that diverged are left out of the mean; a cell that has some is framed and counts
    them, and one that has no others is hatched. A pair without runs stays empty.
    """
    import seaborn as sns

    whole = runs if whole is None else whole
    columns, rows = levels(whole[x]), levels(whole[y])
    cells = [[_cell(runs, {x: one, y: other}) for one in columns] for other in rows]
    means = _means(cells, outcome)
    low, high = span or (means.min().min(), means.max().max())
    sns.heatmap(
        means, ax=ax, mask=means.isna(), cmap="viridis", vmin=low, vmax=high, cbar=False,
        annot=_texts(cells, outcome), fmt="", annot_kws={"fontsize": 8.5},
        linewidths=1.5, linecolor="white",
    )  # fmt: skip
    for row, of_row in enumerate(cells):
        for column, cell in enumerate(of_row):
            _mark(ax, column, row, cell, outcome)
    ax.grid(False)
    ax.set_xticklabels([wrapped(value_text(value), 12) for value in columns], rotation=0)
    ax.set_yticklabels([wrapped(value_text(value), 20) for value in rows], rotation=0)
    ax.set(xlabel=x, ylabel=y)
    return ax


def heat_figure(
    runs: pd.DataFrame,
    x: str,
    y: str,
    outcome: str = "final_test_accuracy",
    facet: str | None = None,
    data_title: str = "",
    details: str = "",
) -> Figure:
    """Compose `mean_map`, a panel a value of `facet`, all with one colour scale.

    Parameters
    ----------
    runs, x, y, outcome
        See `mean_map`.
    facet
        A third key; none by default.
    data_title, details
        For the note at the bottom; the number of seeds is added.
    """
    parts = {"": runs}
    if facet is not None:
        parts = {
            f"{facet} = {value_text(value)}": _cell(runs, {facet: value})
            for value in levels(runs[facet])
        }
    span = _span(parts, x, y, outcome)
    columns, rows = len(levels(runs[x])), len(levels(runs[y]))
    with theme():
        width = max(_CELL_WIDTH * columns * len(parts) + 3.0, 5.5)
        figure = new_figure(width, _CELL_HEIGHT * rows + 2.3)
        figure.suptitle(f"{quantity(outcome).name}: mean over seeds", fontweight="bold")
        panels = figure.subplots(1, len(parts), squeeze=False)[0]
        for ax, (title, part) in zip(panels, parts.items(), strict=True):
            mean_map(part, ax, x, y, outcome, span, runs).set_title(title)
            ax.label_outer(remove_inner_ticks=True)
        figure.colorbar(panels[0].collections[0], ax=list(panels), label=quantity(outcome).axis)
        framed = "framed: some runs diverged, left out of the mean"
        some = bool((runs["status"] == "diverged").any())
        seeds = n_note(runs).partition(",")[0]
        return finish(figure, data_title, details, seeds, framed * some)


def _cell(runs: pd.DataFrame, keys: dict[str, Any]) -> pd.DataFrame:
    for key, value in keys.items():
        runs = runs[runs[key].map(value_text) == value_text(value)]
    return runs


def _means(cells: list[list[pd.DataFrame]], outcome: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([[scaled(cell, outcome)["value"].mean() for cell in row] for row in cells])


def _span(parts: dict[str, pd.DataFrame], x: str, y: str, outcome: str) -> tuple[float, float]:
    import pandas as pd

    means = pd.concat(
        scaled(part, outcome).groupby([part[x].map(value_text), part[y].map(value_text)])["value"]
        .mean() for part in parts.values()
    )  # fmt: skip
    return (float(means.min()), float(means.max())) if len(means) else (0.0, 1.0)


def _texts(cells: list[list[pd.DataFrame]], outcome: str) -> Any:
    import numpy as np

    return np.array([[_text(cell, outcome) for cell in row] for row in cells])


def _text(cell: pd.DataFrame, outcome: str) -> str:
    values = scaled(cell, outcome)["value"]
    diverged = int((cell["status"] == "diverged").sum())
    lost = f"\n{diverged} diverged" if diverged else ""
    if values.empty:
        return lost.strip() or ("no value" if len(cell) else "")
    return f"{number(values.mean())}\nn = {len(values)}{lost}"


def _mark(ax: Axes, column: int, row: int, cell: pd.DataFrame, outcome: str) -> None:
    """Frame a cell with diverged runs; hatch one that has no mean, and say why."""
    from matplotlib.patches import Rectangle

    diverged = bool((cell["status"] == "diverged").any())
    if scaled(cell, outcome).empty and not cell.empty:
        ax.add_patch(
            Rectangle((column, row), 1, 1, facecolor="0.93", edgecolor="0.75", hatch="///", lw=0)
        )
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
        ax.text(
            column + 0.5, row + 0.5, _text(cell, outcome), ha="center", va="center", fontsize=8.5,
            color="0.2", bbox=box,
        )  # fmt: skip
    if diverged:
        ax.add_patch(
            Rectangle(
                (column + 0.04, row + 0.05), 0.92, 0.9, fill=False, edgecolor=_MARK, linewidth=1.8
            )
        )
