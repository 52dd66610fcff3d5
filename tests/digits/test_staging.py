"""The data folder while something is put into it: locked, killed half way, full."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from small_digits import assert_small, small_files, write_folder, write_zip

from hindi_bn.digits import fetch, load, staging
from hindi_bn.errors import DataError, HindiBnError

pytestmark = pytest.mark.usefixtures("small")


def test_another_process_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_zip(tmp_path / "small.zip", small_files())
    (tmp_path / "data").mkdir()
    other = FileLock(tmp_path / "data/.lock", thread_local=False)
    other.acquire()
    release = threading.Timer(0.3, other.release)
    release.start()
    notes: list[str] = []
    start = time.monotonic()
    assert_small(fetch("archive", tmp_path / "data", source, note=notes.append))
    assert time.monotonic() - start >= 0.25
    assert "Another process is filling" in notes[0]
    release.join()


def test_another_process_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PATIENCE", 0.1)
    (tmp_path / "data").mkdir()
    with (
        FileLock(tmp_path / "data/.lock"),
        pytest.raises(DataError, match=r"filling .* for too long"),
    ):
        fetch("archive", tmp_path / "data", tmp_path / "small.zip")


def test_a_replacement_that_was_killed_half_way_is_undone(data_dir: Path, tmp_path: Path) -> None:
    """The old folder had stepped aside, the new one was not in place yet."""
    aside = data_dir / ".outgoing-1"
    aside.mkdir()
    (data_dir / "digits").rename(aside / "digits")
    notes: list[str] = []
    assert_small(fetch("archive", data_dir, tmp_path / "none.zip", note=notes.append))
    assert "Verified digits are in" in notes[0]
    assert not aside.exists()


def test_a_replacement_that_was_killed_at_its_end_is_cleared(data_dir: Path) -> None:
    write_folder(data_dir / ".outgoing-1", {"digits/Train/digit_0/1.png": b"old"})
    with staging.locked(data_dir):
        pass
    assert not (data_dir / ".outgoing-1").exists()
    assert_small(load(data_dir))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(HindiBnError, match="Cannot write to") as error:
        fetch("archive", tmp_path / "file" / "data", tmp_path / "small.zip")
    assert error.value.why == "A file is where a folder should be."
    assert "choose a folder" in error.value.next_step


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_zip(tmp_path / "small.zip", small_files())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(HindiBnError, match="Cannot write to") as error:
        fetch("archive", tmp_path / "data", source)
    assert error.value.why == "No space left on device"
    assert not isinstance(error.value, DataError)  # no other source would help
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [".lock"]
