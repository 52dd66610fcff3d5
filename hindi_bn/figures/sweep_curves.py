"""Curves of a sweep: each arm's mean by epoch with its interval, and every seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hindi_bn.figures.over_seeds import (
    arm_looks,
    counts_text,
    diverged_note,
    label_size,
    n_note,
    scale_losses,
    shown,
    wrapped,
)
from hindi_bn.figures.style import Caption, Look, composing, count_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hindi_bn.stats.metrics import Metric

_MARKERS = 8  # about so many on a mean line, to tell arms of one colour apart
_LINES = 40  # with more seeds in a figure than this, their lines become fainter
_ZOOM_EPOCHS = 9  # from so many epochs on, the last third has a panel of its own
_LEGEND_LINE, _LEGEND_HANDLE = 0.19, 0.75  # inches


def mean_curves(values: pd.DataFrame, means: pd.DataFrame, metric: Metric, ax: Axes) -> Axes:
    """Draw each arm's mean by epoch with a 95 % t-interval band, single seeds thin beneath.

    A cross stands where a run diverged. A loss that spans a decade has a logarithmic axis. `values`
    are those of `hindi_bn.stats.tables.epoch_values`, `means` their means by `arm` and `epoch`.
    """
    values, means = shown(values, metric), shown(means, metric)
    drawn = values.assign(value=values["recorded"].fillna(values["value"]))
    drawn = drawn[drawn["value"].notna()]
    scale_losses(ax, "y", metric, drawn["value"])
    runs = values[["arm", "seed"]].drop_duplicates()
    faint = min(0.45, 0.1 + 0.35 * _LINES / max(len(runs), 1))
    for arm, look in arm_looks(means["arm"]).items():
        for _, run in drawn[drawn["arm"] == arm].groupby("seed"):
            _seed_line(ax, run, look, faint)
        _mean_line(ax, means[means["arm"] == arm], look, str(arm), drawn["value"].min())
    return _axes(ax, drawn["value"], metric)


def curves_figure(
    values: pd.DataFrame, means: pd.DataFrame, metric: Metric, caption: Caption
) -> Figure:
    """Compose `mean_curves` with a legend, and a closer look at the last third of the epochs.

    The caption gains the number of seeds and the interval's name.
    """
    last = means.drop_duplicates("arm", keep="last").to_dict("records")
    labels = {row["arm"]: wrapped(f"{row['arm']} ({counts_text(row, metric)})") for row in last}
    wide, lines = label_size(list(labels.values()))
    zoomed = means["epoch"].nunique() >= _ZOOM_EPOCHS
    width = (11.0 if zoomed else 6.8) + wide + _LEGEND_HANDLE
    caption = caption.plus(
        n_note(values, list(labels)), "thin: single seeds", diverged_note(means, metric)
    )
    height = max(4.8, _LEGEND_LINE * lines + 1.0)
    with composing(f"{metric.label} by epoch", caption, width, height) as figure:
        panels = figure.subplots(1, 1 + zoomed, squeeze=False)[0]
        mean_curves(values, means, metric, panels[0])
        if zoomed:
            from_ = means["epoch"].max() * 2 / 3
            late, ends = (table[table["epoch"] >= from_] for table in (values, means))
            mean_curves(late, ends, metric, panels[1]).set_title("The last third, closer")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, [labels[name] for name in names], loc="outside right upper", frameon=False,
            fontsize=9,
        )  # fmt: skip
    return figure


def _seed_line(ax: Axes, run: pd.DataFrame, look: Look, faint: float) -> None:
    how: dict[str, Any] = {"color": look.colour, "linewidth": 0.7}
    ax.plot(run["epoch"], run["value"], alpha=faint, zorder=2, **how)
    if (run["status"] == "diverged").any():
        done = run["recorded"].notna()
        if done.any() or run["epoch"].iloc[0] == 0:  # else it diverged before these epochs
            end = run[done].iloc[-1:] if done.all() else run[~done].iloc[:1]
            ax.plot(
                end["epoch"], end["value"], color=look.colour, marker="x", markersize=9,
                markeredgewidth=1.4, zorder=4,
            )  # fmt: skip


def _mean_line(ax: Axes, means: pd.DataFrame, look: Look, arm: str, lowest: float) -> None:
    """Draw mean and band; an arm without a value has an empty line, for the legend."""
    means = means[means["n"] > 0]
    low = means["low"]
    if ax.get_yscale() == "log":
        low = low.clip(lower=lowest / 100)  # below zero there is no place
    ax.fill_between(
        means["epoch"], low, means["high"], color=look.colour, alpha=0.18, linewidth=0, zorder=1
    )
    ax.plot(
        means["epoch"], means["mean"], color=look.colour, marker=look.marker, markersize=5,
        markevery=max(1, len(means) // _MARKERS), linewidth=1.8, zorder=3, label=arm,
    )  # fmt: skip


def _axes(ax: Axes, values: pd.Series, metric: Metric) -> Axes:
    count_axis(ax)
    ax.set_ylabel(metric.axis)
    low, high = values.min(), values.max()
    if ax.get_yscale() == "log":
        ax.set_ylim(low / 1.15, high * 1.15)
    elif high > low:
        ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    return ax
