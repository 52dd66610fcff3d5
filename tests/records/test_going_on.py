"""What a run goes on from, and what stops it: settings, old tensors, other processes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import EPOCHS, interrupted, trained

from hindi_bn.errors import RunError
from hindi_bn.networks import build
from hindi_bn.records import Record, RunFolder
from hindi_bn.training.checkpoint import restore, snapshot
from hindi_bn.training.loop import EpochRow
from hindi_bn.training.run import Reporter, RunInterrupted


def weights(record: Record) -> bytes:
    return (record.folder / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("finished", [False, True])
def test_what_the_runs_before_drew_counts_in_a_continued_study(
    tmp_path: Path, finished: bool
) -> None:
    """`bn` begins where the article's `no-bn` left the stream: after its weights and epochs."""
    whole = trained(tmp_path / "whole")
    if not finished:
        interrupted(tmp_path / "parts", 1)
    out = tmp_path / ("whole" if finished else "parts")
    with pytest.raises(RunError, match=r"before was .*'epochs': 6.*, now .*'epochs': 4"):
        trained(out, resume=True, **{"runs.no-bn.epochs": 4})
    with pytest.raises(RunError, match=r"before was .*mlp"):
        trained(out, resume=True, **{"runs.no-bn.network": "mlp"})
    again = trained(out, resume=True, **{"runs.no-bn.lr": 0.5})  # draws nothing
    assert weights(again) == weights(whole)


def test_what_the_runs_beside_it_draw_does_not_count_in_a_paired_study(tmp_path: Path) -> None:
    paired: dict[str, Any] = {"stream": "paired"}
    interrupted(tmp_path, 1, **paired)
    other = trained(tmp_path, resume=True, **paired, **{"runs.no-bn.epochs": 4})
    assert weights(other) == weights(trained(tmp_path / "whole", **paired))


def test_a_checkpoint_has_the_tensors_of_its_own_epoch_alone(tmp_path: Path) -> None:
    there: list[list[str]] = []
    folder = RunFolder(tmp_path / "article" / "bn").checkpoint_folder

    def look(row: EpochRow) -> None:
        there.append(sorted(file.name for file in folder.glob("*.safetensors")))

    trained(tmp_path, reporter=Reporter(epoch=look))
    assert there == [[f"epoch-{epoch + 1}.safetensors"] for epoch in range(EPOCHS)]
    assert not folder.exists()


def test_tensors_that_the_state_does_not_name_are_neither_used_nor_kept(tmp_path: Path) -> None:
    """A kill before the state is written leaves newer ones, one after that leaves older ones."""
    undisturbed = trained(tmp_path / "whole")
    other = RunFolder(interrupted(tmp_path / "other", 1, seed=1))
    folder = RunFolder(interrupted(tmp_path / "parts", 2))
    for epoch in (1, 3):
        found = (other.checkpoint_folder / "epoch-1.safetensors").read_bytes()
        (folder.checkpoint_folder / f"epoch-{epoch}.safetensors").write_bytes(found)
    notes: list[str] = []
    resumed = trained(tmp_path / "parts", resume=True, reporter=Reporter(note=notes.append))
    assert "after 2 epochs" in notes[0]
    assert weights(resumed) == weights(undisturbed)
    assert not folder.checkpoint_folder.exists()


def test_a_run_that_another_process_finished_meanwhile_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one ends between the moment when this one starts and the moment of its lock."""
    locked = RunFolder.locked
    written: dict[str, int] = {}

    def after_the_other(folder: RunFolder) -> contextlib.AbstractContextManager[None]:
        monkeypatch.setattr(RunFolder, "locked", locked)
        trained(tmp_path, resume=True)
        written.update({file.name: file.stat().st_mtime_ns for file in folder.path.iterdir()})
        return locked(folder)

    notes: list[str] = []
    for resume in (True, False):
        monkeypatch.setattr(RunFolder, "locked", after_the_other)
        if resume:
            trained(tmp_path, resume=True, reporter=Reporter(note=notes.append))
        else:
            with pytest.raises(RunError, match="already holds a finished run"):
                trained(tmp_path)
        folder = tmp_path / "article" / "bn"
        assert written == {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert "is finished; nothing to resume" in notes[0]


def test_a_run_that_stopped_within_its_first_epoch_may_be_begun_again(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(RunInterrupted):
        trained(tmp_path, reporter=Reporter(step=stop))
    folder = RunFolder(tmp_path / "article" / "bn")
    assert folder.exists
    assert not folder.begun
    assert len(trained(tmp_path).history) == EPOCHS


def test_tensors_of_another_network_are_not_put_into_this_one() -> None:
    def made(norm: str) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        network = build("one_conv", norm)
        return network, torch.optim.SGD(network.parameters(), lr=0.1)

    network, optimizer = made("none")
    with pytest.raises(RunError, match="belongs to another network"):
        restore(snapshot(*made("batch")), network, optimizer)
