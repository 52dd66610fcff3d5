"""The curvature of the loss: its largest eigenvalues, and the density of all of them."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hindi_bn.figures.style import (
    NEUTRAL,
    Caption,
    Look,
    composing,
    count_axis,
    log_axis,
    looks,
)
from hindi_bn.study.words import arms_in_words

STATISTICS = {
    "batch": "train mode, batches of the training size",
    "whole": "train mode, all images as one batch",
    "running": "eval mode, running averages",
}
_QUANTITIES = {
    "largest": "Largest eigenvalue\nof the Hessian",
    "largest_normalised": "Largest eigenvalue,\nfilters of length 1",
}
_LINE_FROM = 3  # points from which on a run is a line over its steps


def curvature_figure(values: pd.DataFrame, caption: Caption) -> Figure:
    """Compose the largest eigenvalue, as it is and with filters of length 1.

    A row for each, a column for each of the statistics. `values` has the columns of
    `hindi_bn.landscape.curvature.COLUMNS`. Runs with three points or more are lines over their
    steps, others a row each with the untrained network hollow.
    """
    arms = looks(values["run"])
    kinds = list(dict.fromkeys(values["statistics"]))
    along = int(values.groupby("run")["step"].nunique().max()) >= _LINE_FROM
    height = 3.0 if along else 0.9 + 0.32 * len(arms)
    with composing(
        "Largest eigenvalue of the loss's Hessian",
        caption.plus("" if along else "hollow: untrained"),
        5.2 * len(kinds) + 0.6,
        2 * height + 0.8,
    ) as figure:
        panels = figure.subplots(2, len(kinds), squeeze=False, sharex=True if along else "row",
                                 sharey=True if not along else "row")  # fmt: skip
        for ax, kind in zip(panels[0], kinds, strict=True):
            ax.set_title(STATISTICS[kind], fontsize=10)
        for row, (quantity, label) in zip(panels, _QUANTITIES.items(), strict=True):
            for ax, kind in zip(row, kinds, strict=True):
                here = values[(values["quantity"] == quantity) & (values["statistics"] == kind)]
                draw = largest_along if along else largest_by_run
                draw(here, arms, ax)
                (ax.set_ylabel if along else ax.set_xlabel)(label if along else _flat(label))
                if along and quantity == "largest":
                    _edges(values, ax)
        if along:
            panels[0][-1].legend(fontsize=8)
            for ax in panels[-1]:
                count_axis(ax, "Step")
    return figure


def largest_along(rows: pd.DataFrame, arms: dict[str, Look], ax: Axes) -> Axes:
    """Draw a quantity by step, a line per run; `rows` have `run`, `step` and `value`."""
    words = arms_in_words(arms)
    for run, look in arms.items():
        of_run = rows[rows["run"] == run].sort_values("step")
        ax.plot(of_run["step"], of_run["value"], color=look.colour, marker=look.marker,
                markersize=4, label=words[run])  # fmt: skip
    if (rows["value"] > 0).all():
        log_axis(ax)
    return ax


def largest_by_run(rows: pd.DataFrame, arms: dict[str, Look], ax: Axes) -> Axes:
    """Draw a quantity of each run, a row per run: its first step hollow, its last filled."""
    words = arms_in_words(arms)
    for place, (run, look) in enumerate(arms.items()):
        of_run = rows[rows["run"] == run].sort_values("step")
        ends = of_run["value"].iloc[[0, -1]]
        ax.plot(ends, [place, place], color=look.colour, linewidth=1)
        for value, fill in zip(ends, ("white", look.colour), strict=True):
            ax.plot([value], [place], marker=look.marker, color=look.colour, markerfacecolor=fill)
    ax.set_yticks(range(len(arms)), [words[run] for run in arms])
    ax.set_ylim(len(arms) - 0.5, -0.5)
    if (rows["value"] > 0).all():
        log_axis(ax, "x")
    return ax


def density_figure(density: pd.DataFrame, values: pd.DataFrame, caption: Caption) -> Figure:
    """Compose the density of each run's eigenvalues at its last step, and the largest as ticks.

    A row per run, a column for each of the statistics, which shares its x axis. `density` has
    `run`, `statistics`, `step`, `eigenvalue` and `density`.
    """
    arms = looks(density["run"])
    words = arms_in_words(arms)
    kinds = list(dict.fromkeys(density["statistics"]))
    with composing(
        "Density of the Hessian's eigenvalues, trained networks",
        caption.plus("ticks: the largest eigenvalues, one by one"),
        5.2 * len(kinds) + 0.6,
        1.9 * len(arms) + 1.0,
    ) as figure:
        panels = figure.subplots(len(arms), len(kinds), squeeze=False, sharex="col", sharey=True)
        for row, (run, look) in zip(panels, arms.items(), strict=True):
            for ax, kind in zip(row, kinds, strict=True):
                eigenvalue_density(_last(density, run, kind), look, ax)
                found = _last(values, run, kind)
                ranked = found[found["quantity"] == "eigenvalue"]["value"]
                ax.plot(ranked, [_LOWEST] * len(ranked), "|", color="black", markersize=9)
            row[0].set_ylabel(f"{words[run]}\nDensity")
        for top, bottom, kind in zip(panels[0], panels[-1], kinds, strict=True):
            top.set_title(STATISTICS[kind], fontsize=10)
            bottom.set_xlabel("Eigenvalue")
    return figure


_LOWEST = 1e-7
"""Density below which nothing is drawn: less than one of a million eigenvalues in a unit."""


def eigenvalue_density(rows: pd.DataFrame, look: Look, ax: Axes) -> Axes:
    """Draw a density on a logarithmic axis; `rows` have `eigenvalue` and `density`."""
    ax.fill_between(
        rows["eigenvalue"], rows["density"].clip(lower=_LOWEST), _LOWEST, color=look.colour,
        alpha=0.45, linewidth=0,
    )  # fmt: skip
    ax.set_yscale("log")
    ax.set_ylim(bottom=_LOWEST / 3)
    return ax


def _edges(values: pd.DataFrame, ax: Axes) -> None:
    for edge in values[values["quantity"] == "edge"]["value"].dropna().unique():
        ax.axhline(edge, color=NEUTRAL, linestyle="--", linewidth=1)
        ax.annotate("2 / learning rate", (0.02, edge), (0, -3), fontsize=8, color=NEUTRAL, va="top",
                    xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip


def _last(rows: pd.DataFrame, run: str, kind: str) -> pd.DataFrame:
    asked = rows.query("run == @run and statistics == @kind")
    return asked.query("step == step.max()")


def _flat(label: str) -> str:
    return label.replace("\n", " ")
