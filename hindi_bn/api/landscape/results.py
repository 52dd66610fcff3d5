"""How a result of the landscape is written: a tidy table, its settings, its figure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn import environment
from hindi_bn.errors import HindiBnError
from hindi_bn.files import plain_json, write_json, write_text
from hindi_bn.records import Record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def results_of(records: Sequence[Record], to: str | os.PathLike[str] | None) -> Path:
    """Return where results go: `to`, or `landscape` beside the first run's folder."""
    return Path(to) if to is not None else records[0].folder.parent / "landscape"


def described(records: Sequence[Record], device: str = "cpu") -> dict[str, Any]:
    """Return what a document says of the runs that it is about, and of the machine."""
    runs = [
        {"name": each.name, "study": each.study.name, "run": each.run.name,
         "seed": each.study.seed, "data": each.data_title}
        for each in records
    ]  # fmt: skip
    return {"runs": runs, "environment": environment.describe(device)}


def check_name(name: str) -> None:
    """Refuse a name that no file can have, with a HindiBnError."""
    if {*name} & {*'/\\:*?"<>|'} or name[:1] in ".-" or not name.isprintable():
        raise HindiBnError(f"A result cannot be called {name!r}.", "Files are named by it.")


def write_result(
    folder: Path, name: str, table: pd.DataFrame, document: Mapping[str, Any],
    figures: Mapping[str, Figure], formats: Sequence[str] = ("png",), dpi: int = 150,
) -> list[Path]:  # fmt: skip
    """Write NAME.csv (full precision), NAME.json and the figures by their names; return the files.

    HindiBnError when a name cannot be a file's, a format is unknown or the folder not writable.
    """
    from hindi_bn.figures.style import save

    check_name(name)
    write_text(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    write_json(folder / f"{name}.json", plain_json(document))
    written = [folder / f"{name}.csv", folder / f"{name}.json"]
    for called, figure in figures.items():
        written += save(figure, folder / called, formats, dpi)
    return written
