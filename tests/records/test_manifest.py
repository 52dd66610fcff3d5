"""What stands in a run's folder is believed only as it was written."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from older import with_older_state, without_manifest
from tiny_runs import assert_same, interrupted, trained

from hindi_bn.errors import HindiBnError, RunError
from hindi_bn.records import RunFolder
from hindi_bn.records.path import read_path
from hindi_bn.records.recordings import read_recordings
from hindi_bn.training.run import load_network

RECORDED: dict[str, Any] = {"recordings": ["pair", "weights", {"kind": "path", "every": "epoch"}]}
REBUILT = {"history.csv", "environment.json"}
"""What a resumed run writes anew from its checkpoint."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("finished"), epochs=2, **RECORDED).folder


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return interrupted(tmp_path_factory.mktemp("unfinished"), 2, **RECORDED)


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], RunFolder]:
    """Copies a run's folder, with its study's, to where it may be damaged."""

    def copy(folder: Path) -> RunFolder:
        shutil.copytree(folder.parent, tmp_path / "article")
        return RunFolder(tmp_path / "article" / "bn")

    return copy


def damaged(file: Path, chance: random.Random) -> Iterator[bytes]:
    """A file's bytes with a bit flipped, in some places and at both ends; cut short; empty."""
    whole = file.read_bytes()
    for place in (0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(6))):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        yield bytes(flipped)
    yield whole[: len(whole) // 2]
    yield b""


def unnoticed(folder: RunFolder, harmless: set[str]) -> list[str]:
    """Damage each file of a folder that is `ok` otherwise; name what `verify` does not report."""
    found, chance = [], random.Random(5842)
    files = {file.relative_to(folder.path).as_posix(): file
             for file in sorted(folder.path.rglob("*")) if file.is_file()}  # fmt: skip
    assert len(files) > 7
    for name in files.keys() - harmless:
        whole = files[name].read_bytes()
        for data in damaged(files[name], chance):
            files[name].write_bytes(data)
            try:
                folder.verify()
                found.append(name)
            except HindiBnError:
                pass
        files[name].write_bytes(whole)
    folder.verify()
    return found


def test_damage_to_any_file_of_a_finished_run_is_reported(
    finished: Path, copied: Callable[[Path], RunFolder]
) -> None:
    assert unnoticed(copied(finished), {"log.txt"}) == []


def test_damage_to_any_file_that_an_unfinished_run_goes_on_with_is_reported(
    unfinished: Path, copied: Callable[[Path], RunFolder]
) -> None:
    assert unnoticed(copied(unfinished), {"log.txt", *REBUILT}) == []


def test_what_a_resumed_run_writes_anew_may_be_damaged(
    unfinished: Path, copied: Callable[[Path], RunFolder], tmp_path: Path
) -> None:
    """Weights beside a checkpoint, whole or not, do not make a run finished."""
    folder = copied(unfinished)
    for name in REBUILT:
        (folder.path / name).write_text("damaged\nmore\n")
    folder.weights_file.write_bytes(b"")
    assert folder.verify() == "unfinished"
    resumed = trained(tmp_path, resume=True, **RECORDED)
    assert RunFolder(resumed.folder).verify() == "ok"
    assert_same(trained(tmp_path / "whole", **RECORDED).folder, resumed.folder)


READERS: dict[str, Callable[[RunFolder], object]] = {
    "run.yaml": RunFolder.read,
    "history.csv": RunFolder.read_history,
    "environment.json": RunFolder.read_claims,
    "weights.safetensors": lambda folder: load_network(folder.read()),
    "captures.csv": read_recordings,
    "path/epoch-1.safetensors": read_path,
}


@pytest.mark.parametrize("name", READERS)
def test_whoever_reads_a_changed_file_is_told(
    finished: Path, copied: Callable[[Path], RunFolder], name: str
) -> None:
    folder = copied(finished)
    READERS[name](folder)
    file = folder.path / name
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(RunError, match=rf"{name} has changed since the run finished(.|\n)*sha256"):
        READERS[name](folder)
    file.unlink()
    if name != "run.yaml":  # without it the folder is no run's
        with pytest.raises(RunError, match="No such file"):
            READERS[name](folder)


def test_a_damaged_finished_run_is_not_resumed_and_keeps_its_checkpoint(
    finished: Path, copied: Callable[[Path], RunFolder], tmp_path: Path
) -> None:
    folder = copied(finished)
    folder.checkpoint_folder.mkdir()
    folder.weights_file.write_bytes(b"")
    with pytest.raises(RunError, match=r"weights\.safetensors has changed"):
        trained(tmp_path, epochs=2, resume=True, **RECORDED)
    assert folder.checkpoint_folder.is_dir()


def test_a_run_from_before_there_were_manifests_is_read(
    finished: Path, copied: Callable[[Path], RunFolder], tmp_path: Path
) -> None:
    folder = copied(finished)
    without_manifest(folder.path)
    assert folder.verify() == "no manifest"
    assert len(trained(tmp_path, epochs=2, resume=True, **RECORDED).history) == 2
    lines = folder.history_file.read_text().splitlines(keepends=True)
    folder.history_file.write_text("".join(lines[:-1]))
    with pytest.raises(RunError, match=r"history\.csv has 1 of 2 epochs"):
        folder.read()


def test_settings_edited_while_a_run_is_unfinished_are_refused(
    unfinished: Path, copied: Callable[[Path], RunFolder], tmp_path: Path
) -> None:
    folder = copied(unfinished)
    file = folder.path / "run.yaml"
    file.write_text(file.read_text().replace("lr: 0.001", "lr: 0.5"))
    with pytest.raises(RunError, match=r"run\.yaml has changed since the run was saved"):
        trained(tmp_path, resume=True, **RECORDED)
    with_older_state(folder.path, lambda state: None)
    with pytest.raises(RunError, match=r"run\.yaml (.|\n)*run\.lr was 0\.001, now 0\.5"):
        trained(tmp_path, resume=True, **RECORDED)


@pytest.mark.parametrize("changed", ["rows", "sha256", "tensors", "epoch"])
def test_an_older_state_must_agree_with_itself(
    unfinished: Path, copied: Callable[[Path], RunFolder], changed: str
) -> None:
    def change(state: dict[str, Any]) -> None:
        if changed == "rows":
            state["rows"].pop()
        elif changed == "epoch":
            state["rows"][0]["epoch"] = 1
        elif changed == "sha256":
            state["sha256"] = "0" * 64
        else:
            state["tensors"] = "../checkpoint/epoch-2.safetensors"

    folder = copied(unfinished)
    with_older_state(folder.path, change)
    with pytest.raises(RunError, match=r"checkpoint in .* is damaged"):
        folder.read_checkpoint()
