"""Runs of the tiny study that record everything, and what they recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from tiny import tiny_digits, tiny_study

from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import read_recordings
from hindi_bn.training.run import train_run

EVERYTHING: list[Any] = [
    {"kind": "gradients", "every": 1},
    {"kind": "statistics", "every": 2},
    {"kind": "activations", "per_class": 2},
    {"kind": "activations", "per_class": 3, "mode": "train", "name": "in-train", "every": 2},
    {"kind": "weight", "name": "a", "layer": "last-conv", "index": [3, 4, 1, 0], "every": 1},
    {"kind": "weight", "name": "b", "layer": "0", "index": [2, 0, 0, 2]},
]


def trained(out: Path, name: str = "bn", recordings: Any = EVERYTHING, **changes: Any) -> Record:
    resume = changes.pop("resume", False)
    changes = {"stream": "paired"} | changes
    study = tiny_study(recordings=recordings, **changes)
    return train_run(study, name, tiny_digits(), out, resume=resume)


def captured(record: Record) -> pd.DataFrame:
    return read_recordings(RunFolder(record.folder))
