"""The recordings of a run's folder: what was recorded while it trained, as tidy columns.

A finished run has `captures.csv`. While it trains, each finished epoch has a file of its own in
`checkpoint/`, written before the checkpoint that counts the epoch: after a kill and a resume the
joined file is the same. Nothing grows in memory, and no file is written more than once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hindi_bn.files import refused, replacing, write_text
from hindi_bn.records import RunFolder
from hindi_bn.records.folder import ANEW

if TYPE_CHECKING:
    import pandas as pd


Row = tuple[str, str, str, str, int, int, float]
"""A recorded value, in the order of `COLUMNS`."""

COLUMNS = ("name", "quantity", "layer", "index", "epoch", "step", "value")
"""Columns of captures.csv; docs/recordings.md says what each holds."""

_HEAD = ",".join(COLUMNS)


def write_epoch(folder: RunFolder, epoch: int, rows: Iterable[Row]) -> Path:
    """Write what was recorded in an epoch, in one step; return the file.

    HindiBnError when it cannot be written.
    """
    lines = [_HEAD, *(",".join([*row[:4], *map(repr, row[4:])]) for row in rows)]
    write_text(file := _epoch_file(folder, epoch), "\n".join(lines) + "\n")
    return file


def check_epochs(folder: RunFolder, epochs: int) -> None:
    """Refuse a run whose first `epochs` epochs have lost their recordings, with a RunError."""
    for epoch in range(epochs):
        file = _epoch_file(folder, epoch)
        with _mended(file), file.open(encoding="utf-8") as lines:
            if next(lines, "").rstrip("\n") != _HEAD:
                raise ValueError(f"its first line is not {_HEAD}")


def join_epochs(folder: RunFolder, epochs: int) -> None:
    """Write `captures.csv` from the files of all `epochs` epochs; RunError when one is missing."""
    check_epochs(folder, epochs)
    with replacing(folder.path / "captures.csv") as temporary, temporary.open("w") as joined:
        joined.write(_HEAD + "\n")
        for epoch in range(epochs):
            with _epoch_file(folder, epoch).open(encoding="utf-8") as lines:
                next(lines)
                joined.writelines(lines)


def read_recordings(folder: RunFolder) -> pd.DataFrame:
    """Read a run's recordings, those of its finished epochs if it is unfinished.

    Gives `COLUMNS`, a row per value: `epoch` and `step` int64, `value` float64, the others text.
    Empty when nothing was recorded; RunError when a file is damaged.
    """
    import pandas as pd

    whole = folder.path / "captures.csv"
    if folder.finished:
        files = [whole] if whole.exists() or folder.lists(whole) else []
        folder.check(*files)
    else:
        epochs = len(folder.read_checkpoint().rows) if folder.checkpoint_folder.is_dir() else 0
        files = [_epoch_file(folder, epoch) for epoch in range(epochs)]
    frames = [_read(file) for file in files]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def _read(file: Path) -> pd.DataFrame:
    import pandas as pd

    with _mended(file):
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)  # as text: exact floats
        if tuple(frame.columns) != COLUMNS:
            raise ValueError(f"its columns are {', '.join(map(str, frame.columns))}")
        return frame.astype({"epoch": "int64", "step": "int64", "value": "float64"})


def _epoch_file(folder: RunFolder, epoch: int) -> Path:
    return folder.checkpoint_folder / f"captures-{epoch}.csv"


def _mended(file: Path) -> contextlib.AbstractContextManager[None]:
    return refused(f"{file} cannot be read.", f"correct it, or {ANEW}")
