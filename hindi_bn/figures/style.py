"""What all figures share: theme, one look per arm, caption, logarithmic axes, and saving.

Figures are `matplotlib.figure.Figure` objects made without pyplot: no window is opened and no
figure stays registered anywhere. They draw tables that were computed elsewhere.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from scipy.optimize import isotonic_regression

from hindi_bn.errors import HindiBnError
from hindi_bn.files import replacing
from hindi_bn.study.words import norm_of_arm

FORMATS = ("png", "svg", "pdf")

_NOTE, _NOTE_LINE = 0.36, 0.135  # inches kept free for the note, and of one of its lines
_NOTE_LETTERS = 15.0  # an inch
_TITLE_LETTERS = 8.6  # an inch
_TITLE_LINE = 0.3  # inches
_LABEL_INCHES = 0.15  # between labels at the ends of lines

# What a format would write about the moment and the software: left out, so equal input gives equal
# bytes.
_ANONYMOUS: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class Caption:
    """The note at the bottom of a figure: the data's name, and details such as n and seed."""

    data: str
    details: str = ""

    def plus(self, *details: str) -> Caption:
        """Return this caption with further details; empty ones are left out."""
        return Caption(self.data, " · ".join(filter(None, (self.details, *details))))

    def __str__(self) -> str:
        return f"Data: {self.data}" + (f" · {self.details}" if self.details else "")


class Look(NamedTuple):
    """How an arm is drawn: colour, and a marker for those who cannot tell the colours apart."""

    colour: str
    marker: str


# Okabe and Ito's colour-blind-safe colours (jfly.uni-koeln.de/color, 2008) and some of Tol's
# (sronpersonalpages.nl/~pault, 2021), without the yellow ones, which are too faint on white.
BY_NORM = {
    "none": Look("#D55E00", "s"), "batch": Look("#0072B2", "o"), "layer": Look("#009E73", "^"),
    "group": Look("#CC79A7", "D"), "instance": Look("#000000", "X"), "weight": Look("#6B4C00", "v"),
    "spectral": Look("#56B4E9", "P"), "batch-renorm": Look("#332288", "p"),
    "batch-by-hand": Look("#44AA99", "h"), "batch-noisy": Look("#882255", "*"),
    "batch-l1": Look("#117733", "<"), "batch-l2": Look("#AA4499", ">"),
    "batch-linf": Look("#661100", "d"),
}  # fmt: skip
"""Look of every arm with this norm, on all figures."""

WITHOUT, WITH = BY_NORM["none"].colour, BY_NORM["batch"].colour
NEUTRAL = "#4D4D4D"
"""Colour of what is no arm, such as a difference of two."""

_FREE = [look for name, look in BY_NORM.items() if name not in ("none", "batch")]
_LIGHTEST, _DARKEST = 0.5, 0.45  # parts of white and of black in shades of a colour


def looks(arms: Iterable[str]) -> dict[str, Look]:
    """Give each arm, or run, its look; they come in study order.

    One that names a norm has that norm's colour, several of one norm its shades, from dark to
    light. The others take the next free one of a fixed order, in which colours come again with
    other markers.
    """
    arms = list(dict.fromkeys(arms))
    by_norm: dict[str, list[str]] = {}
    for arm in arms:
        if (norm := norm_of_arm(arm)) in BY_NORM:
            by_norm.setdefault(str(norm), []).append(arm)
    given = {
        arm: look
        for norm, same in by_norm.items()
        for arm, look in zip(same, _shades(BY_NORM[norm], len(same)), strict=True)
    }
    taken = {BY_NORM[norm].colour for norm in by_norm}
    free = itertools.cycle(look for look in _all_free() if look.colour not in taken)
    return {arm: given.get(arm) or next(free) for arm in arms}


def _shades(look: Look, count: int) -> list[Look]:
    """Return so many shades of a look, each with a marker of its own."""
    if count == 1:
        return [look]
    markers = itertools.cycle(dict.fromkeys([look.marker, *"os^DvPX"]))
    return [
        Look(_mixed(look.colour, place), marker)
        for place, marker in zip(np.linspace(-_DARKEST, _LIGHTEST, count), markers, strict=False)
    ]


