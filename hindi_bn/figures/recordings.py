"""What was recorded while networks trained: gradients, activations, statistics and weights by step.

Lines of a layer have the colour of the convolution or linear layer that they belong to, early ones
dark and late ones light; the kind of layer shows in the line's style. Recordings come as tables
with the columns of `hindi_bn.records.recordings.COLUMNS`, by run in study order.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hindi_bn.figures.style import (
    NEUTRAL,
    Caption,
    composing,
    count_axis,
    label_ends,
    log_axis,
    looks,
)
from hindi_bn.networks import Layer
from hindi_bn.study.words import arms_in_words

Recorded = Mapping[str, pd.DataFrame]
Layers = Mapping[str, Sequence[Layer]]

_STYLES: dict[str, Any] = {
    "convolution": "-", "linear": "-", "normalisation": (0, (5, 1.5)), "activation": (0, (1, 1.2)),
    "pooling": (0, (3, 1.5, 1, 1.5)),
}  # fmt: skip
_COLOURS, _LATEST = "viridis", 0.85  # the brightest end is too faint on white
_MANY = 12  # beyond so many points a marker per point would hide the line's style

_LABELS = {
    "mean": "Mean", "std": "Standard deviation", "gamma": "Gamma", "beta": "Beta",
    "running_mean": "Running mean", "running_var": "Running variance",
    "running_std": "Running std", "running_scale": "Running scale",
}  # fmt: skip
"""What a quantity of captures.csv is called on an axis."""

_POSITIVE = {"running_var", "running_std", "running_scale", "std"}  # drawn on a logarithmic axis


def layer_lines(recorded: pd.DataFrame, layers: Sequence[Layer], ax: Axes) -> Axes:
    """Draw one quantity by step, a labelled line per layer.

    `recorded` has `layer`, `step` and `value`; `layers`, the rows of
    `hindi_bn.networks.layer_table`, give colours, styles and labels.
    """
    colours = _block_colours(layers)
    for layer in layers:
        rows = recorded[recorded["layer"] == layer.name]
        if not rows.empty:
            _line(
                ax, rows, color=colours[layer.name], linestyle=_STYLES.get(layer.kind, "-"),
                label=f"{layer.name} · {layer.description}",
            )  # fmt: skip
    return ax


def channel_lines(
    recorded: pd.DataFrame, medians: pd.DataFrame, ax: Axes, colour: str = NEUTRAL
) -> Axes:
    """Draw one quantity of one layer by step, a thin line per channel, and their median.

    `recorded` has `index` (the channel, as text), `step` and `value`, `medians` the last two.
    """
    channels = recorded.groupby("index")
    faint = min(0.55, max(0.15, 10 / max(channels.ngroups, 1)))
    for _, rows in channels:
        _line(ax, rows, color=colour, linewidth=0.8, alpha=faint, marker=None)
    _line(ax, medians, color="black", linewidth=1.6, marker=None)
    return ax


def gradients_figure(norms: Recorded, layers: Layers, caption: Caption) -> Figure:
    """Compose the gradient norms of layers: a row of panels per run, all with the same axes.

    `norms` are those of `hindi_bn.stats.recordings.gradient_norms`, by run.
    """
    parts = {run: {"": rows} for run, rows in norms.items()}
    title = "Gradient norm by layer"
    with _rows_of_runs(title, caption, parts, layers, 7.2) as (figure, panels):
        for (ax,) in panels:
            ax.set_yscale("log")
            ax.set_ylabel("L2 norm of the\nloss's gradient")
    return figure


def activations_figure(recorded: Recorded, layers: Layers, caption: Caption) -> Figure:
    """Compose mean and standard deviation of every layer's output: a row of panels per run."""
    parts = {
        run: {name: rows[rows["quantity"] == name] for name in ("mean", "std")}
        for run, rows in recorded.items()
    }
    title = "Mean and standard deviation of every layer's output"
    with _rows_of_runs(title, caption, parts, layers, 9.6) as (figure, panels):
        for mean, std in panels:
            mean.set_ylabel(_LABELS["mean"])
            std.set_ylabel(_LABELS["std"])
            log_axis(std)
    return figure


def statistics_figure(
    statistics: pd.DataFrame,
    medians: pd.DataFrame,
    layers: Sequence[Layer],
    run: str,
    caption: Caption,
) -> Figure:
    """Compose one run's gamma, beta and running averages: a row per quantity, a column per layer.

    `medians` are those of `hindi_bn.stats.recordings.channel_medians`.
    """
    quantities = list(dict.fromkeys(statistics["quantity"]))
    shown = [layer for layer in layers if layer.name in set(statistics["layer"])]
    colour, words = looks([run])[run].colour, arms_in_words([run])[run]
    with composing(
        f"{words[:1].upper()}{words[1:]}: gamma, beta and running averages",
        caption.plus("a line per channel, the median in black"),
        max(7.5, 3.1 * len(shown) + 0.6),
        2.0 * len(quantities) + 1.3,
    ) as figure:
        panels = figure.subplots(
            len(quantities), len(shown), sharex=True, sharey="row", squeeze=False
        )
        for quantity, row in zip(quantities, panels, strict=True):
            for layer, ax in zip(shown, row, strict=True):
                of_layer = _of(statistics, quantity, layer.name)
                channel_lines(of_layer, _of(medians, quantity, layer.name), ax, colour)
            row[0].set_ylabel(_LABELS[quantity])
            if quantity in _POSITIVE and (statistics["value"] > 0).any():
                log_axis(row[0])
        for layer, top, bottom in zip(shown, panels[0], panels[-1], strict=True):
            top.set_title(f"{layer.name} · {layer.description}", fontsize=10)
            count_axis(bottom, "Steps made", 5)
    return figure


