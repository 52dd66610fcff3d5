"""Files as the system sees them: in which order they reach the disk, and who may read them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny import tiny_digits, tiny_study

from hindi_bn.digits.cache import write_arrays
from hindi_bn.errors import HindiBnError
from hindi_bn.files import write_text
from hindi_bn.records import RunFolder
from hindi_bn.runners.shared_digits import shared
from hindi_bn.training.run import train_run

Calls = list[tuple[str, int, int]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What is flushed and what is renamed: the name of the call, the inode, bytes of a file."""
    made: Calls = []
    replace = os.replace

    def note(name: str, facts: os.stat_result) -> None:
        made.append((name, facts.st_ino, 0 if stat.S_ISDIR(facts.st_mode) else facts.st_size))

    def noted(source: Path, target: Path) -> None:
        note("replace", Path(source).stat())
        replace(source, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: note("fsync", os.fstat(descriptor)))
    monkeypatch.setattr(os, "replace", noted)
    monkeypatch.setattr(Path, "replace", noted)
    return made


def test_a_file_is_flushed_whole_before_its_rename_and_its_folder_after(
    tmp_path: Path, calls: Calls
) -> None:
    write_text(tmp_path / "new" / "a.txt", "twelve bytes")
    file, folder = (tmp_path / "new" / "a.txt").stat().st_ino, (tmp_path / "new").stat().st_ino
    assert calls == [("fsync", file, 12), ("replace", file, 12), ("fsync", folder, 0)]


def test_all_that_a_run_leaves_was_flushed_before_its_rename(tmp_path: Path, calls: Calls) -> None:
    record = train_run(tiny_study(epochs=1, recordings=["pair"]), "bn", tiny_digits(), tmp_path)
    for file in record.folder.iterdir():
        if file.name != "log.txt":  # which nothing reads again
            facts = file.stat()
            last = calls.index(("replace", facts.st_ino, facts.st_size))
            assert ("fsync", facts.st_ino, facts.st_size) in calls[:last], file.name
            assert calls[last + 1] == ("fsync", record.folder.stat().st_ino, 0), file.name


def test_a_disk_that_cannot_flush_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    write_text(file, "before")

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(HindiBnError, match="Cannot write") as error:
        write_text(file, "after")
    assert error.value.why == "Input/output error"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a.txt", "before")]


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_whoever_the_umask_lets_may_read_what_is_written(tmp_path: Path, umask: int) -> None:
    """Safetensors makes its own files private, and `mkdtemp` folders, whatever the umask says."""
    folder = RunFolder(tmp_path / "out" / "run")
    folder.write_history([])
    folder.write_environment({})
    digits = tiny_digits()
    images = {"train": digits.train_images.numpy(), "test": digits.test_images.numpy()}
    write_arrays(tmp_path / "out" / "digits.safetensors", images, {})
    for path in (tmp_path / "out").rglob("*"):
        allowed = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == allowed & ~umask, path
    with shared(digits) as private:
        assert stat.S_IMODE(private.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_weights_of_a_run_can_be_read_as_its_other_files(tmp_path: Path, umask: int) -> None:
    torch.set_num_threads(1)
    record = train_run(tiny_study(epochs=1), "bn", tiny_digits(), tmp_path)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in record.folder.iterdir()}
    assert set(modes.values()) == {0o666 & ~umask}, modes
