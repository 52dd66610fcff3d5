"""Batch norm made visible: a batch before and after, and how its channels are distributed."""

from collections.abc import Mapping

import numpy as np
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torchvision.utils import make_grid

from hindi_bn.figures.style import Caption, composing

Array = NDArray[np.float64]
COLOURS = ("#009E73", "#CC79A7", "#332288")  # by channel; none is an arm's with or without BN
TRAIN, EVAL, BEFORE = "#332288", "#CC79A7", "0.35"
IMAGES, ROWS, SHOWN = 2, 12, 32  # at most: maps' images, matrix rows, images of a real batch


def worked_figure(arrays: Mapping[str, Array], title: str, caption: Caption) -> Figure:
    """Draw a small batch and its channels' distributions before and after batch norm.

    `arrays` are those of `hindi_bn.explain.explain_worked`.
    """
    before, after = arrays["before"], arrays["after"]
    maps = before.ndim > 2  # noqa: PLR2004
    height = 6.6 if maps else 5.6
    with composing(title, caption.plus(_values(before)), 12.5, height) as figure:
        panels = figure.add_gridspec(1, 3, width_ratios=(1.0, 1.0, 1.15))
        _numbers(figure, panels[0], before, "Before", diverging=False)
        _numbers(figure, panels[1], after, "After", diverging=True)
        reached = "mean 0, std 1" if after.any() else "every value 0"
        halves = panels[2].subgridspec(2, 1)
        for half, name, heading in (
            (halves[0], "before", "Channels before"),
            (halves[1], "after", f"Channels after: {reached}"),
        ):
            channel_distributions(arrays, name, figure.add_subplot(half)).set_title(heading)
    return figure


def batch_figure(
    arrays: Mapping[str, Array], images: NDArray[np.uint8], title: str, caption: Caption
) -> Figure:
    """Draw a real batch and a trained layer's channels before and after, in both modes.

    `arrays` are those of `hindi_bn.explain.explain_run`, `images` uint8 (batch, height, width).
    """
    with composing(title, caption.plus(_values(arrays["before"])), 12.5, 9.6) as figure:
        grid = figure.add_gridspec(3, 2, height_ratios=(0.75, 1.0, 1.0))
        image_strip(images, figure.add_subplot(grid[0, :]))
        before, after = (figure.add_subplot(grid[1, place]) for place in (0, 1))
        channel_bars(arrays, {"before": ("entering", BEFORE)}, before)
        before.set_title("Before the layer")
        modes = {"train": ("train mode", TRAIN), "eval": ("eval mode", EVAL)}
        channel_bars(arrays, modes, after)
        after.set_title("After it")
        for place, what in enumerate(("mean", "std")):
            against_running(arrays, what, figure.add_subplot(grid[2, place]))
    return figure


def channel_distributions(arrays: Mapping[str, Array], name: str, ax: Axes) -> Axes:
    """Draw every value of each channel of a batch as a dot, with mean and std beneath."""
    batch, means, stds = (arrays[key] for key in (name, f"{name}_mean", f"{name}_std"))
    channels = batch.shape[1]
    for channel, mean, std in zip(range(channels), means, stds, strict=True):
        values = np.sort(batch[:, channel].ravel())
        colour = COLOURS[channel % len(COLOURS)]
        ax.plot(
            values, channel - 0.08 - 0.11 * _stacked(values), linestyle="none", marker="o",
            markersize=5, color=colour, alpha=0.75, markeredgewidth=0,
        )  # fmt: skip
        ax.errorbar(mean, channel + 0.2, xerr=std, fmt="|", color=colour, capsize=4, markersize=12)
    ax.set_yticks(range(channels), [f"channel {channel}" for channel in range(channels)])
    ax.set_ylim(channels - 0.5, -0.85)
    ax.set_xlabel("Value (line: mean ± std)")
    ax.grid(axis="y", visible=False)
    return ax


def value_map(
    values: Array, ax: Axes, limits: tuple[float, float], whole: bool, diverging: bool
) -> Axes:
    """Draw a matrix of numbers as shaded squares with the numbers in them.

    `limits` are the values of the scale's ends, which has two colours when it is diverging; whole
    numbers are written without decimals.
    """
    sns.heatmap(
        values, ax=ax, vmin=limits[0], vmax=limits[1], annot=True, fmt=".0f" if whole else ".2f",
        cmap="vlag" if diverging else "Greys_r", cbar=False, square=True,
        annot_kws={"fontsize": 9}, linewidths=0.5, linecolor="0.8", xticklabels=False,
        yticklabels=False,
    )  # fmt: skip
    return ax


