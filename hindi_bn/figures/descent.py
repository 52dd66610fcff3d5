"""The path of two sample weights while a network trains (the article's figure 8).

The weights move by parts of a thousand of themselves, so the axes show the change since the first
recorded epoch, in a power of ten, and the label states the value it starts from.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter
from mpl_toolkits.mplot3d import proj3d
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import NDArray

from hindi_bn.figures.style import Caption, composing, looks
from hindi_bn.study.words import arms_in_words

_START: dict[str, Any] = {
    "marker": "o", "s": 110, "facecolors": "none", "edgecolors": "black", "linewidths": 1.8,
}  # fmt: skip
_END: dict[str, Any] = {
    "marker": "X", "s": 110, "facecolors": "black", "edgecolors": "white", "linewidths": 1.0,
}  # fmt: skip
_STEPS = [1, 2, 2.5, 5, 10]
_COLUMNS = 3  # panels in a row at most
_POWERS_APART = 2
_DECADE = 10.0  # losses that span it have ticks at 1, 2 and 5 of each


def descent_3d(
    history: pd.DataFrame,
    ax: Axes3D,
    names: Mapping[str, str] | None = None,
    colour: str = "C0",
    powers: Mapping[str, int] | None = None,
) -> Axes3D:
    """Draw the path (wx, wy, training loss): a point per epoch and an arrow to the next.

    `history` has `epoch`, `train_loss` (cross-entropy, nats), `wx`, `wy` and the changes of
    `hindi_bn.stats.recordings.pair_changes`; `names` say what wx and wy are, such as
    `{"wx": "weight[3, 4, 1, 0]", …}`, for the axis labels. `ax` is a 3-D one; `powers` are the
    powers of ten that the changes of wx and wy are in, those that suit them when None.
    """
    powers = powers or _powers({"": history})[""]
    (x, x_label), (y, y_label) = (
        _readable(history, name, names, "\n", powers[name]) for name in ("wx", "wy")
    )
    points = np.column_stack([x, y, history["train_loss"]])
    ax.computed_zorder = False  # the marks of start and end stay on top
    ax.plot(*points.T, linestyle="none", marker="o", markersize=3.5, color=colour, zorder=3)
    for tail, head in itertools.pairwise(points):
        ax.add_artist(_arrow_3d(tail, head, colour))
    _mark_ends(history, lambda row, **how: ax.scatter(*points[row], zorder=4, **how))
    ax.set_xlabel(x_label, labelpad=18)
    ax.set_ylabel(y_label, labelpad=22)
    ax.view_init(elev=24, azim=-58)
    ax.set_box_aspect((1.0, 1.0, 0.92), zoom=0.93)  # keeps the labels inside the panel
    for letter, values in zip("xyz", points.T, strict=True):
        low, high, ticks = _room(values)
        ax.set(**{f"{letter}lim": (low, high), f"{letter}ticks": ticks})
    ax.zaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    longer = max(0, *(len(text) - 4 for text in ax.zaxis.get_major_formatter().format_ticks(ticks)))
    ax.tick_params(axis="z", pad=8 + 3 * longer)
    ax.set_zlabel("Training loss (nats)", labelpad=17 + 5 * longer)
    return ax


def descent_2d(
    history: pd.DataFrame,
    ax: Axes,
    names: Mapping[str, str] | None = None,
    colour: str = "C0",
    powers: Mapping[str, int] | None = None,
) -> Axes:
    """Draw the same path from above: wx against wy, each epoch coloured by its training loss.

    Parameters are those of `descent_3d`; the figure of `ax` gains a colour bar beside it.
    """
    powers = powers or _powers({"": history})[""]
    (x, x_label), (y, y_label) = (
        _readable(history, name, names, ",\n", powers[name]) for name in ("wx", "wy")
    )
    points = np.column_stack([x, y])
    for tail, head in itertools.pairwise(points):
        style = {
            "arrowstyle": "-|>", "color": colour, "alpha": 0.7, "linewidth": 1.2,
            "shrinkA": 3, "shrinkB": 4, "mutation_scale": 11,
        }  # fmt: skip
        ax.annotate("", xy=tuple(head), xytext=tuple(tail), arrowprops=style, zorder=2)
    dots = ax.scatter(
        x, y, c=history["train_loss"], cmap="viridis",
        norm=_loss_scale(history["train_loss"]),
        s=24, edgecolors="white", linewidths=0.4, zorder=3,
    )  # fmt: skip
    _mark_ends(history, lambda row, **how: ax.scatter(*points[row], zorder=4, **how))
    _colour_bar(ax, dots)
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.margins(0.1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    return ax


def descent_figure(
    histories: Mapping[str, pd.DataFrame],
    recorded: Mapping[str, Mapping[str, str]],
    caption: Caption,
    *,
    title: str = "Descent, one arrow per epoch",
    projected: bool = False,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Compose the paths of one or more runs side by side, at most three in a row.

    Args:
        recorded: A run's `layer`, `wx` and `wy`: the names of what was recorded.
        projected: Draw `descent_2d` instead of `descent_3d`.
        colours: A colour by run; those of `style.looks` when None.
    """
    colours = colours or {run: look.colour for run, look in looks(histories).items()}
    columns = min(len(histories), _COLUMNS)
    rows = math.ceil(len(histories) / columns)
    height, room = 5.6 * rows + 0.6, {}
    if not projected:  # mplot3d's labels hang out of their panel below
        height, room = 5.8 * rows + 0.4, {"bottom": 0.75, "row_gap": 0.14}
    if len(histories) > 1:
        caption = caption.plus("each panel has scales of its own")
    words, powers = arms_in_words(histories), _powers(histories)
    with composing(title, caption, 6.6 * columns, height, **room) as figure:
        for place, (run, history) in enumerate(histories.items(), start=1):
            names = recorded.get(run, {})
            view = None if projected else "3d"
            ax: Any = figure.add_subplot(rows, columns, place, projection=view)
            draw = descent_2d if projected else descent_3d
            draw(history, ax, names, colours[run], powers[run])
            _head(ax, _panel_title(words[run], names), colours[run], 1.0 if projected else 0.93)
    return figure


