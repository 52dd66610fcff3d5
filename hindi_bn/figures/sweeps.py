"""Figures of a sweep: curves by epoch, strips with a dot per seed, and a map of two keys."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hindi_bn.figures.over_seeds import (
    counts_text,
    cut_note,
    diverged_note,
    label_size,
    levels,
    limits,
    n_note,
    number,
    scale_losses,
    shown,
    value_text,
    wrapped,
)
from hindi_bn.figures.style import (
    Caption,
    Look,
    Part,
    composing,
    count_axis,
    label_ends,
    looks,
)
from hindi_bn.stats.metrics import Metric
from hindi_bn.study.words import arms_in_words, key_in_words, value_in_words

_MARKERS = 8  # about so many on a mean line, to tell arms of one colour apart
_LINES = 40  # with more seeds in a figure than this, their lines become fainter
_ZOOM_EPOCHS = 9  # from so many epochs on, the last third has a panel of its own
_LEGEND_LINE, _LEGEND_HANDLE = 0.19, 0.75  # inches
_ROW, _LINE = 0.52, 0.2  # inches of an arm, and of a line of its label
_ABOVE, _BELOW, _SPREAD = -0.2, 0.14, 0.15  # of a row: its mean, its dots, half their height
_NUMBERS_INCHES = 1.6  # for the numbers at the right
_CELL_WIDTH, _CELL_HEIGHT = 1.05, 0.62  # inches
_LABEL_LETTERS = 24  # in a line beside the colour bar
_MARK = "#882255"  # the frame of a cell with diverged runs


def mean_curves(values: pd.DataFrame, means: pd.DataFrame, metric: Metric, ax: Axes) -> Axes:
    """Draw each arm's mean by epoch, its interval as a band, single seeds thin beneath.

    A cross stands where a run diverged. A loss that spans a decade has a logarithmic axis. `values`
    are those of `hindi_bn.stats.tables.epoch_values`, `means` their means by `arm` and `epoch`.
    """
    values, means = shown(values, metric), shown(means, metric)
    drawn = values.assign(value=values["recorded"].fillna(values["value"]))
    drawn = drawn[drawn["value"].notna()]
    scale_losses(ax, "y", metric, drawn["value"])
    runs = values[["arm", "seed"]].drop_duplicates()
    faint = min(0.45, 0.1 + 0.35 * _LINES / max(len(runs), 1))
    for arm, look in looks(means["arm"]).items():
        for _, run in drawn[drawn["arm"] == arm].groupby("seed"):
            _seed_line(ax, run, look, faint)
        _mean_line(ax, means[means["arm"] == arm], look, str(arm), drawn["value"].min())
    return _axes(ax, drawn["value"], metric)


def curves_part(values: pd.DataFrame, means: pd.DataFrame, metric: Metric) -> Part:
    """Return `mean_curves` with a label at each line, and a closer look at the last epochs.

    Those are the last third of them.
    """
    last = means.drop_duplicates("arm", keep="last").to_dict("records")
    words = arms_in_words(means["arm"])
    labels = {
        row["arm"]: wrapped(f"{words[row['arm']]} ({counts_text(row, metric)})") for row in last
    }
    wide, lines = label_size(list(labels.values()))
    zoomed = means["epoch"].nunique() >= _ZOOM_EPOCHS
    width = (11.0 if zoomed else 6.8) + wide + _LEGEND_HANDLE
    height = max(4.8, _LEGEND_LINE * lines + 1.0)

    def draw(figure: Any) -> None:
        panels = figure.subplots(1, 1 + zoomed, squeeze=False)[0]
        mean_curves(values, means, metric, panels[0])
        if zoomed:
            from_ = means["epoch"].max() * 2 / 3
            late, ends = (table[table["epoch"] >= from_] for table in (values, means))
            mean_curves(late, ends, metric, panels[1]).set_title("The last third, closer")
        colours, ends = looks(labels), shown(pd.DataFrame(last), metric)["mean"]
        named = [
            (end, labels[row["arm"]], colours[row["arm"]].colour)
            for row, end in zip(last, ends, strict=True)
        ]
        label_ends(panels[-1], named, height - 1.2)

    notes = (n_note(values, list(labels)), "thin: single seeds", diverged_note(means, metric))
    return Part(width, height, notes, draw)


def _seed_line(ax: Axes, run: pd.DataFrame, look: Look, faint: float) -> None:
    ax.plot(run["epoch"], run["value"], color=look.colour, linewidth=0.7, alpha=faint, zorder=2)
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
    if ax.get_yscale() == "log" and low.notna().any():
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
    return _rows(ax, values, means, labels, looks(labels))


def paired_strips(
    pairs: pd.DataFrame, means: pd.DataFrame, baseline: str, metric: Metric, ax: Axes
) -> Axes:
    """Draw a row per arm: its differences from the baseline arm, a dot for each seed of both.

    `pairs` and `means` are those of `paired_values` and `paired_table` of `hindi_bn.stats.tables`.
    """
    means = shown(means.rename(columns={"mean_difference": "mean"}), metric)
    labels = {row["arm"]: counts_text(row, metric, "pair") for row in means.to_dict("records")}
    ax.axvline(0.0, color="0.3", linewidth=1.0, linestyle="--", zorder=1)
    ax.set_xlabel(wrapped(metric.difference(arms_in_words([baseline, *labels])[baseline]), 70))
    pairs = shown(pairs, metric)
    limits(ax, "x", pairs["value"], means, replace(metric, unit=metric.difference_unit))
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, -0.04 * high), max(high, -0.04 * low))
    return _rows(ax, pairs, means, labels, looks([baseline, *labels]), signed=True)


def strip_part(values: pd.DataFrame, means: pd.DataFrame, metric: Metric) -> Part:
    """Return the part of a figure of `seed_strips`."""
    arms = list(means["arm"])
    notes = (n_note(values, arms), _dots("run"), diverged_note(means, metric), cut_note(means))
    return Part(
        *_size(arms), notes, lambda figure: seed_strips(values, means, metric, figure.add_subplot())
    )


def paired_part(pairs: pd.DataFrame, means: pd.DataFrame, baseline: str, metric: Metric) -> Part:
    """Return the part of a figure of `paired_strips`."""
    lost = diverged_note(means, metric, "× one ")
    notes = (n_note(pairs), _dots("pair"), lost, cut_note(means))
    return Part(
        *_size(list(means["arm"])), notes,
        lambda figure: paired_strips(pairs, means, baseline, metric, figure.add_subplot()),
    )  # fmt: skip


def _size(arms: list[str]) -> tuple[float, float]:
    words = arms_in_words(arms).values()
    wide, lines = label_size([wrapped(word) + "\n(n)" for word in words])
    return 5.8 + max(wide, 1.6) + _NUMBERS_INCHES, max(_ROW * len(arms), _LINE * lines) + 1.4


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
    seeds, words = sorted(set(values["seed"])), arms_in_words(given)
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
        range(len(means)),
        [f"{wrapped(words[arm])}\n({n})" for arm, n in labels.items()],
        fontsize=9,
    )
    ax.set_ylim(len(means) - 0.5, -0.5)
    return ax


def _mean(ax: Axes, mean: Mapping[Any, Any], row: int, signed: bool) -> None:
    y, numbers = row + _ABOVE, "no value"
    if mean["n"]:
        ax.plot([mean["mean"]], [y], marker="d", color="black", markersize=5, zorder=4)
        digits, sign = (3, "+") if signed else (4, "")
        numbers = number(mean["mean"], digits, sign)
    if np.isfinite(mean["low"]):
        ends = [mean["low"], mean["high"]]
        ax.plot(ends, [y, y], color="black", linewidth=1.6, zorder=3)
        numbers += f"  [{', '.join(number(end, digits, sign) for end in ends)}]"
    ax.text(
        1.01, row, numbers, transform=ax.get_yaxis_transform(), va="center", ha="left",
        fontsize=8.5, color="0.2",
    )  # fmt: skip


def mean_map(
    means: pd.DataFrame, x: str, y: str, metric: Metric, ax: Axes, whole: pd.DataFrame | None = None
) -> Axes:
    """Draw the mean of each pair of values of two keys, with its n.

    A cell with diverged runs is framed and counts them, one without a value is hatched. A pair
    without runs stays empty. Numbers ascend along the axes, text keeps its order. `whole` are the
    means of all panels, whose values make columns, rows and the colour scale.
    """
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
    ax.set_xticklabels([wrapped(value_in_words(x, text), 12) for text in columns], rotation=0)
    ax.set_yticklabels([wrapped(value_in_words(y, text), 20) for text in rows], rotation=0)
    ax.set(xlabel=key_in_words(x), ylabel=key_in_words(y))
    return ax


def heat_figure(
    means: pd.DataFrame, x: str, y: str, facet: str | None, metric: Metric, caption: Caption
) -> Figure:
    """Compose `mean_map`, a panel per value of `facet` (a third key), all with one colour scale."""
    parts = {"": means}
    if facet is not None:
        texts = means[facet].map(value_text)
        parts = {_facet(facet, value_text(v)): means[texts == value_text(v)]
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


def _facet(key: str, value: str) -> str:
    words = value_in_words(key, value)
    return words if words != value else f"{key_in_words(key)} {value}"


def _text(cell: Mapping[Any, Any] | None) -> str:
    if cell is None:
        return ""
    lost = f"{int(cell['n_diverged'])} diverged" if cell["n_diverged"] else ""
    if not cell["n"]:
        return lost or "no value"
    return "\n".join(filter(None, (number(cell["mean"]), f"n = {int(cell['n'])}", lost)))


def _mark(ax: Axes, column: int, row: int, cell: Mapping[Any, Any]) -> None:
    """Frame a cell with diverged runs; hatch one that has no mean, and say why."""
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
