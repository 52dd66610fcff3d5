"""What was recorded while networks trained: gradients, activations, statistics and weights by step.

Lines of a layer have the colour of the convolution or linear layer that they belong to, early ones
dark and late ones light; the kind of layer is told by the line's style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hindi_bn.figures.style import data_note, looks, new_figure, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hindi_bn.networks import Layer

_STYLES: dict[str, Any] = {
    "convolution": "-", "linear": "-", "normalisation": (0, (5, 1.5)), "activation": (0, (1, 1.2)),
    "pooling": (0, (3, 1.5, 1, 1.5)),
}  # fmt: skip
_COLOURS, _LATEST = "viridis", 0.85  # the brightest end is too faint on white
_MANY = 12  # beyond so many points a marker a point would hide the line's style

_CHANNELS = "a line a channel, the median in black"

QUANTITIES = {
    "mean": "Mean",
    "std": "Standard deviation",
    "gamma": "Gamma",
    "beta": "Beta",
    "running_mean": "Running mean",
    "running_var": "Running variance",
    "running_std": "Running deviation",
    "running_scale": "Running scale",
}
"""What a quantity of captures.csv is called on an axis."""

_POSITIVE = {"running_var", "running_std", "running_scale", "std"}  # drawn on a logarithmic axis


def layer_lines(captured: pd.DataFrame, layers: Sequence[Layer], ax: Axes) -> Axes:
    """Draw one quantity by step, a line a layer.

    Parameters
    ----------
    captured
        Columns `layer`, `step` and `value`, a row a layer and step.
    layers
        The rows of `hindi_bn.networks.layer_table`, for colours, styles and the legend.
    ax
        Where to draw.

    Returns
    -------
    `ax`, with lines labelled but no legend.
    """
    colours = _block_colours(layers)
    for layer in layers:
        rows = captured[captured["layer"] == layer.name]
        if not rows.empty:
            _line(
                ax, rows, color=colours[layer.name], linestyle=_STYLES.get(layer.kind, "-"),
                label=f"{layer.name} · {layer.description}",
            )  # fmt: skip
    return ax


def channel_lines(captured: pd.DataFrame, ax: Axes) -> Axes:
    """Draw one quantity of one layer by step, a thin line a channel, and their median.

    Parameters
    ----------
    captured
        Columns `index` (the channel, as text), `step` and `value`.
    ax
        Where to draw.

    Returns
    -------
    `ax`.
    """
    channels = captured.groupby("index")
    faint = min(0.55, max(0.15, 10 / channels.ngroups))
    for _, rows in channels:
        _line(ax, rows, color="#0072B2", linewidth=0.8, alpha=faint, marker=None)
    median = captured.groupby("step")["value"].median().reset_index()
    _line(ax, median, color="black", linewidth=1.6, marker=None)
    return ax


def gradient_norms(gradients: pd.DataFrame) -> pd.DataFrame:
    """Join the norms of a layer's parameters into the norm of its gradient.

    Parameters
    ----------
    gradients
        Columns `layer`, `step` and `value`, a row a parameter (weight, bias).

    Returns
    -------
    Columns `layer`, `step` and `value`: the root of the sum of squares of the parameters' norms.
    """
    squares = gradients.assign(value=gradients["value"] ** 2)
    joined = squares.groupby(["layer", "step"], sort=False)["value"].sum().reset_index()
    return joined.assign(value=joined["value"] ** 0.5)


def gradients_figure(
    captures: Mapping[str, pd.DataFrame],
    layers: Mapping[str, Sequence[Layer]],
    data_title: str,
    details: str = "",
) -> Figure:
    """Compose the gradient norms: a row of panels a run, all with the same axes.

    Parameters
    ----------
    captures
        The captured gradients of each run, in study order: columns as in
        `hindi_bn.records.recordings.COLUMNS`.
    layers
        The layers of each run's network; see `layer_lines`.
    data_title, details
        For the note at the bottom.
    """
    norms = {run: {"": gradient_norms(rows)} for run, rows in captures.items()}
    with theme():
        figure, panels = _rows_of_runs("Gradient norm by layer", norms, layers, 7.2)
        for (ax,) in panels:
            ax.set_yscale("log")
            ax.set_ylabel("L2 norm of the\nloss's gradient")
        data_note(figure, data_title, details)
    return figure


def activations_figure(
    captures: Mapping[str, pd.DataFrame],
    layers: Mapping[str, Sequence[Layer]],
    data_title: str,
    details: str = "",
) -> Figure:
    """Compose mean and standard deviation of every layer's output: a row of panels a run.

    Parameters
    ----------
    captures
        The captured activations of each run, in study order: columns as in
        `hindi_bn.records.recordings.COLUMNS`.
    layers, data_title, details
        As for `gradients_figure`.
    """
    parts = {
        run: {name: rows[rows["quantity"] == name] for name in ("mean", "std")}
        for run, rows in captures.items()
    }
    with theme():
        figure, panels = _rows_of_runs(
            "Mean and standard deviation of every layer's output", parts, layers, 9.6
        )
        for mean, std in panels:
            mean.set_ylabel(QUANTITIES["mean"])
            std.set_ylabel(QUANTITIES["std"])
            _logarithmic(std)
        data_note(figure, data_title, details)
    return figure


def statistics_figure(
    statistics: pd.DataFrame,
    layers: Sequence[Layer],
    run: str,
    data_title: str,
    details: str = "",
) -> Figure:
    """Compose one run's gamma, beta and running averages: a row a quantity, a column a layer.

    Parameters
    ----------
    statistics
        The run's captured statistics; see `hindi_bn.records.recordings.COLUMNS`.
    layers
        The layers of its network.
    run
        Its name, for the title.
    data_title, details
        For the note at the bottom.
    """
    quantities = list(dict.fromkeys(statistics["quantity"]))
    shown = [layer for layer in layers if layer.name in set(statistics["layer"])]
    with theme():
        figure = new_figure(max(7.5, 3.1 * len(shown) + 0.6), 2.0 * len(quantities) + 1.3)
        figure.suptitle(f"{run}: gamma, beta and running averages", fontweight="bold")
        panels = figure.subplots(
            len(quantities), len(shown), sharex=True, sharey="row", squeeze=False
        )
        for quantity, row in zip(quantities, panels, strict=True):
            for layer, ax in zip(shown, row, strict=True):
                here = (statistics["quantity"] == quantity) & (statistics["layer"] == layer.name)
                channel_lines(statistics[here], ax)
            row[0].set_ylabel(QUANTITIES[quantity])
            if quantity in _POSITIVE and (statistics["value"] > 0).any():
                _logarithmic(row[0])
        for layer, top, bottom in zip(shown, panels[0], panels[-1], strict=True):
            top.set_title(f"{layer.name} · {layer.description}", fontsize=10)
            _steps(bottom)
        data_note(figure, data_title, "; ".join(filter(None, [details, _CHANNELS])))
    return figure


def weights_figure(
    captures: Mapping[str, pd.DataFrame], data_title: str, details: str = ""
) -> Figure:
    """Compose the captured weights: a panel a weight, a line a run, as change since the start.

    Parameters
    ----------
    captures
        The captured weights of each run, in study order: columns as in
        `hindi_bn.records.recordings.COLUMNS`.
    data_title, details
        For the note at the bottom.
    """
    names = list(dict.fromkeys(name for rows in captures.values() for name in rows["name"]))
    with theme():
        figure = new_figure(8.4, 2.4 * len(names) + 1.1)
        figure.suptitle("Single weights, as change since the first record", fontweight="bold")
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for name, ax in zip(names, panels, strict=True):
            _weight_lines(name, captures, ax)
        _steps(panels[-1])
        data_note(figure, data_title, details)
    return figure


def curves_figure(
    histories: Mapping[str, pd.DataFrame], data_title: str, details: str = ""
) -> Figure:
    """Compose the training curves: losses and accuracies of training and test, a colour a run.

    Parameters
    ----------
    histories
        A history a run, in study order; see `hindi_bn.records.COLUMNS`.
    data_title, details
        For the note at the bottom.
    """
    with theme():
        figure = new_figure(11.0, 4.9)
        figure.suptitle("Training curves", fontweight="bold")
        loss, accuracy = figure.subplots(1, 2)
        for run, look in looks(histories).items():
            history = histories[run].rename(columns={"epoch": "step"})
            for split, said, style in (("train", "training", "-"), ("test", "test", "--")):
                how = {"color": look.colour, "linestyle": style, "label": f"{run}, {said}"}
                _line(loss, history.assign(value=history[f"{split}_loss"]), **how)
                _line(accuracy, history.assign(value=100 * history[f"{split}_accuracy"]), **how)
        _logarithmic(loss)
        loss.set_ylabel("Loss (cross-entropy, nats)")
        accuracy.set_ylabel("Accuracy (%)")
        for ax in (loss, accuracy):
            _steps(ax, "Epoch (counted from 0)")
        figure.legend(*loss.get_legend_handles_labels(), loc="outside right upper", frameon=False)
        data_note(figure, data_title, details)
    return figure


def _rows_of_runs(
    title: str,
    parts: Mapping[str, Mapping[str, pd.DataFrame]],
    layers: Mapping[str, Sequence[Layer]],
    width: float,
) -> tuple[Figure, Any]:
    """Draw a row of panels a run, a panel a part, the legend to the right of each row."""
    columns = max(len(of_run) for of_run in parts.values())
    longest = max(len(layers[run]) for run in parts)
    figure = new_figure(width + 2.4, max(3.0, 0.2 * longest) * len(parts) + 1.1)
    figure.suptitle(title, fontweight="bold")
    panels = figure.subplots(len(parts), columns, sharex=True, sharey="col", squeeze=False)
    for (run, look), row in zip(looks(parts).items(), panels, strict=True):
        for rows, ax in zip(parts[run].values(), row, strict=True):
            layer_lines(rows, layers[run], ax)
        row[0].set_title(run, color=look.colour, fontweight="bold", loc="left")
        row[-1].legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8,
            handlelength=2.6,
        )  # fmt: skip
    for ax in panels[-1]:
        _steps(ax)
    return figure, panels


def _weight_lines(name: str, captures: Mapping[str, pd.DataFrame], ax: Axes) -> None:
    places = []
    for run, look in looks(captures).items():
        rows = captures[run][captures[run]["name"] == name]
        if rows.empty:
            continue
        start = rows["value"].iloc[0]
        places.append(f"{run}: layer {rows['layer'].iloc[0]} [{rows['index'].iloc[0]}]")
        _line(
            ax, rows.assign(value=rows["value"] - start), color=look.colour, marker=None,
            label=f"{run}, from {start:.6f}",
        )  # fmt: skip
    ax.set_title(f"{name} ({'; '.join(places)})", fontsize=10, loc="left")
    ax.set_ylabel("Change")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _line(ax: Axes, rows: pd.DataFrame, **how: Any) -> None:
    few = "." if len(rows) <= _MANY else None
    ax.plot(rows["step"], rows["value"], **({"linewidth": 1.5, "marker": few} | how))


def _block_colours(layers: Sequence[Layer]) -> dict[str, Any]:
    """Colour each layer by the number of convolutions and linear layers up to it."""
    import matplotlib as mpl

    blocks, count = {}, 0
    for layer in layers:
        count += layer.kind in {"convolution", "linear"}
        blocks[layer.name] = count
    last = max(count - 1, 1)
    colours = mpl.colormaps[_COLOURS]
    return {name: colours(_LATEST * max(b - 1, 0) / last) for name, b in blocks.items()}


def _logarithmic(ax: Axes) -> None:
    """Make y logarithmic with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _steps(ax: Axes, label: str = "Steps made") -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel(label)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
