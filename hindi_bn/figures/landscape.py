"""Surfaces of the loss: contours on planes, lines with bands, a network beside its twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from hindi_bn.figures.style import NEUTRAL, Caption, composing, count_axis, log_axis, looks
from hindi_bn.study.words import arms_in_words

_PANEL = 3.1  # inches
_LEVELS = 21
_LABELS = {"loss": "Loss (nats per image)", "accuracy": "Accuracy"}
_STATISTICS = {
    "batch": "batch statistics", "running": "running averages",
    "reestimated": "re-estimated statistics", "none": "",
}  # fmt: skip
_STYLES = {"trained": "-", "untrained": (0, (4, 1.5)), "twin": (0, (4, 1.5))}


def surface_panel(
    rows: pd.DataFrame, ax: Axes, value: str, levels: Sequence[float], norm: Normalize
) -> Any:
    """Draw filled contours of a grid with `x`, `y` and a value; hatched where it is not finite.

    Returns the contours, of which a colour bar can be made.
    """
    table = rows.pivot(index="y", columns="x", values=value)  # noqa: PD010
    numbers = np.ma.masked_invalid(table.to_numpy())
    ax.set_facecolor("0.85")
    ax.patch.set(hatch="xx", edgecolor="0.6")
    x, y = table.columns.to_numpy(), table.index.to_numpy()
    colours = "viridis_r" if value == "accuracy" else "viridis"
    filled = ax.contourf(x, y, numbers, levels=levels, norm=norm, cmap=colours)
    ax.contour(x, y, numbers, levels=levels, colors="white", linewidths=0.4, alpha=0.6)
    ax.grid(visible=False)
    return filled


def path_line(rows: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a path through a plane, from a ring to a dot; `rows` have `x` and `y` in order."""
    x, y = rows["x"].to_numpy(), rows["y"].to_numpy()
    ax.plot(x, y, color="white", linewidth=2.4)
    ax.plot(x, y, color="black", linewidth=1.0)
    ax.plot(x[:1], y[:1], "o", color="black", markerfacecolor="white", markersize=6)
    ax.plot(x[-1:], y[-1:], "o", color="black", markersize=5)
    return ax


def surfaces_figure(
    grid: pd.DataFrame, caption: Caption, value: str = "loss",
    path: pd.DataFrame | None = None, explained: Mapping[str, Sequence[float]] = {},
) -> Figure:  # fmt: skip
    """Compose a panel for each run, network and statistics: a row per seed, one scale of colours.

    `grid` and `path` are those of `hindi_bn.landscape.surfaces.Surface`; `explained` has the axes'
    shares of the variance by run.
    """
    panels = grid.groupby(["run", "network", "statistics"], sort=False)
    places, rows, columns = _places(grid)
    levels, norm = _scale(grid[value], value)
    title = f"{'Accuracy' if value == 'accuracy' else 'Loss'} around the networks"
    if path is not None:
        title = f"{'Accuracy' if value == 'accuracy' else 'Loss'} in the plane of the path"
    notes = ["hatched: not finite" * (not np.isfinite(grid[value]).all())]
    notes += ["ring: before training; dot: after"] * (path is not None)
    width, height = columns * _PANEL + 1.4, rows * _PANEL + 0.7
    with composing(title, caption.plus(*notes), width, height) as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
        seeds = len(dict.fromkeys(grid["seed"])) > 1
        names = arms_in_words(dict.fromkeys(grid["arm"]))
        for key, part in panels:
            ax = axes[places[key]]
            filled = surface_panel(part, ax, value, levels, norm)
            if path is None:
                ax.plot(0, 0, "+", color="black", markersize=8)
            else:
                own = (path["run"] == key[0]) & (path["statistics"] == key[2])
                path_line(path[own], ax)
            ax.set_title(_panel_title(part.iloc[0], names, seeds), fontsize=9)
            _label_axes(ax, explained.get(str(key[0]), ()))
        for ax in set(axes.flat) - {axes[place] for place in places.values()}:
            ax.set_axis_off()
        bar = figure.colorbar(filled, ax=axes, label=_LABELS[value])
        bar.ax.grid(visible=False)
        if value == "loss":
            ticks = [
                tick for decade in range(-6, 7) for one in (1, 2, 5)
                if levels[0] <= (tick := one * 10.0**decade) <= levels[-1]
            ]  # fmt: skip
            bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    return figure