def _mixed(colour: str, part: float) -> str:
    """Mix a colour with so much white, or black where it is negative."""
    other = np.ones(3) if part > 0 else np.zeros(3)
    red, green, blue = abs(part) * other + (1 - abs(part)) * np.array(to_rgb(colour))
    return to_hex((red, green, blue))


def _all_free() -> Iterator[Look]:
    for turn, (place, look) in itertools.product(range(len(_FREE)), enumerate(_FREE)):
        yield Look(look.colour, _FREE[(place + turn) % len(_FREE)].marker)


class Part(NamedTuple):
    """A part of a figure, or all of it.

    Args:
        width, height: In inches.
        details: What the caption says of it.
        draw: Draws it into an empty figure or subfigure.
    """

    width: float
    height: float
    details: tuple[str, ...]
    draw: Callable[[Any], object]


def compose(title: str, caption: Caption, *parts: Part) -> Figure:
    """Compose parts below each other under one title; the caption gains what it says of each."""
    width = max(part.width for part in parts)
    heights = [part.height for part in parts]
    height = sum(heights) + _TITLE_LINE * (1 + title.count("\n"))
    caption = caption.plus(*dict.fromkeys(detail for part in parts for detail in part.details))
    with composing(title, caption, width, height) as figure:
        places: list[Any] = [figure]
        if len(parts) > 1:
            rows = figure.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)
            places = list(np.ravel(rows))
        for part, place in zip(parts, places, strict=True):
            part.draw(place)
    return figure


@contextlib.contextmanager
def theme() -> Iterator[None]:
    """Draw with the project's theme; matplotlib's settings are restored afterwards."""
    settings: Any = {
        **sns.plotting_context("notebook", font_scale=0.9),
        **sns.axes_style("whitegrid", {"grid.color": "0.9", "axes.edgecolor": "0.5"}),
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs everywhere
        "svg.hashsalt": "hindi-bn",
    }
    with mpl.rc_context(settings):
        yield


@contextlib.contextmanager
def composing(
    title: str,
    caption: Caption | None,
    width: float,
    height: float,
    *,
    bottom: float = _NOTE,
    row_gap: float = 0.02,
) -> Iterator[Figure]:
    """Give an empty figure with a title, in the theme, and write its caption at the bottom.

    Args:
        width, height, bottom: In inches; `bottom` is what stays free for the caption at least.
        row_gap: Space between rows of panels, a share of a panel's height.
    """
    letters = int(_TITLE_LETTERS * width)
    heading = "\n".join(textwrap.fill(line, letters) for line in title.split("\n"))
    height += _TITLE_LINE * (heading.count("\n") - title.count("\n"))
    lines = math.ceil(len(str(caption)) / (_NOTE_LETTERS * (width - 0.3)))
    share = max(bottom, 0.12 + _NOTE_LINE * lines) / height
    with theme():
        layout = ConstrainedLayoutEngine(
            rect=(0.0, share, 1.0, 1.0 - share), w_pad=0.08, h_pad=0.08, hspace=row_gap
        )
        figure = Figure(figsize=(width, height), layout=layout)
        if title:
            figure.suptitle(heading, fontweight="bold")
        yield figure
        if caption is not None:
            figure.text(
                0.1 / width, 0.09 / height, str(caption), fontsize=8, color="0.35", ha="left",
                va="bottom", wrap=True,
            )  # fmt: skip


def log_axis(ax: Axes, axis: str = "y") -> None:
    """Make an axis, `x` or `y`, logarithmic with plain numbers at 1, 2 and 5 of each decade."""
    ax.set(**{f"{axis}scale": "log"})
    line = ax.xaxis if axis == "x" else ax.yaxis
    line.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    line.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    line.set_minor_formatter(NullFormatter())


