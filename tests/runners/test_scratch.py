"""Temporary folders: one's own while it is used, removed by the next when its process died."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts import running

from hindi_bn.runners.scratch import scratch

HOLD = """
import subprocess, sys, time
from pathlib import Path
from hindi_bn.runners.scratch import scratch
with scratch("t-", sys.argv[1]) as folder:
    (folder / "big").write_bytes(b"x")
    named, log = (f"{folder}/x", "/dev/null") if sys.argv[2] == "named" else ("x", folder / "log")
    with open(log, "w") as out:
        helper = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(100)", named],
            stdout=out, start_new_session=True,
        )
    print(folder, helper.pid, flush=True)
    time.sleep(100)
"""


def held(parent: Path, used: str) -> tuple[subprocess.Popen[str], Path, str]:
    """A process that holds a folder, the folder, and a helper of it that names or uses it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(parent), used], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    folder, _, helper = holder.stdout.readline().strip().rpartition(" ")
    return holder, Path(folder), helper


@pytest.mark.parametrize("used", ["named", "open"])
def test_a_killed_process_leaves_nothing_for_long(tmp_path: Path, used: str) -> None:
    holder, theirs, helper = held(tmp_path, used)
    (tmp_path / "t-mine").mkdir()  # not made by scratch: no owner
    (tmp_path / "t-mine" / "notes").touch()
    (tmp_path / "t-making").mkdir()  # by another process, just now
    (tmp_path / "t-unmade").mkdir()  # by one that was killed before it could lock it
    os.utime(tmp_path / "t-unmade", (0, 0))
    os.utime(tmp_path / "t-mine", (0, 0))
    with scratch("t-", str(tmp_path)) as own:
        assert own.stat().st_mode & 0o777 == 0o700
        assert theirs.is_dir()
    assert not own.exists()
    holder.kill()
    holder.communicate()
    assert theirs.is_dir()
    assert running(helper)
    with scratch("t-", str(tmp_path)) as own:
        assert {*tmp_path.iterdir()} == {own, tmp_path / "t-mine", tmp_path / "t-making"}
    until = time.monotonic() + 30
    while running(helper):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def written_late(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The first folder that is deleted is written into once more, as by a process that ends."""
    delete, seen = shutil.rmtree, list[Path]()

    def deleting(folder: Path, ignore_errors: bool) -> None:
        delete(folder, ignore_errors=ignore_errors)
        if not seen:
            folder.mkdir()
            (folder / "late").touch()
        seen.append(folder)

    monkeypatch.setattr(shutil, "rmtree", deleting)
    return seen


def test_what_is_written_while_it_is_deleted_does_not_stay(
    tmp_path: Path, written_late: list[Path]
) -> None:
    with scratch("t-", str(tmp_path)) as folder:
        pass
    assert written_late == [folder, folder]
    assert not [*tmp_path.iterdir()]


@pytest.mark.usefixtures("written_late")
def test_who_looks_at_a_leftover_at_the_same_time_is_left_alone(tmp_path: Path) -> None:
    holder, theirs, _ = held(tmp_path, "named")
    holder.kill()
    holder.communicate()
    with (theirs / "owner").open() as lock:  # as a process does that asks for the lock
        other = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=lock
        )
    with scratch("t-", str(tmp_path)):
        assert not theirs.exists()
    other.communicate(b"\n", timeout=60)
    assert other.returncode == 0
