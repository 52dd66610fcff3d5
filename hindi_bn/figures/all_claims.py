"""The forest plot of all claims: how far inside its region each one's decisive effect lies."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from hindi_bn.figures.claims import REGION, VERDICTS
from hindi_bn.figures.over_seeds import label_size, number, wrapped
from hindi_bn.figures.style import Caption, Part, compose

_ROW, _PANEL = 0.3, 4.6  # inches of a row, and of the panel's width
_EFFECT, _N, _TEXT_INCHES = 6, 186, 3.7  # points from the panel to its two columns, and their room
_LEGEND_INCHES = 10.6
_LABEL_LETTERS = 62  # in a line of a claim's title
_FARTHEST = 300.0  # margins that the axis shows at most
_NOTE = (
    "each claim's decisive test, lines: interval at the level of its verdict (none below n = 4). "
    "The axis is linear up to one margin and logarithmic beyond; a margin is the end of the test's "
    "region, or its smallest effect of interest where that end is 0, or else 1 of its unit"
)


def all_claims(claims: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a row per claim, in margins from the end of its region: right of 0 it holds.

    `claims` has, in order from the top, `label`, `estimate`, `low`, `high`, `width` (of the region,
    infinite for no other end), in margins; `effect` and `n`, texts at the right; `verdict` (one of
    `VERDICTS`) and `confirmed`: whether by confirmatory runs, else the mark is hollow.
    """
    reach = _reach(claims)
    ax.set_xscale("symlog", linthresh=1.0, linscale=0.8)
    ax.set_xlim(-reach, reach)
    ax.axvline(0.0, color="0.25", linewidth=1.2, zorder=2)
    for row, claim in enumerate(claims.to_dict("records")):
        ax.fill_betweenx(
            [row - 0.5, row + 0.5], 0.0, min(claim["width"], reach), color=REGION, alpha=0.13,
            linewidth=0, zorder=0,
        )  # fmt: skip
        _effect(ax, row, claim, reach)
    ax.set_yticks(range(len(claims)), list(claims["label"]), fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(claims) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ticks = [10.0**power for power in range(3) if 10.0**power < reach]
    ax.xaxis.set_major_locator(FixedLocator([-tick for tick in ticks] + [0.0, *ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: f"{x:+g}".replace("-", "−") if x else "0")
    )
    ax.set_xlabel("← does not hold      margins from the end of the region      holds →")
    return ax


def all_claims_figure(claims: pd.DataFrame, caption: Caption) -> Figure:
    """Compose `all_claims` with a legend; the title counts the verdicts."""
    claims = claims.assign(label=[_in_two(label) for label in claims["label"]])
    wide, _ = label_size(list(claims["label"]))
    width = max(_PANEL + _TEXT_INCHES + 0.87 * wide, _LEGEND_INCHES)

    def draw(figure: Any) -> None:
        all_claims(claims, figure.add_subplot()).legend(
            handles=_handles(claims), loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=7,
            frameon=False, fontsize=9, columnspacing=1.4,
        )  # fmt: skip

    return compose(_title(claims), caption, Part(width, _ROW * len(claims) + 1.8, (_NOTE,), draw))


def _in_two(label: str) -> str:
    """Break a long label into two lines of about one length."""
    return wrapped(label, _LABEL_LETTERS if len(label) <= _LABEL_LETTERS else len(label) // 2 + 8)


def _effect(ax: Axes, row: int, claim: dict[Any, Any], reach: float) -> None:
    look = VERDICTS[claim["verdict"]]
    ends = np.clip([claim["low"], claim["high"]], -reach, reach)
    ax.plot(ends, [row, row], color=look.colour, linewidth=1.8, zorder=3)
    ax.plot(
        np.clip([claim["estimate"]], -reach, reach), [row], color=look.colour, marker=look.marker,
        markersize=6.5, markerfacecolor=look.colour if claim["confirmed"] else "white",
        markeredgewidth=1.6, zorder=4,
    )  # fmt: skip
    for at, text in ((_EFFECT, claim["effect"]), (_N, claim["n"])):
        ax.annotate(
            text, (1.0, row), (at, 0), ax.get_yaxis_transform(), "offset points", va="center",
            fontsize=8.5, color="0.2", annotation_clip=False,
        )  # fmt: skip


def effect_in_words(mean: float, low: float, high: float, unit: str) -> str:
    """Write an effect with its interval, if it has one, in its own unit."""
    if not np.isfinite(mean):
        return "no estimate"
    text, *ends = (number(value, 3, "+") for value in (mean, low, high))
    return f"{text} {f'[{ends[0]}, {ends[1]}] ' if np.isfinite([low, high]).all() else ''}{unit}"


def _reach(claims: pd.DataFrame) -> float:
    """Return how many margins the axis shows on either side: all estimates and intervals."""
    values = np.abs(claims[["estimate", "low", "high"]].to_numpy(dtype=float))
    return float(min(_FARTHEST, 1.4 * max(values[np.isfinite(values)].max(initial=0.0), 2.0)))


def _title(claims: pd.DataFrame) -> str:
    """Count the verdicts, those of pilots apart."""
    names = {"pilot": "without a verdict yet"}
    found = []
    for confirmed, first in ((True, ""), (False, "pilots (hollow): ")):
        counts = claims.loc[claims["confirmed"] == confirmed, "verdict"].value_counts()
        words = [f"{counts[v]} {names.get(v, v)}" for v in VERDICTS if v in counts]
        found += [first + ", ".join(words)] if words else []
    return f"{len(claims)} claims about batch norm: {'; '.join(found)}"


def _handles(claims: pd.DataFrame) -> list[Artist]:
    names = {"pilot": "too few seeds"}
    handles: list[Artist] = [
        Line2D([], [], color=look.colour, marker=look.marker, label=names.get(verdict, verdict))
        for verdict, look in VERDICTS.items() if verdict in set(claims["verdict"])
    ]  # fmt: skip
    if not claims["confirmed"].all():
        handles.append(
            Line2D([], [], color="0.3", marker="o", markerfacecolor="white",
                   label="hollow: pilot runs")
        )  # fmt: skip
    return [*handles, Patch(color=REGION, alpha=0.2, linewidth=0, label="the claim holds here")]