def label_ends(ax: Axes, labels: Sequence[tuple[float, str, str]], height: float) -> None:
    """Write labels right of a panel, each beside the end of its line, spread where they are close.

    `labels` are the last value on the y axis (its limits are final), text and colour of each line;
    `height` is that of the panel in inches, roughly.
    """
    lowest = ax.get_ylim()[0]  # there stand the labels of lines without a value
    labels = sorted((y if math.isfinite(y) else lowest, text, c) for y, text, c in labels)
    to_share = ax.transData + ax.transAxes.inverted()
    if not labels:
        return
    ends = [min(1.0, max(0.0, to_share.transform((0.0, value))[1])) for value, _, _ in labels]
    steps = np.arange(len(ends)) * _LABEL_INCHES / height
    nearest = isotonic_regression(np.array(ends) - steps).x  # in order, and a step apart
    places = np.clip(nearest, 0.0, max(0.0, 1.0 - steps[-1])) + steps
    for (_, text, colour), end, place in zip(labels, ends, places, strict=True):
        ax.annotate(
            text, (1.0, end), (1.05, place), "axes fraction", "axes fraction", fontsize=8,
            color=colour, va="center", annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkB": 0,
                "relpos": (0.0, 0.5),
            },
        )  # fmt: skip


def count_axis(ax: Axes, label: str = "Epoch (counted from 0)", ticks: int | None = None) -> None:
    """Label the x axis, with whole numbers at about so many ticks."""
    ax.set_xlabel(label)
    ax.xaxis.set_major_locator(
        MaxNLocator(ticks or "auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    )


def save(
    figure: Figure, path: Path, formats: Sequence[str] = ("png",), dpi: int = 150
) -> list[Path]:
    """Write the figure once per format, each in one step; equal figures give equal bytes.

    `path` is without a suffix; `dpi` are a PNG's dots per inch. HindiBnError when a format is
    unknown, `dpi` is not positive, or the file cannot be written.
    """
    _check(formats, dpi)
    written = []
    for suffix in formats:
        file = path.with_name(f"{path.name}.{suffix}")
        with theme(), replacing(file) as temporary:
            _settle(figure)
            figure.savefig(temporary, format=suffix, dpi=dpi, metadata=_ANONYMOUS[suffix])
        written.append(file)
    return written


def save_as(figure: Figure, file: Path) -> Path:
    """Write the figure to a file whose suffix names the format; errors as those of `format_of`."""
    return save(figure, file.with_suffix(""), (format_of(file),))[0]


def format_of(file: Path) -> str:
    """Return the format that a figure's file name asks for; HindiBnError when there is no such."""
    suffix = file.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise HindiBnError(
            f"Figures cannot be written as {file.name}.",
            f"The known formats are {', '.join(FORMATS)}.",
            f"give a name that ends in one of them, such as {file.stem}.png",
        )
    return suffix


def _settle(figure: Figure) -> None:
    """Lay the figure out once and round the panels' places.

    The layout's solver walks its variables in the order of their addresses, so that places differ
    in their last bits from call to call, and with them now and then a digit of an SVG or PDF.
    """
    if figure.axes and (engine := figure.get_layout_engine()):
        engine.execute(figure)
    figure.set_layout_engine("none")
    for ax in figure.axes:
        left, bottom, width, height = ax.get_position(original=True).bounds
        ax.set_position((round(left, 6), round(bottom, 6), round(width, 6), round(height, 6)))


def _check(formats: Sequence[str], dpi: int) -> None:
    unknown = [suffix for suffix in formats if suffix not in FORMATS]
    if unknown or not formats:
        raise HindiBnError(
            f"Figures cannot be written as {', '.join(unknown) or 'nothing at all'}.",
            f"The known formats are {', '.join(FORMATS)}.",
            "choose with --format, for instance --format png",
        )
    if dpi < 1:
        raise HindiBnError(
            f"Figures cannot be written with {dpi} dots per inch.",
            "The number must be at least 1.",
            "choose with --dpi, for instance --dpi 150",
        )
