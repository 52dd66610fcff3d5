"""Which digit is taken for which, and how well each is recognised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hindi_bn.figures.style import Caption, composing, looks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 2  # panels in a row at most


def confusion_matrix(confusion: pd.DataFrame, ax: Axes, colour: str = "C0") -> Axes:
    """Draw a confusion matrix with its counts; cells of no image are left empty.

    A row per true class and a column per predicted class (10 x 10 for the digits). A cell is the
    darker, on a logarithmic scale, the larger its count, so that single mistakes can be seen beside
    hundreds of right answers.
    """
    import seaborn as sns
    from matplotlib.colors import LogNorm

    largest = max(int(confusion.to_numpy().max()), 2)
    sns.heatmap(
        confusion, ax=ax, mask=confusion == 0, annot=True, fmt="d", square=True, cbar=False,
        cmap=sns.light_palette(colour, as_cmap=True), norm=LogNorm(1, largest),
        annot_kws={"fontsize": 9}, linewidths=0.5, linecolor="0.9",
    )  # fmt: skip
    ax.grid(False)
    ax.set(xlabel="Predicted digit", ylabel="True digit")
    ax.tick_params(axis="y", rotation=0)
    return ax


def class_scores(per_class: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the F1 score of every class, a marker per run.

    `per_class` has `run`, `class` and `f1` (0..1).
    """
    for run, look in looks(per_class["run"]).items():
        rows = per_class[per_class["run"] == run]
        ax.plot(
            rows["class"].astype(str), 100 * rows["f1"], linestyle="none", marker=look.marker,
            color=look.colour, markersize=8, alpha=0.85, label=run,
        )  # fmt: skip
    ax.set(xlabel="Digit", ylabel="F1 score on the test images (%)")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False)
    return ax


def confusion_figure(confusions: Mapping[str, pd.DataFrame], caption: Caption) -> Figure:
    """Compose the confusion matrices of one or more runs, at most two in a row."""
    columns = min(len(confusions), _COLUMNS)
    rows = math.ceil(len(confusions) / columns)
    title = "Test images by true and predicted digit"
    with composing(title, caption, 6.2 * columns, 6.3 * rows + 0.5) as figure:
        for place, (run, look) in enumerate(looks(confusions).items(), start=1):
            ax = figure.add_subplot(rows, columns, place)
            confusion_matrix(confusions[run], ax, look.colour)
            ax.set_title(_panel_title(run, confusions[run]), color=look.colour, fontweight="bold")
    return figure


def class_scores_figure(per_class: pd.DataFrame, caption: Caption) -> Figure:
    """Compose the figure of `class_scores`."""
    with composing("F1 score by digit", caption, 7.5, 4.8) as figure:
        class_scores(per_class, figure.add_subplot())
    return figure


def _panel_title(run: str, confusion: pd.DataFrame) -> str:
    counts = confusion.to_numpy()
    total, right = int(counts.sum()), int(counts.trace())
    return f"{run}: {total - right} of {total} wrong"
