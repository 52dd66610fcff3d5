"""Filters of convolutions, and the feature maps that one digit gives layer by layer."""

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torchvision.utils import make_grid

from hindi_bn.figures.style import NEUTRAL, Caption, composing
from hindi_bn.study.words import arms_in_words

_PANELS = 4  # panels in a row of the feature maps
_GAP = "0.45"  # grey between maps: on neither of the colour scales' ends


def tiles(maps: torch.Tensor, ax: Axes, columns: int) -> Axes:
    """Draw maps (maps, height, width) side by side on one colour scale, with a colour bar.

    With negative values the scale is symmetric around 0, which is white; otherwise it runs from 0,
    black, to the largest value.
    """
    pixels = maps.detach().float().cpu().unsqueeze(1)  # (maps, 1, height, width)
    gap = 1 if pixels[0].numel() > 1 else 0
    grid = make_grid(pixels, nrow=columns, padding=gap, pad_value=math.nan)[0].numpy()
    largest = float(pixels.abs().max()) or 1.0
    signed = bool((pixels < 0).any())
    colours = mpl.colormaps["RdBu_r" if signed else "gray"].with_extremes(bad=_GAP)
    image = ax.imshow(
        grid, cmap=colours, vmin=-largest if signed else 0.0, vmax=largest, interpolation="nearest"
    )
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.85, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    return ax


def filters_figure(filters: Mapping[str, torch.Tensor], run: str, caption: Caption) -> Figure:
    """Compose the filters of every convolution of a run, a panel per layer.

    `filters` are weights (filters, channels, rows, columns) by the layer's name and description.
    With one input channel they stand in a square; otherwise a row holds one filter and a column one
    input channel.
    """
    title = f"Filters of the convolutions {arms_in_words([run])[run]}"
    with composing(title, caption, max(7.0, 5.6 * len(filters)), 6.2) as figure:
        panels = figure.subplots(1, len(filters), squeeze=False)[0]
        for (name, weights), ax in zip(filters.items(), panels, strict=True):
            count, channels = weights.shape[:2]
            alone = channels == 1
            tiles(weights.flatten(0, 1), ax, math.ceil(math.sqrt(count)) if alone else channels)
            ax.set_title(name, fontsize=10)
            ax.set_xlabel(f"{count} filters" if alone else f"{channels} input channels")
            ax.set_ylabel("" if alone else f"{count} filters")
    return figure


def maps_figure(
    outputs: Sequence[tuple[str, torch.Tensor]], title: str, caption: Caption
) -> Figure:
    """Compose what every layer makes of one image, a panel per layer.

    `outputs` are each layer's name and output: (channels, height, width) or (features,); the last
    are the logits (classes,).
    """
    rows = math.ceil(len(outputs) / _PANELS)
    with composing(title, caption, 3.3 * _PANELS, 3.2 * rows + 0.8) as figure:
        panels = figure.subplots(rows, _PANELS, squeeze=False).flat
        for (name, output), ax in zip(outputs[:-1], panels, strict=False):
            maps = output if output.ndim > 1 else output[:, None, None]
            tiles(maps, ax, math.ceil(math.sqrt(len(maps))))
            ax.set_title(name, fontsize=9)
        name, logits = outputs[-1]
        logit_bars(logits, panels[len(outputs) - 1]).set_title(name, fontsize=9)
        for ax in panels[len(outputs) :]:
            ax.set_axis_off()
    return figure


def logit_bars(logits: torch.Tensor, ax: Axes) -> Axes:
    """Draw the logits (classes,) of one image, a bar per class, the largest dark."""
    values = logits.tolist()
    colours = [NEUTRAL if value == max(values) else "0.75" for value in values]
    ax.bar([str(digit) for digit in range(len(values))], values, color=colours)
    ax.grid(False, axis="x")
    ax.set_xlabel("Digit")
    ax.set_ylabel("Logit")
    return ax
