"""What all figures share: theme, one look per arm, caption, logarithmic axes, and saving.

Figures are `matplotlib.figure.Figure` objects made without pyplot: no window is opened and no
figure stays registered anywhere. They draw tables that were computed elsewhere.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from hindi_bn.errors import HindiBnError
from hindi_bn.files import replacing

FORMATS = ("png", "svg", "pdf")

_NOTE, _NOTE_LINE = 0.36, 0.135  # inches kept free for the note, and of one of its lines
_NOTE_LETTERS = 15.0  # an inch

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


# Okabe and Ito's colour-blind-safe colours (jfly.uni-koeln.de/color, 2008), less the yellow, which
# is too faint for a line on white.
_LOOKS = (
    Look("#D55E00", "s"), Look("#0072B2", "o"), Look("#009E73", "^"), Look("#CC79A7", "D"),
    Look("#E69F00", "v"), Look("#56B4E9", "P"), Look("#000000", "X"),
)  # fmt: skip
_WITHOUT, _WITH = _LOOKS[:2]
_FIXED = {"no-bn": _WITHOUT, "none": _WITHOUT, "bn": _WITH, "batch": _WITH}


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Give each arm its look; names come in study order.

    `bn` or `batch` and `no-bn` or `none` always have the same; the others take the next one of a
    fixed order that is free. Colours come again after the seventh arm, then with another marker, so
    that no two of the first 49 arms look alike; after that all comes again.
    """
    names = list(dict.fromkeys(names))
    given: dict[str, Look] = {}
    for name in names:
        if name in _FIXED and _FIXED[name] not in given.values():
            given[name] = _FIXED[name]
    free = itertools.cycle(look for look in _all_looks() if look not in (_WITHOUT, _WITH))
    for name in names:
        if name not in given:
            given[name] = next(free)
    return {name: given[name] for name in names}


def _all_looks() -> Iterator[Look]:
    for turn, (place, look) in itertools.product(range(len(_LOOKS)), enumerate(_LOOKS)):
        yield Look(look.colour, _LOOKS[(place + turn) % len(_LOOKS)].marker)


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
    lines = math.ceil(len(str(caption)) / (_NOTE_LETTERS * (width - 0.3)))
    share = max(bottom, 0.12 + _NOTE_LINE * lines) / height
    with theme():
        layout = ConstrainedLayoutEngine(
            rect=(0.0, share, 1.0, 1.0 - share), w_pad=0.08, h_pad=0.08, hspace=row_gap
        )
        figure = Figure(figsize=(width, height), layout=layout)
        if title:
            figure.suptitle(title, fontweight="bold")
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