def _powers(histories: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, int]]:
    """Choose powers of ten for the changes of wx and wy, by run.

    One for all runs, unless their changes are more than two powers apart.
    """
    found: dict[str, dict[str, int]] = {run: {} for run in histories}
    for weight in ("wx", "wy"):
        largest = {run: float(h[f"{weight}_change"].abs().max()) for run, h in histories.items()}
        own = {run: math.floor(math.log10(v)) if v > 0 else 0 for run, v in largest.items()}
        alike = max(own.values()) - min(own.values()) <= _POWERS_APART
        for run, power in own.items():
            found[run][weight] = max(own.values()) if alike else power
    return found


def _readable(
    history: pd.DataFrame,
    weight: str,
    names: Mapping[str, str] | None,
    separator: str,
    power: int,
) -> tuple[NDArray[np.float64], str]:
    """Bring a weight's changes to a power of ten, and label them with their start and unit."""
    changes = history[f"{weight}_change"].to_numpy(dtype=float)
    name = (names or {}).get(weight)
    unit = f", in $10^{{{power}}}$" if power else ""
    start = f"change since {history[weight].iloc[0]:.4f}{unit}".replace("-0.", "−0.")
    return changes / 10.0**power, f"{weight}{f' = {name}' if name else ''}{separator}{start}"


def _mark_ends(history: pd.DataFrame, scatter: Callable[..., Any]) -> None:
    first, last = int(history["epoch"].iloc[0]), int(history["epoch"].iloc[-1])
    scatter(0, label=f"start (after epoch {first})", **_START)
    if last > first:
        scatter(-1, label=f"end (after epoch {last})", **_END)


def _arrow_3d(tail: NDArray[np.float64], head: NDArray[np.float64], colour: str) -> Any:
    """Make an arrow whose head keeps its size on paper, whatever the scales of the three axes."""

    class Arrow(FancyArrowPatch):
        axes: Any  # the 3-D axes

        def do_3d_projection(self, renderer: object = None) -> float:
            xs, ys, depths = proj3d.proj_transform(*np.array([tail, head]).T, self.axes.M)
            self.set_positions((xs[0], ys[0]), (xs[1], ys[1]))
            return float(np.min(depths))

    return Arrow(
        (0, 0), (0, 0), arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.3,
        shrinkA=1, shrinkB=2, zorder=2,
    )  # fmt: skip


def _loss_scale(losses: pd.Series) -> Normalize | LogNorm:
    """Colour by the logarithm of the loss where it varies and is positive, else evenly."""
    low, high = float(losses.min()), float(losses.max())
    if low == high:
        return Normalize(low - 0.5, high + 0.5)
    return LogNorm(low, high) if low > 0 else Normalize(low, high)


def _colour_bar(ax: Axes, dots: Any) -> None:
    bar = ax.figure.colorbar(dots, ax=ax, label="Training loss (nats)", pad=0.02)
    low, high = dots.norm.vmin, dots.norm.vmax
    logarithmic = isinstance(dots.norm, LogNorm) and high / low > _DECADE
    locator = LogLocator(subs=(1.0, 2.0, 5.0)) if logarithmic else MaxNLocator(5)
    ticks = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
    bar.set_ticks(ticks, labels=[f"{tick:.10g}" for tick in ticks])
    bar.minorticks_off()


def _room(values: NDArray[np.float64]) -> tuple[float, float, list[float]]:
    """Choose an axis of a 3-D panel: its limits, and ticks that stay away from the corners."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low - 1.0, high + 1.0, [low]
    ticks = [t for t in MaxNLocator(5, steps=_STEPS).tick_values(low, high) if low <= t <= high]
    pad = 0.08 * (high - low)
    return low - pad, high + pad, ticks


def _panel_title(run: str, names: Mapping[str, str]) -> str:
    layer = names.get("layer")
    if layer == "last-conv":
        return f"{run} (last convolution)"
    return f"{run} (layer {layer})" if layer else run


def _head(ax: Axes, title: str, colour: str, top: float) -> None:
    """Write the panel's title and, under it, the legend, above `top` (a share of the height)."""
    legend = ax.legend(
        loc="lower center", bbox_to_anchor=(0.5, top), ncols=2, frameon=False, borderaxespad=0.1,
        title=title, title_fontproperties={"weight": "bold", "size": 12},
    )  # fmt: skip
    legend.get_title().set_color(colour)
