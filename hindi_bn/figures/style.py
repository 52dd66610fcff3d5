"""What all figures share: theme, one look an arm, the note with the data's name, and saving.

Figures are `matplotlib.figure.Figure` objects made without pyplot: no window is opened and no
figure stays registered anywhere.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hindi_bn.errors import HindiBnError
from hindi_bn.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
NOTE_INCHES = 0.36  # height kept free at the bottom of a figure for the data note

# What a format would write about the moment and the software: left out, so equal input gives equal
# bytes.
_ANONYMOUS: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class Look(NamedTuple):
    """How an arm is drawn: colour, and a marker for those who cannot tell the colours apart."""

    colour: str
    marker: str


# Okabe and Ito's colour-blind-safe colours (jfly.uni-koeln.de/color, 2008), less the yellow, which
# is too faint for a line on white.
_LOOKS = (
    Look("#D55E00", "s"),
    Look("#0072B2", "o"),
    Look("#009E73", "^"),
    Look("#CC79A7", "D"),
    Look("#E69F00", "v"),
    Look("#56B4E9", "P"),
    Look("#000000", "X"),
)
_WITHOUT, _WITH = _LOOKS[:2]
_FIXED = {"no-bn": _WITHOUT, "none": _WITHOUT, "bn": _WITH, "batch": _WITH}


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Give each arm its look.

    Parameters
    ----------
    names
        The arms' names in study order.

    Returns
    -------
    A look for each name. `bn` or `batch` and `no-bn` or `none` always have the same; the others
    take the next one of a fixed order that is free. Colours come again after the seventh arm, then
    with another marker, so that no two of the first 49 arms look alike; after that all comes
    again.
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
    count = len(_LOOKS)
    for turn in range(count):
        for place, look in enumerate(_LOOKS):
            yield Look(look.colour, _LOOKS[(place + turn) % count].marker)


@contextlib.contextmanager
def theme() -> Iterator[None]:
    """Draw with the project's theme; matplotlib's settings are restored afterwards."""
    import matplotlib as mpl
    import seaborn as sns

    settings: Any = {
        **sns.plotting_context("notebook", font_scale=0.9),
        **sns.axes_style("whitegrid", {"grid.color": "0.9", "axes.edgecolor": "0.5"}),
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs everywhere
        "svg.hashsalt": "hindi-bn",
    }
    with mpl.rc_context(settings):
        yield


def new_figure(
    width: float, height: float, bottom: float = NOTE_INCHES, row_gap: float = 0.02
) -> Figure:
    """Make an empty figure, sizes in inches, that leaves `bottom` free for the data note.

    `row_gap` is the space between rows of panels, a share of a panel's height.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    share = bottom / height
    layout = ConstrainedLayoutEngine(
        rect=(0.0, share, 1.0, 1.0 - share), w_pad=0.08, h_pad=0.08, hspace=row_gap
    )
    return Figure(figsize=(width, height), layout=layout)


def data_note(figure: Figure, data_title: str, details: str = "") -> None:
    """Write the data's name, and details such as n and seed, at the bottom of the figure."""
    text = f"Data: {data_title}" + (f" · {details}" if details else "")
    height = float(figure.get_figheight())
    width = float(figure.get_figwidth())
    figure.text(
        0.1 / width,
        0.09 / height,
        text,
        fontsize=8,
        color="0.35",
        ha="left",
        va="bottom",
        wrap=True,
    )


def save(
    figure: Figure, path: Path, formats: Sequence[str] = ("png",), dpi: int = 150
) -> list[Path]:
    """Write the figure once a format, each in one step; equal figures give equal bytes.

    Parameters
    ----------
    figure
        What to write.
    path
        Where to, without a suffix.
    formats
        Some of `FORMATS`.
    dpi
        Dots an inch of a PNG.

    Returns
    -------
    The files written, in the order of `formats`.

    Raises
    ------
    HindiBnError
        When a format is unknown, `dpi` is not positive, or the file cannot be written.
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


def _settle(figure: Figure) -> None:
    """Lay the figure out once and round the panels' places.

    The layout's solver walks its variables in the order of their addresses, so that places differ
    in their last bits from call to call, and with them now and then a digit of an SVG or PDF.
    """
    figure.draw_without_rendering()
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
            f"Figures cannot be written with {dpi} dots an inch.",
            "The number must be at least 1.",
            "choose with --dpi, for instance --dpi 150",
        )