def weights_figure(recorded: Recorded, caption: Caption) -> Figure:
    """Compose `hindi_bn.stats.recordings.weight_changes`: a panel per weight, a line per run."""
    names = list(dict.fromkeys(name for rows in recorded.values() for name in rows["name"]))
    title = "Single weights, as change since the first record"
    with composing(title, caption, 8.4, 2.4 * len(names) + 1.1) as figure:
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for name, ax in zip(names, panels, strict=True):
            _weight_lines(name, recorded, ax)
        count_axis(panels[-1], "Steps made", 5)
    return figure


def curves_figure(histories: Recorded, caption: Caption, title: str = "Training curves") -> Figure:
    """Compose the training curves: losses and accuracies of training and test, a colour per run."""
    words = arms_in_words(histories)
    with composing(title, caption, 11.0, 4.9) as figure:
        loss, accuracy = figure.subplots(1, 2)
        for run, look in looks(histories).items():
            history = histories[run].rename(columns={"epoch": "step"})
            for split, label, style in (("train", "training", "-"), ("test", "test", "--")):
                how: dict[str, Any] = {
                    "color": look.colour,
                    "linestyle": style,
                    "label": f"{words[run]}, {label}",
                }
                if len(history) <= _MANY:
                    hollow = {"markerfacecolor": "white"} if split == "test" else {}
                    how |= {"marker": look.marker, "markersize": 7} | hollow
                _line(loss, history.assign(value=history[f"{split}_loss"]), **how)
                _line(accuracy, history.assign(value=100 * history[f"{split}_accuracy"]), **how)
        log_axis(loss)
        loss.set_ylabel("Loss (cross-entropy, nats)")
        accuracy.set_ylabel("Accuracy (%)")
        for ax in (loss, accuracy):
            count_axis(ax, ticks=5)
        figure.legend(*loss.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


@contextlib.contextmanager
def _rows_of_runs(
    title: str, caption: Caption, parts: Mapping[str, Recorded], layers: Layers, width: float
) -> Iterator[tuple[Figure, Any]]:
    """Draw a row of panels per run, a panel per part, layers named at the right of each row."""
    columns = max(len(of_run) for of_run in parts.values())
    height = max(3.0, 0.2 * max(len(layers[run]) for run in parts)) * len(parts) + 1.1
    words = arms_in_words(parts)
    with composing(title, caption, width + 2.4, height) as figure:
        panels = figure.subplots(len(parts), columns, sharex=True, sharey="col", squeeze=False)
        for (run, look), row in zip(looks(parts).items(), panels, strict=True):
            for rows, ax in zip(parts[run].values(), row, strict=True):
                layer_lines(rows, layers[run], ax)
            row[0].set_title(words[run], color=look.colour, fontweight="bold", loc="left")
        for ax in panels[-1]:
            count_axis(ax, "Steps made", 5)
        yield figure, panels
        for row in panels:
            ends = [(line.get_ydata()[-1], line.get_label(), line.get_color())
                    for line in row[-1].lines]  # fmt: skip
            label_ends(row[-1], ends, height / len(parts) - 0.7)


def _weight_lines(name: str, recorded: Recorded, ax: Axes) -> None:
    places, words = [], arms_in_words(recorded)
    for run, look in looks(recorded).items():
        rows = recorded[run][recorded[run]["name"] == name]
        if rows.empty:
            continue
        start = rows["value"].iloc[0]
        places.append(f"{words[run]}: layer {rows['layer'].iloc[0]} [{rows['index'].iloc[0]}]")
        _line(
            ax, rows.assign(value=rows["change"]), color=look.colour, marker=None,
            label=f"{words[run]}, from {start:.6f}",
        )  # fmt: skip
    ax.set_title(f"{name} ({'; '.join(places)})", fontsize=10, loc="left")
    ax.set_ylabel("Change")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _of(rows: pd.DataFrame, quantity: str, layer: str) -> pd.DataFrame:
    return rows[(rows["quantity"] == quantity) & (rows["layer"] == layer)]


def _line(ax: Axes, rows: pd.DataFrame, **how: Any) -> None:
    few = "." if len(rows) <= _MANY else None
    ax.plot(rows["step"], rows["value"], **({"linewidth": 1.5, "marker": few} | how))


def _block_colours(layers: Sequence[Layer]) -> dict[str, Any]:
    """Colour each layer by the number of convolutions and linear layers up to it."""
    blocks, count = {}, 0
    for layer in layers:
        count += layer.kind in {"convolution", "local", "linear"}
        blocks[layer.name] = count
    last = max(count - 1, 1)
    colours = mpl.colormaps[_COLOURS]
    return {name: colours(_LATEST * max(b - 1, 0) / last) for name, b in blocks.items()}