def image_strip(images: NDArray[np.uint8], ax: Axes) -> Axes:
    """Show a batch's images (batch, height, width) in rows of sixteen; the first one is framed."""
    shown = images[:SHOWN]
    columns = min(len(shown), SHOWN // 2)
    sheet = make_grid(torch.from_numpy(shown)[:, None], nrow=columns, padding=0)[0]
    ax.imshow(sheet.numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    frame = (0.0, 0.0), shown.shape[2] - 1, shown.shape[1] - 1
    ax.add_patch(Rectangle(*frame, fill=False, edgecolor=EVAL, linewidth=2.5))
    more = f", the first {len(shown)} of {len(images)}" if len(images) > len(shown) else ""
    ax.set_title(f"The batch{more}; framed: the image asked about")
    ax.set_axis_off()
    return ax


def channel_bars(
    arrays: Mapping[str, Array], batches: Mapping[str, tuple[str, str]], ax: Axes
) -> Axes:
    """Draw each channel's mean and std of batches, given with label and colour, side by side."""
    markers = ("o", "s")
    for place, (name, (label, colour)) in enumerate(batches.items()):
        means = arrays[f"{name}_mean"]
        at = np.arange(len(means)) + 0.32 * (place - (len(batches) - 1) / 2)
        ax.errorbar(
            at, means, yerr=arrays[f"{name}_std"], fmt=markers[place], capsize=2, color=colour,
            label=f"{label}: mean ± std", markersize=5,
        )  # fmt: skip
    ax.set_xlabel("Channel")
    ax.set_ylabel("Value over the batch and its pixels")
    ax.margins(y=0.3)
    ax.legend(loc="upper right", ncols=2, frameon=False, fontsize=9)
    return ax


def against_running(arrays: Mapping[str, Array], what: str, ax: Axes) -> Axes:
    """Draw the batch's `what`, mean or std, of each channel against the running one.

    A line shows where the two are equal.
    """
    batch, running = arrays[f"before_{what}"], arrays[f"running_{what}"]
    amid = float(running.mean())  # any point of the line would do
    ax.axline((amid, amid), slope=1, color="0.6", linewidth=1, label="equal")
    ax.plot(running, batch, "o", color=TRAIN, markersize=6, alpha=0.8, label="a channel")
    ax.set_xlabel(f"Running {what} of the training")
    ax.set_ylabel(f"This batch's {what}")
    ax.set_title(f"{what.capitalize()}: this batch against the running average")
    ax.legend(loc="upper left", frameon=False)
    return ax


def _numbers(
    figure: Figure, panel: SubplotSpec, batch: Array, title: str, *, diverging: bool
) -> None:
    """Show the numbers of a batch on one scale: a map per image and channel, or one matrix."""
    whole = bool((batch == batch.round()).all())
    extent = float(np.abs(batch).max()) or 1.0
    limits = (-extent, extent) if diverging else (float(batch.min()), float(batch.max()) or 1.0)
    if batch.ndim == 2:  # noqa: PLR2004
        ax = value_map(batch[:ROWS], figure.add_subplot(panel), limits, whole, diverging)
        ax.set_title(title)
        ax.set_aspect("auto")
        channels = range(batch.shape[1])
        ax.set_xticks([c + 0.5 for c in channels], [f"channel {c}" for c in channels], rotation=0)
        ax.set_ylabel("row" if len(batch) <= ROWS else f"first {ROWS} of {len(batch)} rows")
        return
    shown = batch[:IMAGES]
    grid = panel.subgridspec(shown.shape[1], len(shown))
    for image, channel in np.ndindex(*shown.shape[:2]):
        ax = figure.add_subplot(grid[channel, image])
        value_map(shown[image, channel], ax, limits, whole, diverging)
        if channel == 0:
            ax.set_title(f"{title}, image {image}")
        if image == 0:
            ax.set_ylabel(f"channel {channel}")


def _stacked(values: Array) -> Array:
    """Height of each of the sorted values in a pile, so that near values do not cover another."""
    near = (values[-1] - values[0]) / 60 if len(values) else 0.0
    heights = np.zeros(len(values))
    for place in range(1, len(values)):
        if values[place] - values[place - 1] <= near:
            heights[place] = heights[place - 1] + 1
    return heights


def _values(batch: Array) -> str:
    count = int(batch.size) // int(batch.shape[1])
    return f"{count:,} value{'' if count == 1 else 's'} per channel"
