"""The loss and its gradient along the gradient, as bands over training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hindi_bn.figures.style import Caption, Look, composing, count_axis, log_axis, looks
from hindi_bn.study.words import arms_in_words

_PANELS = {
    "loss": ("loss", "Loss (nats)"),
    "change": ("change_high", "Change of the gradient (L2)"),
    "smoothness": ("smoothness", "Effective beta-smoothness"),
}
"""By the name of its band: the column of a panel's line, and its title."""


def along_gradient_figure(
    medians: pd.DataFrame, lengths: dict[str, str], caption: Caption
) -> Figure:
    """Compose `hindi_bn.landscape.gradient.bands_over_seeds`: a row per scale, a band per arm.

    `lengths` says of each scale, in the order of the rows, over which steps its bands go.
    """
    arms = looks(medians["arm"])
    words = arms_in_words(arms)
    fewest, most = int(medians["n"].min()), int(medians["n"].max())
    caption = caption.plus(
        f"n = {fewest}{f' to {most}' * (most > fewest)} an arm, medians over seeds",
        "lines: loss before the step, largest change of the gradient, smoothness",
        "bands: loss after the step and change over its lengths, smoothness over seeds",
        "×: infinite, or not a number" if np.isinf(medians["smoothness"]).any() else "",
    )
    title = "Along the gradient of the step's own batch, as the network trains"
    with composing(title, caption, 12.0, 3.1 * len(lengths) + 1.3) as figure:
        panels = figure.subplots(len(lengths), len(_PANELS), sharex=True, squeeze=False)
        for (scale, text), row in zip(lengths.items(), panels, strict=True):
            for what, ax in zip(_PANELS, row, strict=True):
                for arm, look in arms.items():
                    here = (medians["arm"] == arm) & (medians["scale"] == scale)
                    band_line(medians[here], what, look, words[arm], ax)
                log_axis(ax)
                ax.set_title(_PANELS[what][1], fontsize=10)
            row[0].set_ylabel(text)
        for ax in panels[-1]:
            count_axis(ax, "Step", 5)
        figure.legend(
            *panels[0][0].get_legend_handles_labels(), loc="outside right upper", frameon=False
        )
    return figure


def band_line(rows: pd.DataFrame, what: str, look: Look, label: str, ax: Axes) -> Axes:
    """Draw a quantity of one arm and scale over the steps; crosses where it is not finite."""
    low, high = (rows[f"{what}_{end}"].to_numpy(float) for end in ("low", "high"))
    there = np.isfinite(low) & np.isfinite(high)
    steps = rows["step"].to_numpy(float)
    ax.fill_between(steps, low, high, where=there, color=look.colour, alpha=0.3, linewidth=0)
    line = np.where(there, rows[_PANELS[what][0]], np.nan)
    ax.plot(steps, line, color=look.colour, linewidth=1.2, label=label)
    top = np.full(int((~there).sum()), 0.98)
    ax.plot(
        steps[~there], top, "x", color=look.colour, transform=ax.get_xaxis_transform(), markersize=5
    )
    return ax
