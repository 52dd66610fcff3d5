"""Figures of runs: a file per kind, named as the kind; its first line is the help of the command.

A file has one function, `figures(records, image)`: it takes from the runs what it needs, refuses
what is not there, hands tables to `hindi_bn.figures`, and returns the figures by the names of their
files. Nothing else needs to be changed for a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hindi_bn import registry
from hindi_bn.errors import StudyError
from hindi_bn.records import Record

FOLDER = "plots"


@dataclass(frozen=True)
class Image:
    """The `index`-th test image of a digit, counted from 0, of the data in a folder."""

    data_dir: Path
    digit: int
    index: int


def write_plot(
    kind: str,
    records: Sequence[Record],
    folder: Path,
    image: Image,
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
) -> list[Path]:
    """Draw one kind of figure of runs, whose names differ, into a folder; return the files.

    Raises:
        StudyError: When there is no such kind, a run has not recorded what is to be drawn, or its
            network has no such layers.
        RunError: When a run is unfinished and its weights are needed, or was trained on other data
            than the image is from.
    """
    from hindi_bn.figures.style import save

    kinds = registry.names(FOLDER)
    if kind not in kinds:
        raise StudyError(
            f"There is no plot {kind!r}.",
            f"The kinds are: {', '.join(kinds)}.{registry.nearest(kind, kinds)}",
            "choose one of them",
        )
    figures = registry.find(FOLDER, kind).figures(records, image)
    return [
        path
        for name, figure in figures.items()
        for path in save(figure, folder / name, formats, dpi)
    ]
