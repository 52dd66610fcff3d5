"""Every seed a dot: metrics of a sweep's arms, and their differences from a baseline arm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hindi_bn.figures.over_seeds import (
    arm_looks,
    counts_text,
    diverged_note,
    label_size,
    limits,
    n_note,
    number,
    scale_losses,
    shown,
    wrapped,
)
from hindi_bn.figures.style import Caption, Look, composing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hindi_bn.stats.metrics import Metric

_ROW, _LINE = 0.52, 0.2  # inches of an arm, and of a line of its label
_ABOVE, _BELOW, _SPREAD = -0.2, 0.14, 0.15  # of a row: its mean, its dots, half their height
_NUMBERS_INCHES = 1.6  # for the numbers at the right


def seed_strips(values: pd.DataFrame, means: pd.DataFrame, metric: Metric, ax: Axes) -> Axes:
    """Draw a row per arm: every seed a dot, above them the mean with its 95 % t-interval.

    A seed has the same height in every row; a run that diverged is a cross. The rows stand in the
    order of `means`, a table of means by `arm`.
    """
    values, means = shown(values, metric), shown(means, metric)
    scale_losses(ax, "x", metric, values["value"])
    labels = {row["arm"]: counts_text(row, metric) for row in means.to_dict("records")}
    ax.set_xlabel(metric.axis)
    limits(ax, "x", values["value"], means, metric)
    return _rows(ax, values, means, labels, arm_looks(labels))


def paired_strips(
    pairs: pd.DataFrame, means: pd.DataFrame, baseline: str, metric: Metric, ax: Axes
) -> Axes:
    """Draw a row per arm: its differences from the baseline arm, a dot for each seed of both.

    `pairs` and `means` are those of `paired_values` and `paired_table` of `hindi_bn.stats.tables`.
    """
    means = shown(means.rename(columns={"mean_difference": "mean"}), metric)
    labels = {row["arm"]: counts_text(row, metric, "pair") for row in means.to_dict("records")}
    ax.axvline(0.0, color="0.3", linewidth=1.0, linestyle="--", zorder=1)
    ax.set_xlabel(wrapped(metric.difference(baseline), 70))
    pairs = shown(pairs, metric)
    limits(ax, "x", pairs["value"], means, replace(metric, unit=metric.difference_unit))
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, -0.04 * high), max(high, -0.04 * low))
    return _rows(ax, pairs, means, labels, arm_looks([baseline, *labels]), signed=True)


def strip_figure(
    values: pd.DataFrame, means: pd.DataFrame, metric: Metric, caption: Caption
) -> Figure:
    """Compose the figure of `seed_strips`; the caption gains n and the interval's name."""
    arms = list(means["arm"])
    caption = caption.plus(n_note(values, arms), _dots("run"), diverged_note(means, metric))
    with composing(f"{metric.label} by arm", caption, *_size(arms)) as figure:
        seed_strips(values, means, metric, figure.add_subplot())
    return figure


def paired_figure(
    pairs: pd.DataFrame, means: pd.DataFrame, baseline: str, metric: Metric, caption: Caption
) -> Figure:
    """Compose the figure of `paired_strips`; the caption gains n and the interval's name."""
    caption = caption.plus(n_note(pairs), _dots("pair"), diverged_note(means, metric, "× one "))
    title = f"{metric.label}, paired by seed"
    with composing(title, caption, *_size(list(means["arm"]))) as figure:
        paired_strips(pairs, means, baseline, metric, figure.add_subplot())
    return figure


def _size(arms: list[str]) -> tuple[float, float]:
    wide, lines = label_size([wrapped(str(arm)) + "\n(n)" for arm in arms])
    return 5.8 + max(wide, 1.6) + _NUMBERS_INCHES, max(_ROW * len(arms), _LINE * lines) + 1.7


def _dots(single: str) -> str:
    return f"a dot is a {single}, seeds in order from the top; in black the mean"


def _rows(
    ax: Axes,
    values: pd.DataFrame,
    means: pd.DataFrame,
    labels: Mapping[Any, str],
    given: Mapping[str, Look],
    signed: bool = False,
) -> Axes:
    seeds = sorted(set(values["seed"]))
    step = 2 * _SPREAD / max(len(seeds) - 1, 1)
    height = {seed: _BELOW - _SPREAD * (len(seeds) > 1) + step * i for i, seed in enumerate(seeds)}
    for row, mean in enumerate(means.to_dict("records")):
        look, of_arm = given[mean["arm"]], values[values["arm"] == mean["arm"]]
        for diverged, marker in ((False, look.marker), (True, "x")):
            rows = of_arm[((of_arm["status"] == "diverged") == diverged) & of_arm["value"].notna()]
            if not rows.empty:
                ax.plot(
                    rows["value"], row + rows["seed"].map(height).astype(float), linestyle="none",
                    marker=marker, color=look.colour, alpha=0.7, zorder=2,
                    markersize=5 + 2 * diverged, markeredgewidth=1.5 * diverged,
                )  # fmt: skip
        _mean(ax, mean, row, signed)
    ax.set_yticks(
        range(len(means)), [f"{wrapped(str(arm))}\n({n})" for arm, n in labels.items()], fontsize=9
    )
    ax.set_ylim(len(means) - 0.5, -0.5)
    return ax


def _mean(ax: Axes, mean: Mapping[Any, Any], row: int, signed: bool) -> None:
    y, numbers = row + _ABOVE, "no value"
    if mean["n"]:
        ax.plot([mean["mean"]], [y], marker="d", color="black", markersize=5, zorder=4)
        digits, sign = (3, "+") if signed else (4, "")
        numbers = number(mean["mean"], digits, sign)
    if mean["n"] > 1:
        ends = [mean["low"], mean["high"]]
        ax.plot(ends, [y, y], color="black", linewidth=1.6, zorder=3)
        numbers += f"  [{', '.join(number(end, digits, sign) for end in ends)}]"
    ax.text(
        1.01, row, numbers, transform=ax.get_yaxis_transform(), va="center", ha="left",
        fontsize=8.5, color="0.2",
    )  # fmt: skip
