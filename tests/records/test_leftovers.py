"""What kills leave is removed by whoever comes next, and nothing that a process still uses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from older import without_manifest
from tiny_runs import trained
from tiny_sweeps import load, sweep, train

from hindi_bn.digits.staging import locked
from hindi_bn.errors import RunError
from hindi_bn.files import remove_leftovers, replacing, write_text
from hindi_bn.records import RunFolder
from hindi_bn.sweeps.run import plan_sweep
from hindi_bn.sweeps.store import RunStore

KILLED = """
import os, pathlib, sys
from hindi_bn.files import replacing
with replacing(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), 9)
"""


def killed_while_writing(file: Path) -> Path:
    """What a process leaves that is killed while it writes a file."""
    subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    (left,) = file.parent.glob(f".{file.stem}.*.tmp{file.suffix}")
    assert left.read_text() == "half"
    return left


def test_the_next_write_beside_it_removes_what_a_kill_left(tmp_path: Path) -> None:
    left = killed_while_writing(tmp_path / "a.csv")
    write_text(tmp_path / "b.json", "")
    assert not left.exists()


def test_what_is_being_written_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / ".notes.tmp"
    own.write_text("a user's")
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("whole")
        write_text(tmp_path / "b.csv", "")
        remove_leftovers(tmp_path)
    assert (tmp_path / "a.csv").read_text() == "whole"
    assert own.exists()


def test_a_file_that_is_taken_for_a_leftover_before_it_is_held_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another process looks between its making and its lock."""
    touch, made = Path.touch, list[Path]()

    def touched(path: Path, *, exist_ok: bool) -> None:
        touch(path, exist_ok=exist_ok)
        made.append(path)
        if len(made) == 1:
            remove_leftovers(path.parent)

    monkeypatch.setattr(Path, "touch", touched)
    write_text(tmp_path / "a.csv", "whole")
    assert len(made) == 2
    assert (tmp_path / "a.csv").read_text() == "whole"


def test_a_resumed_run_leaves_nothing_that_kills_left(tmp_path: Path) -> None:
    folder = trained(tmp_path, epochs=1).folder
    left = [within / f".a.{uuid4().hex}.tmp.csv" for within in (folder, folder / "figures")]
    for file in left:
        file.parent.mkdir(exist_ok=True)
        file.write_text("half")
    (folder / "checkpoint").mkdir()
    trained(tmp_path, epochs=1, resume=True)
    assert not any(file.exists() for file in left)
    assert not (folder / "checkpoint").exists()


def test_data_that_are_filled_again_hold_nothing_that_kills_left(tmp_path: Path) -> None:
    left = killed_while_writing(tmp_path / "digits.safetensors")
    with locked(tmp_path):
        assert not left.exists()


def test_a_sweep_drops_the_checkpoints_of_runs_that_were_killed_as_they_finished(
    tmp_path: Path,
) -> None:
    what = sweep(seeds=1)
    train(what, tmp_path)
    (run,) = plan_sweep(what, load, RunStore(tmp_path), "").runs
    checkpoint = RunFolder(run.job.folder).checkpoint_folder
    checkpoint.mkdir()
    with RunFolder(run.job.folder).locked():
        train(what, tmp_path)
        assert checkpoint.is_dir()
    train(what, tmp_path)
    assert not checkpoint.exists()


def test_a_link_to_a_runs_folder_is_not_replaced_and_has_its_lock(tmp_path: Path) -> None:
    real = trained(tmp_path / "real", epochs=1).folder
    link = tmp_path / "article" / "bn"
    link.parent.mkdir()
    link.symlink_to(real)
    before = sorted(real.iterdir())
    with pytest.raises(RunError, match=re.escape(f"{link} is a symbolic link to {real}")):
        trained(tmp_path, epochs=1, overwrite=True)
    assert sorted(real.iterdir()) == before
    assert len(trained(tmp_path, epochs=1, resume=True).history) == 1
    with RunFolder(real).locked(), pytest.raises(RunError, match="in use"):
        trained(tmp_path, epochs=1, resume=True)
    link.unlink()
    (link.parent / ".bn.removed").symlink_to(real)  # as an older version left it
    trained(tmp_path, epochs=1, overwrite=True)
    trained(tmp_path, epochs=1, overwrite=True)
    assert without_manifest(link).is_dir()
    assert sorted(real.iterdir()) == before


def test_what_a_kill_left_while_a_run_was_replaced_goes_with_the_next_start(tmp_path: Path) -> None:
    aside = tmp_path / "article" / ".bn.removed"
    aside.mkdir(parents=True)
    (aside / "manifest.json").write_text("half of a run that is being deleted")
    trained(tmp_path, epochs=1, overwrite=True)
    assert not aside.exists()
