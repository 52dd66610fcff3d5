"""The recording of a run's path: every parameter as it was, and no trace in the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_digits, tiny_study
from tiny_recordings import trained
from torch.nn.utils import parameters_to_vector

from hindi_bn.errors import RunError
from hindi_bn.records import RunFolder
from hindi_bn.records.path import read_path
from hindi_bn.training.run import Reporter, RunInterrupted, initial_network, load_network, train_run

PATH = [{"kind": "path", "every": 2}]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("numerics", ["exact", "fast", "engine"])
def test_the_path_leads_from_the_first_weights_to_the_last(tmp_path: Path, numerics: str) -> None:
    """Two epochs of three steps: points after the steps 2, 4 and 6, and the start."""
    record = trained(tmp_path, recordings=PATH, numerics=numerics)
    path = read_path(RunFolder(record.folder))
    assert (path.epoch.tolist(), path.step.tolist()) == ([-1, 0, 1, 1], [0, 2, 4, 6])
    assert torch.equal(path.weights[0], parameters_to_vector(initial_network(record).parameters()))
    last = load_network(record)
    assert torch.equal(path.weights[-1], parameters_to_vector(last.parameters()))
    averages = [b.flatten() for name, b in last.named_buffers() if "running" in name]
    assert torch.equal(path.buffers[-1], torch.cat(averages))
    plain = trained(tmp_path / "plain", recordings=[], numerics=numerics)
    files = [each.folder / "weights.safetensors" for each in (record, plain)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not (record.folder / "captures.csv").exists()


def test_an_epoch_without_a_point_is_no_loss(tmp_path: Path) -> None:
    """Two epochs of three steps, of which the second alone has a fifth one."""
    record = trained(tmp_path, recordings=[{"kind": "path", "every": 5}])
    assert read_path(RunFolder(record.folder)).step.tolist() == [0, 5]


def test_a_network_without_running_averages_has_weights_alone(tmp_path: Path) -> None:
    record = trained(tmp_path, "no-bn", recordings=[{"kind": "path"}, "weights"])
    path = read_path(RunFolder(record.folder))
    assert path.step.tolist() == [0, 3, 6]
    assert path.buffers.shape == (3, 0)
    assert (record.folder / "captures.csv").exists()  # of the other recording


def interrupted(out: Path, study: Any) -> None:
    def stop(row: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(RunInterrupted):
        train_run(study, "bn", tiny_digits(), out, reporter=Reporter(epoch=stop))


def test_a_resumed_run_has_the_same_path_or_says_what_is_lost(tmp_path: Path) -> None:
    study = tiny_study(recordings=PATH, stream="paired")
    interrupted(tmp_path / "stopped", study)
    resumed = train_run(study, "bn", tiny_digits(), tmp_path / "stopped", resume=True)
    whole = train_run(study, "bn", tiny_digits(), tmp_path / "whole")
    for file in ("epoch-0.safetensors", "epoch-1.safetensors"):
        each = [(record.folder / "path" / file).read_bytes() for record in (resumed, whole)]
        assert each[0] == each[1]
    interrupted(tmp_path / "lost", study)
    lost = tmp_path / "lost" / "article" / "bn" / "path" / "epoch-0.safetensors"
    lost.unlink()
    with pytest.raises(RunError, match="epoch-0"):
        train_run(study, "bn", tiny_digits(), tmp_path / "lost", resume=True)


def test_a_run_without_a_path_says_how_to_record_one(tmp_path: Path) -> None:
    record = trained(tmp_path, recordings=[], epochs=1)
    with pytest.raises(RunError, match="kind: path, every: 50"):
        read_path(RunFolder(record.folder))
