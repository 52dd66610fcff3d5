"""A specification curve: a claim's effect under every analysis, and the choices below it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hindi_bn.figures.claims import REGION, VERDICTS
from hindi_bn.figures.over_seeds import wrapped
from hindi_bn.figures.style import Caption, composing

_WIDTH, _CURVE, _ROW = 10.0, 3.6, 0.21  # inches; of the figure, the curve, a row of choices
_MANY = 40  # specifications above which marks are small
_REACH = 1.0  # spans of the estimates that an interval may show on either side
_TITLE_LETTERS, _LABEL_LETTERS = 90, 44


def multiverse_figure(
    rows: pd.DataFrame,
    choices: Sequence[str],
    label: str,
    region: tuple[float | None, float | None],
    caption: Caption,
    title: str,
) -> Figure:
    """Compose the curve of a claim's specifications above the marks of their choices.

    Args:
        rows: A row per specification: the columns `choices`, `effect`, `low` and `high` (infinite
            for an open end, NaN for no estimate) and `verdict` (one of `VERDICTS`).
        label: Of the effect, with its unit.
        region: Where the claim holds: above, below; None for no end.
    """
    rows = rows.sort_values(["effect", *choices], kind="stable").reset_index(drop=True)
    marks = [
        (choice, option)
        for choice in choices if len(set(rows[choice])) > 1
        for option in dict.fromkeys(sorted(rows[choice], key=_order))
    ]  # fmt: skip
    lines = wrapped(title, _TITLE_LETTERS)
    height = _CURVE + _ROW * max(1, len(marks)) + 1.4 + 0.2 * lines.count("\n")
    caption = caption.plus(
        f"{len(rows)} specifications, sorted by effect",
        "lines: intervals at the level of each correction, cut off where they leave the axis",
    )
    with composing(lines, caption, _WIDTH, height) as figure:
        ratios = [_CURVE, _ROW * max(1, len(marks))]
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
        curve(rows, region, above)
        above.set_ylabel(wrapped(label, _LABEL_LETTERS), fontsize=9)
        choice_marks(rows, marks, below)
        below.set_xlim(-1, len(rows))
    return figure


def curve(rows: pd.DataFrame, region: tuple[float | None, float | None], ax: Axes) -> Axes:
    """Draw each specification's effect with its interval, coloured by the claim's verdict."""
    low, high = _limits(rows, region)
    ends = (low if region[0] is None else region[0], high if region[1] is None else region[1])
    ax.axhspan(*ends, color=REGION, alpha=0.18, linewidth=0, zorder=0)
    ax.axhline(0.0, color="0.3", linewidth=1.0, linestyle="--", zorder=1)
    size = 3.0 if len(rows) > _MANY else 6.0
    for verdict, part in rows.groupby("verdict", sort=False):
        look = VERDICTS[str(verdict)]
        bounds = part["low"].clip(lower=low), part["high"].clip(upper=high)
        ax.vlines(part.index, *bounds, color=look.colour, linewidth=size / 3, alpha=0.55)
        ax.plot(
            part.index, part["effect"], color=look.colour, marker=look.marker, markersize=size,
            linestyle="none", zorder=4,
        )  # fmt: skip
    ax.set_ylim(low, high)
    ax.grid(False, axis="x")
    ax.tick_params(axis="x", bottom=False, labelbottom=False)
    _legend(ax, rows)
    return ax


def choice_marks(rows: pd.DataFrame, marks: Sequence[tuple[str, str]], ax: Axes) -> Axes:
    """Mark which choice each specification made, a row per choice; a line between the kinds."""
    size = 2.5 if len(rows) > _MANY else 5.0
    for place, (choice, option) in enumerate(marks):
        where = rows.index[rows[choice] == option]
        ax.plot(where, [place] * len(where), "|", color="0.2", markersize=2 * size, mew=size / 2)
        if place and marks[place - 1][0] != choice:
            ax.axhline(place - 0.5, color="0.7", linewidth=0.8)
    names = [f"{choice}: {option}" for choice, option in marks]
    ax.set_yticks(range(len(marks)), names, fontsize=8.5)
    ax.set_ylim(max(1, len(marks)) - 0.5, -0.5)
    ax.grid(False)
    ax.tick_params(axis="x", bottom=False, labelbottom=False)
    ax.set_xlabel("Specifications")
    return ax


def _order(option: str) -> tuple[int, str]:
    """Order choices: the plain ones before those that change something."""
    plain = ("none", "t", "last epoch", "as the rule", "as 10 %", "all")
    return plain.index(option) if option in plain else len(plain), option


def _limits(rows: pd.DataFrame, region: tuple[float | None, float | None]) -> tuple[float, float]:
    """Return the ends of the axis: effects, finite ends of the region, zero, and most intervals."""
    known = [*rows["effect"], *(end for end in region if end is not None), 0.0]
    values = np.array(known, dtype=float)
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    reach = _REACH * (high - low) or 1.0
    lows, highs = (rows[name].replace([np.inf, -np.inf], np.nan) for name in ("low", "high"))
    low = max(low - reach, min(low, float(np.nan_to_num(lows.min(), nan=low))))
    high = min(high + reach, max(high, float(np.nan_to_num(highs.max(), nan=high))))
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def _legend(ax: Axes, rows: pd.DataFrame) -> None:
    counts = rows["verdict"].value_counts()
    handles: list[Artist] = [
        Line2D([], [], color=look.colour, marker=look.marker, label=f"{verdict}: {counts[verdict]}")
        for verdict, look in VERDICTS.items() if verdict in counts
    ]  # fmt: skip
    handles.append(Patch(color=REGION, alpha=0.3, linewidth=0, label="the claim holds here"))
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(handles),
        frameon=False, fontsize=8.5, columnspacing=1.0, handlelength=1.6,
    )  # fmt: skip
