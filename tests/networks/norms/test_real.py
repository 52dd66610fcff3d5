"""Every normalisation layer trains on the real digits (docs/normalisation.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hindi_bn.digits import load
from hindi_bn.study.files import load_study
from hindi_bn.training.run import train_run


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", [run.name for run in load_study("norms").runs])
def test_an_epoch_ends_above_80_per_cent(name: str, real_data_dir: Path, tmp_path: Path) -> None:
    study = load_study("norms", {"device": "cpu", "threads": 1})
    record = train_run(study, name, load(real_data_dir), tmp_path)
    assert record.history["test_accuracy"].iloc[0] > 0.80
