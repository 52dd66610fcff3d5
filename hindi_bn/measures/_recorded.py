"""What measures of a run's recordings share."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hindi_bn.errors import RunError
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import read_captures


def rows_of(record: Record, kind: type[Any], name: str) -> pd.DataFrame:
    """Return the rows of captures.csv of a run's first capture of a kind, in the order of steps."""
    capture = next((c for c in record.run.captures if isinstance(c, kind)), None)
    if capture is None:
        raise RunError(
            f"{record.folder} has not recorded {name}.",
            f"Its study has no capture of the kind {name!r}.",
            f"train it with a study that has captures: [{name}] (docs/captures.md)",
        )
    frame = read_captures(RunFolder(record.folder))
    rows: pd.DataFrame = frame[frame["name"] == capture.name].reset_index(drop=True)
    return rows
