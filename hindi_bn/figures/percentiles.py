"""How the inputs of activations are distributed over training: bands between percentiles.

Tables are those of `hindi_bn.stats.recordings.channel_percentiles`; runs that recorded percentiles
5, 50 and 95 alone have no inner band.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hindi_bn.figures.style import Caption, composing, count_axis, looks
from hindi_bn.study.words import arms_in_words

BANDS = {("p5", "p95"): 0.2, ("p15", "p85"): 0.35}  # opacity
RIDGES = 64  # channels of a layer that are drawn, at most
NOTE = "bands: percentiles 5 to 95 and 15 to 85, line: median"


def channel_figure(tables: Mapping[str, pd.DataFrame], channel: int, caption: Caption) -> Figure:
    """Compose one channel's bands: a row per activation, a column per run, rows of one scale."""
    layers = {run: list(dict.fromkeys(table["layer"])) for run, table in tables.items()}
    words, most = arms_in_words(tables), max(map(len, layers.values()))
    title = f"Percentiles of what goes into each activation, channel {channel}"
    with composing(title, caption.plus(NOTE), 4.6 * len(tables) + 0.6, 2.1 * most + 1.1) as figure:
        panels = figure.subplots(most, len(tables), sharex=True, sharey="row", squeeze=False)
        for column, (run, look) in enumerate(looks(tables).items()):
            table = tables[run]
            for row, ax in enumerate(panels[:, column]):
                here = table["layer"] == layers[run][row] if row < len(layers[run]) else []
                bands(table[here][table[here]["index"] == channel], ax, look.colour)
            panels[0, column].set_title(words[run], color=look.colour, fontweight="bold")
            count_axis(panels[-1, column], "Steps made", 5)
        for row, ax in enumerate(panels[:, 0]):
            ax.set_ylabel(f"Into activation {row + 1}")
    return figure


def ridges_figure(
    table: pd.DataFrame, run: str, layers: Mapping[str, str], caption: Caption
) -> Figure:
    """Compose all channels of a run: a column per activation, in it a ridge per channel."""
    colour, words = looks([run])[run].colour, arms_in_words([run])[run]
    names = list(dict.fromkeys(table["layer"]))
    channels = min(RIDGES, int(table["index"].max()) + 1)
    title = f"{words[:1].upper()}{words[1:]}: percentiles of what goes into each activation"
    note = caption.plus(NOTE)
    with composing(title, note, max(7.5, 4.2 * len(names)), 0.32 * channels + 2.0) as figure:
        panels = figure.subplots(1, len(names), sharex=True, squeeze=False)[0]
        for name, ax in zip(names, panels, strict=True):
            ridges(table[(table["layer"] == name) & (table["index"] < channels)], ax, colour)
            ax.set_title(layers[name], fontsize=10)
            count_axis(ax, "Steps made", 5)
        panels[0].set_ylabel("Channel")
    return figure


def ridges(table: pd.DataFrame, ax: Axes, colour: str) -> Axes:
    """Draw each channel's bands on a base line of its own, all to one scale."""
    apart = float((table["p95"] - table["p5"]).max()) or 1.0
    channels = sorted(table["index"].unique())
    for place, channel in enumerate(channels):
        bands(table[table["index"] == channel], ax, colour, base=-place * apart)
        ax.axhline(-place * apart, color="0.75", linewidth=0.6, zorder=0.5)
    ax.set_yticks([-place * apart for place in range(len(channels))], channels)
    ax.grid(visible=False)
    ax.annotate(
        f"lines: each channel's 0; {apart:.2g} apart", (0.0, -0.02), (0, -34), "axes fraction",
        "offset points", fontsize=8, color="0.35", annotation_clip=False,
    )  # fmt: skip
    return ax


def bands(table: pd.DataFrame, ax: Axes, colour: str, base: float = 0.0) -> Axes:
    """Draw one channel's percentiles by `step`, moved up by `base`."""
    steps = table["step"]
    for (low, high), opacity in BANDS.items():
        if {low, high} <= set(table.columns):
            ax.fill_between(
                steps, table[low] + base, table[high] + base, color=colour, alpha=opacity,
                linewidth=0,
            )  # fmt: skip
    ax.plot(steps, table["p50"] + base, color=colour, linewidth=1.3)
    return ax
