"""Runs of the tiny study: whole, interrupted, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tiny import tiny_digits, tiny_study

from hindi_bn.records import Record, RunFolder
from hindi_bn.training.loop import EpochRow
from hindi_bn.training.run import Reporter, RunInterrupted, train_run

EPOCHS = 6
QUIET = Reporter()


def trained(
    out: Path, *, resume: bool = False, overwrite: bool = False, reporter: Reporter = QUIET,
    **changes: Any,
) -> Record:  # fmt: skip
    torch.set_num_threads(1)
    study = tiny_study(**({"epochs": EPOCHS} | changes))
    return train_run(
        study, "bn", tiny_digits(), out, resume=resume, overwrite=overwrite, reporter=reporter
    )


def interrupted(out: Path, after: int, **changes: Any) -> Path:
    """Start a run and press Ctrl-C after some epochs; return its folder."""

    def stop(row: EpochRow) -> None:
        if row.epoch + 1 == after:
            raise KeyboardInterrupt

    with pytest.raises(RunInterrupted, match=f"{after} of {EPOCHS} epochs"):
        trained(out, reporter=Reporter(epoch=stop), **changes)
    return out / "article" / "bn"


def assert_same(one: Path, other: Path) -> None:
    histories = [RunFolder(path).read_history().drop(columns="seconds") for path in (one, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    weights = [(path / "weights.safetensors").read_bytes() for path in (one, other)]
    assert weights[0] == weights[1]