def _places(grid: pd.DataFrame) -> tuple[dict[Any, tuple[int, int]], int, int]:
    """Give each panel a row, its seed's and state's, and a column; or its run's if seeds repeat."""
    heads = grid.drop_duplicates(["run", "network", "statistics"])
    repeated = heads.duplicated(["seed", "arm", "network", "statistics"]).any()
    across, down = ["arm", "statistics"], ["run" if repeated else "seed", "network"]
    columns, rows = (
        list(dict.fromkeys(heads[keys].itertuples(index=False, name=None)))
        for keys in (across, down)
    )
    places = {
        (head["run"], head["network"], head["statistics"]): (
            rows.index(tuple(head[down])), columns.index(tuple(head[across])),
        )
        for _, head in heads.iterrows()
    }  # fmt: skip
    return places, len(rows), len(columns)


def _scale(values: pd.Series, value: str) -> tuple[Sequence[float], Normalize]:
    """Return the levels of the contours and their colours, the same for all panels."""
    finite = values[np.isfinite(values)]
    if value == "accuracy":
        return list(np.linspace(0, 1, _LEVELS)), Normalize(0, 1)  # a step is 5 %
    low = max(float(finite.min()), 1e-6) if len(finite) else 1e-6
    high = max(float(finite.max()) if len(finite) else low, low * 1.001)
    return list(np.geomspace(low, high, _LEVELS)), LogNorm(low, high)


def _panel_title(head: pd.Series, names: Mapping[str, str], with_seed: bool) -> str:
    network = "" if head["network"] == "trained" else head["network"]
    parts = (names[head["arm"]], network, _STATISTICS[head["statistics"]])
    seed = f"\nseed {head['seed']}" if with_seed else ""
    return "\n".join(filter(None, (parts[0], ", ".join(filter(None, parts[1:]))))) + seed


def _label_axes(ax: Axes, explained: Sequence[float]) -> None:
    labels = ["First direction", "Second direction"]
    if explained:
        labels = [
            f"Component {place} ({100 * share:.1f} %)" for place, share in enumerate(explained, 1)
        ]
    ax.set_xlabel(labels[0], fontsize=8)
    ax.set_ylabel(labels[1], fontsize=8)
    ax.tick_params(labelsize=8)
    ax.locator_params(nbins=5)


def path_figure(path: pd.DataFrame, caption: Caption) -> Figure:
    """Compose the losses along paths: of the path's own points, and of their places in the plane.

    `path` is that of `hindi_bn.landscape.surfaces.Surface`.
    """
    panels = path.groupby(["run", "statistics"], sort=False)
    names = arms_in_words(dict.fromkeys(path["arm"]))
    with composing("Loss along the path", caption, 1.2 + _PANEL * panels.ngroups, 3.8) as figure:
        axes = figure.subplots(1, panels.ngroups, squeeze=False, sharey=True)[0]
        for ax, ((_, statistics), rows) in zip(axes, panels, strict=True):
            ax.plot(rows["step"], rows["loss"], color="black", label="the path's own points")
            ax.plot(
                rows["step"], rows["loss_in_plane"], color=NEUTRAL, linestyle=_STYLES["twin"],
                label="in the plane",
            )  # fmt: skip
            log_axis(ax)
            ax.set_title(
                f"{names[rows['arm'].iloc[0]]}\n{_STATISTICS[str(statistics)]}", fontsize=9
            )
            count_axis(ax, "Step", 4)
        axes[0].set_ylabel(_LABELS["loss"])
        axes[0].legend(fontsize=8)
    return figure


