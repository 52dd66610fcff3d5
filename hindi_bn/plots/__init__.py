"""Figures of runs: a file per kind, named as the kind; its first line is the help of the command.

A file has one function, `figures(records, choice)`: it takes from the runs what it needs, refuses
what is not there, hands tables to `hindi_bn.figures`, and returns the figures by the names of their
files. Nothing else needs to be changed for a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hindi_bn import registry
from hindi_bn.records import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Figures = dict[str, "Figure"]
"""Figures by the names of their files."""


@dataclass(frozen=True)
class Choice:
    """What is shown of the runs, where a kind asks: one image, one channel of each layer.

    The image is the `index`-th test image of a digit of the data in a folder; all count from 0.
    """

    data_dir: Path
    digit: int
    index: int
    channel: int = 0


def write_plot(
    kind: str, records: Sequence[Record], folder: Path, choice: Choice,
    formats: Sequence[str] = ("png",), dpi: int = 150,
) -> list[Path]:  # fmt: skip
    """Draw one kind of figure of runs, whose names differ, into a folder; return the files.

    StudyError for an unknown kind, what was not recorded, and layers that a network lacks; RunError
    where a run is unfinished and its weights are needed, or was trained on other data.
    """
    from hindi_bn.figures.style import save

    written = []
    plot = registry.find_known("plots", kind, "plot")
    for name, figure in plot.figures(records, choice).items():
        written += save(figure, folder / name, formats, dpi)
    return written
