"""Many weights at once and the losses of all steps: against single recordings and the history."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import tiny_digits, tiny_study

from hindi_bn.errors import StudyError
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import read_recordings
from hindi_bn.training.run import Reporter, RunInterrupted, train_run

BOTH: list[Any] = ["losses", {"kind": "weights", "count": 20}]


def trained(out: Path, name: str = "bn", recordings: Any = BOTH, resume: bool = False) -> Record:
    study = tiny_study(recordings=recordings, stream="paired")
    return train_run(study, name, tiny_digits(), out, resume=resume)


def captured(record: Record, name: str) -> pd.DataFrame:
    frame = read_recordings(RunFolder(record.folder))
    return frame[frame["name"] == name]


def test_there_is_a_loss_a_step_and_their_mean_is_the_epochs(tmp_path: Path) -> None:
    record = trained(tmp_path)
    losses = captured(record, "losses")
    assert losses["step"].tolist() == [1, 2, 3, 4, 5, 6]  # 70 images are three batches of 32
    assert losses["epoch"].tolist() == [0, 0, 0, 1, 1, 1]
    assert losses["quantity"].unique().tolist() == ["loss"]
    means = losses.groupby("epoch")["value"].mean()
    assert means.tolist() == pytest.approx(record.history["train_loss"].tolist(), rel=1e-12)


def test_sampled_weights_are_the_single_weights_at_their_places(tmp_path: Path) -> None:
    sampled = captured(trained(tmp_path / "a"), "weights")
    places = sampled["index"].unique()
    assert len(places) == 20
    chosen = [places[0], places[7], places[19]]
    single: list[Any] = [
        {"kind": "weight", "name": f"w{n}", "layer": "last-conv", "index": [*map(int, p.split())]}
        for n, p in enumerate(chosen)
    ]
    record = trained(tmp_path / "b", recordings=single)
    for n, place in enumerate(chosen):
        expected = captured(record, f"w{n}")
        found = sampled[sampled["index"] == place]
        np.testing.assert_array_equal(found["value"], expected["value"])
        assert found["layer"].tolist() == expected["layer"].tolist()
        assert found["step"].tolist() == [0, 3, 6]


def test_the_places_are_the_same_in_both_arms_and_others_for_another_seed(tmp_path: Path) -> None:
    with_bn = captured(trained(tmp_path), "weights")["index"]
    without = captured(trained(tmp_path, "no-bn"), "weights")["index"]
    assert with_bn.tolist() == without.tolist()
    other = trained(tmp_path / "b", recordings=[{"kind": "weights", "count": 20, "seed": 1}])
    assert set(captured(other, "weights")["index"]) != set(with_bn)


def test_a_small_layer_gives_all_its_weights_once(tmp_path: Path) -> None:
    record = trained(tmp_path, recordings=[{"kind": "weights", "layer": "0", "count": 10_000}])
    first = captured(record, "weights").query("step == 0")
    assert len(first) == first["index"].nunique() == 16 * 1 * 3 * 3


def test_both_leave_no_trace_and_survive_a_stop(tmp_path: Path) -> None:
    plain, whole = trained(tmp_path / "plain", recordings=[]), trained(tmp_path / "whole")
    columns = [c for c in plain.history.columns if c != "seconds"]
    pd.testing.assert_frame_equal(plain.history[columns], whole.history[columns])

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    study = tiny_study(recordings=BOTH, stream="paired")
    with contextlib.suppress(RunInterrupted):
        train_run(study, "bn", tiny_digits(), tmp_path, reporter=Reporter(epoch=stop))
    resumed = trained(tmp_path, resume=True)
    written = (resumed.folder / "captures.csv").read_bytes()
    assert written == (whole.folder / "captures.csv").read_bytes()


def test_a_layer_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"set recordings\.weights\.layer"):
        trained(tmp_path, recordings=[{"kind": "weights", "layer": "nowhere"}])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
