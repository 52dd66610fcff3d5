"""The diagram of a network: a box per layer, with what it gives, learns and sees."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from hindi_bn.figures.style import composing
from hindi_bn.networks import Layer

# Sizes in inches; the axes are drawn so that a unit is an inch.
_ROW, _BOX_HEIGHT = 0.5, 0.36
_SHEETS, _BOX, _SHAPE, _PARAMETERS, _FIELD, _WIDTH = 0.75, 1.5, 5.6, 7.75, 8.9, 9.1
_LARGEST_SHEET, _MOST_SHEETS, _STEP = 0.3, 4, 0.045

# Light tints of the colour-blind-safe colours of `figures.style`, one per kind of layer.
_TINTS = {
    "input": "#FFFFFF", "convolution": "#B3D5EA", "normalisation": "#F7CFA8",
    "activation": "#B8E3D6", "pooling": "#EBD3E0", "flatten": "#E6E6E6", "dropout": "#F5F0B5",
    "linear": "#D5E9F7", "local": "#C9C8E8", "transformer": "#F3D9D0",
}  # fmt: skip


def network_figure(layers: Sequence[Layer], title: str) -> Figure:
    """Make the figure of `network_diagram`, as tall as the network needs."""
    with composing("", None, _WIDTH, _ROW * (len(layers) + 1) + 0.6) as figure:
        ax = network_diagram(layers, figure.subplots())
        ax.set_title(title, loc="left")
    return figure


def network_diagram(layers: Sequence[Layer], ax: Axes) -> Axes:
    """Draw a network (a `layer_table`) from the image at the top to the logits at the bottom.

    A row per layer: its output as sheets (one per channel, at most four drawn, sides to scale) or a
    bar (features), its box, coloured by kind, its output's shape, its learnable numbers and its
    receptive field.
    """
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set_xlim(0, _WIDTH)
    ax.set_ylim(-_ROW * (len(layers) - 0.5), _ROW * 1.1)
    _headings(ax)
    largest = max(layer.shape[-1] for layer in layers if len(layer.shape) > 1)
    for row, layer in enumerate(layers):
        y = -_ROW * row
        _output(ax, layer, y, largest)
        _box(ax, layer, y)
        if row:
            ax.annotate(
                "", ((_BOX + _SHAPE) / 2 - 0.1, y + _BOX_HEIGHT / 2),
                ((_BOX + _SHAPE) / 2 - 0.1, y + _ROW - _BOX_HEIGHT / 2),
                arrowprops={"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
    return ax


def _headings(ax: Axes) -> None:
    for x, text, side in (
        (_SHEETS, "output", "center"), ((_BOX + _SHAPE) / 2 - 0.1, "layer", "center"),
        (_SHAPE, "output shape", "left"), (_PARAMETERS, "parameters", "right"),
        (_FIELD, "sees pixels", "right"),
    ):  # fmt: skip
        ax.text(x, _ROW * 0.8, text, ha=side, fontsize=9, color="0.35", va="center")


def _box(ax: Axes, layer: Layer, y: float) -> None:
    width = _SHAPE - 0.2 - _BOX
    ax.add_patch(
        FancyBboxPatch(
            (_BOX, y - _BOX_HEIGHT / 2), width, _BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=_TINTS[layer.kind], edgecolor="0.3", linewidth=0.8,
        )
    )  # fmt: skip
    centre = _BOX + width / 2
    ax.text(centre, y, layer.description, ha="center", va="center_baseline", fontsize=9.5)
    style: dict[str, Any] = {"fontsize": 9.5, "va": "center_baseline"}
    ax.text(_SHAPE, y, " × ".join(map(str, layer.shape)), ha="left", **style)
    learnt = f"{layer.parameters:,}" if layer.parameters else "–"
    ax.text(_PARAMETERS, y, learnt, ha="right", **style)
    side = layer.receptive_field
    ax.text(_FIELD, y, "all" if side is None else f"{side} × {side}", ha="right", **style)


def _output(ax: Axes, layer: Layer, y: float, largest: int) -> None:
    look: dict[str, Any] = {"facecolor": _TINTS[layer.kind], "edgecolor": "0.3", "linewidth": 0.7}
    if len(layer.shape) == 1:
        ax.add_patch(Rectangle((_SHEETS - 0.35, y - 0.035), 0.7, 0.07, **look))
        return
    sheets = min(layer.shape[0], _MOST_SHEETS)
    side = max(_LARGEST_SHEET * layer.shape[-1] / largest, 0.03)
    for sheet in range(sheets):
        shift = _STEP * ((sheets - 1) / 2 - sheet)
        ax.add_patch(
            Rectangle((_SHEETS - side / 2 + shift, y - side / 2 + shift), side, side, **look)
        )
