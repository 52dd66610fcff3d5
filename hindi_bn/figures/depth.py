"""Signals and gradients by depth, before training: with BN and without.

Tables are those of `hindi_bn.landscape.depth`; rows of panels are initial weights.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hindi_bn.figures.style import NEUTRAL, Caption, composing, count_axis, log_axis, looks
from hindi_bn.study.words import arms_in_words

INITS = {"default": "torch's own initial weights", "kaiming": "Kaiming's initial weights"}
QUANTITIES = {
    "mean": "Channels' means (absolute)", "variance": "Channels' variances",
    "gradient": "Gradient's L2 norm",
}  # fmt: skip


def depth_figure(
    by_layer: Mapping[str, pd.DataFrame], growth: pd.DataFrame, caption: Caption
) -> Figure:
    """Draw the deepest networks' means, variances and gradients by layer, and growth by depth.

    `by_layer` are the tables of `over_seeds` by their quantity.
    """
    deepest = int(growth["depth"].max())
    note = caption.plus("lines: medians, bands: all seeds; of what convolutions give, before BN")
    inits = list(dict.fromkeys(growth["init"]))
    title = f"Before training: signals and gradients in {deepest} convolutions, and by depth"
    with composing(title, note, 14.0, 3.6 * len(inits) + 1.3) as figure:
        panels = figure.subplots(len(inits), 4, sharey="col", squeeze=False)
        for init, row in zip(inits, panels, strict=True):
            for (quantity, label), ax in zip(QUANTITIES.items(), row, strict=False):
                table = by_layer[quantity]
                lines(table[(table["init"] == init) & (table["depth"] == deepest)], "layer", ax)
                ax.set_ylabel(label)
                count_axis(ax, "Convolution (1 sees the image)", 6)
            growth_by_depth(growth[growth["init"] == init], row[3])
            row[0].set_title(INITS[init], loc="left", fontweight="bold")
        panels[-1, 3].legend(loc="best", fontsize=8)
    return figure


def lines(table: pd.DataFrame, along: str, ax: Axes) -> Axes:
    """Draw `median` with a band from `low` to `high` along a column, a line per arm, in logs."""
    words = arms_in_words(looks(table["arm"]))
    for arm, look in looks(table["arm"]).items():
        part = table[table["arm"] == arm]
        ax.plot(part[along], part["median"], color=look.colour, label=words[arm], linewidth=1.6)
        ax.fill_between(
            part[along], part["low"], part["high"], color=look.colour, alpha=0.2, linewidth=0
        )
    ax.set_yscale("log")
    return ax


def growth_by_depth(growth: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the second convolution's gradient over the last one's by depth, and where it is 1."""
    lines(growth.rename(columns={"ratio": "median"}), "depth", ax)
    theory = growth.drop_duplicates("depth")
    label = "wide layers with BN (Yang et al. 2019)"
    ax.plot(theory["depth"], theory["mean_field"], ":", color=NEUTRAL, label=label)
    ax.axhline(1.0, color="0.6", linewidth=0.8)
    ax.set_ylabel("Gradient, second over\nlast convolution")
    count_axis(ax, "Number of convolutions", 6)
    return ax


def tails_figure(entries: pd.DataFrame, growth: pd.DataFrame, caption: Caption) -> Figure:
    """Draw how the middle convolution's gradient entries are distributed, beside a normal one."""
    deepest = growth[growth["depth"] == growth["depth"].max()]
    layer = (int(deepest["depth"].iloc[0]) + 1) // 2
    title = f"Before training: entries of the gradient of convolution {layer}"
    inits = list(dict.fromkeys(entries["init"]))
    with composing(title, caption, 5.6 * len(inits), 4.4) as figure:
        panels = figure.subplots(1, len(inits), sharex=True, sharey=True, squeeze=False)[0]
        for init, ax in zip(inits, panels, strict=True):
            kurtosis = deepest[deepest["init"] == init].set_index("arm")["kurtosis"]
            tails(entries[entries["init"] == init], kurtosis.to_dict(), ax)
            ax.set_title(INITS[init], loc="left", fontweight="bold")
        panels[0].set_ylabel("Density")
    return figure


def tails(entries: pd.DataFrame, kurtosis: Mapping[str, float], ax: Axes) -> Axes:
    """Draw histograms (`low`, `high`, `density`) as steps, a line per arm, in logs."""
    words = arms_in_words(looks(entries["arm"]))
    for arm, look in looks(entries["arm"]).items():
        part = entries[entries["arm"] == arm]
        edges = [*part["low"], part["high"].iloc[-1]]
        label = f"{words[arm]}: kurtosis {kurtosis[arm]:.1f}"
        ax.stairs(part["density"], edges, color=look.colour, linewidth=1.6, label=label)
    normal = entries.drop_duplicates("low")
    middle = (normal["low"] + normal["high"]) / 2
    ax.plot(middle, normal["normal"], ":", color=NEUTRAL, label="normal: kurtosis 3")
    log_axis(ax)
    ax.set_ylim(bottom=float(entries.loc[entries["density"] > 0, "density"].min()) / 2)
    ax.set_xlabel("Entry (standard deviations)")
    ax.legend(fontsize=9)
    return ax