def lines_figure(
    grid: pd.DataFrame, bands: pd.DataFrame, caption: Caption, value: str = "loss",
    ends: Sequence[float] = (0.0,),
) -> Figure:  # fmt: skip
    """Compose lines of the loss: a panel for each of the statistics, a colour for each arm.

    `grid` has the lines, a thin one per run, `bands` (`hindi_bn.landscape.surfaces.bands`) their
    median, least and most over seeds; `ends` are the networks' own places on x.
    """
    kinds = list(dict.fromkeys(grid["statistics"]))
    arms = dict.fromkeys(grid["arm"])
    names, look = arms_in_words(arms), looks(arms)
    most = int(bands["n"].max())
    note = f"line: median, band: least to most of {most} seeds" if most > 1 else ""
    title = f"{'Accuracy' if value == 'accuracy' else 'Loss'} along a line"
    with composing(title, caption.plus(note), 1.2 + 4 * len(kinds), 4.2) as figure:
        axes = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
        for ax, statistics in zip(axes, kinds, strict=True):
            here = bands[bands["statistics"] == statistics]
            for (arm, network), rows in here.groupby(["arm", "network"], sort=False):
                kept = "" if network == "trained" else f", {network}"
                style: dict[str, Any] = {"color": look[str(arm)].colour}
                ax.plot(
                    rows["x"], rows[value], label=names[str(arm)] + kept,
                    linestyle=_STYLES[str(network)], **style,
                )  # fmt: skip
                low, high = rows[f"{value}_low"], rows[f"{value}_high"]
                ax.fill_between(rows["x"], low, high, alpha=0.2, linewidth=0, **style)
            _finish(ax, grid, value, statistics, ends)
        axes[0].set_ylabel(_LABELS[value])
    return figure


def _finish(
    ax: Axes, grid: pd.DataFrame, value: str, statistics: str, ends: Sequence[float]
) -> None:
    """Scale, title and legend of a panel of lines; ticks below where losses are not finite."""
    here = grid[grid["statistics"] == statistics]
    for end in ends:
        ax.axvline(end, color=NEUTRAL, linewidth=0.8, linestyle=":")
    wrong = here.loc[~np.isfinite(here[value]), "x"]
    if len(wrong):
        ax.plot(
            wrong, np.zeros(len(wrong)), "x", color="black", transform=ax.get_xaxis_transform(),
            clip_on=False, label="not finite",
        )  # fmt: skip
    if value == "loss" and (here[value] > 0).any():
        log_axis(ax)
    ax.set_title(_STATISTICS[statistics], fontsize=9)
    ax.set_xlabel("Along the direction")
    ax.locator_params("x", nbins=5)
    ax.legend(fontsize=8)


def twin_figure(table: pd.DataFrame, caption: Caption, factor: float) -> Figure:
    """Compose a network and its twin: a row for filter-normalised directions, one for plain ones.

    `table` is that of `hindi_bn.landscape.surfaces.twins`.
    """
    kinds = list(dict.fromkeys(table["statistics"]))
    rows = {"filters": "filter-normalised direction", "plain": "plain direction"}
    words = {"trained": "the network", "twin": f"its twin: weights before BN x {factor:g}"}
    title = "One function, two sets of weights"
    with composing(title, caption, 1.2 + 3.6 * len(kinds), 6.6) as figure:
        axes = figure.subplots(2, len(kinds), squeeze=False, sharex=True, sharey=True)
        for (directions, said), line in zip(rows.items(), axes, strict=True):
            for ax, statistics in zip(line, kinds, strict=True):
                chosen = (table["directions"] == directions) & (table["statistics"] == statistics)
                for kind, part in table[chosen].groupby("network", sort=False):
                    colour = looks(["bn"])["bn"].colour if kind == "trained" else "black"
                    ax.plot(
                        part["x"], part["loss"], color=colour, linestyle=_STYLES[str(kind)],
                        linewidth=2.4 if kind == "trained" else 1.2, label=words[str(kind)],
                    )  # fmt: skip
                _finish(ax, table[chosen], "loss", statistics, (0.0,))
                ax.set_title(f"{_STATISTICS[statistics]}\n{said}".strip(), fontsize=9)
            line[0].set_ylabel(_LABELS["loss"])
    return figure
