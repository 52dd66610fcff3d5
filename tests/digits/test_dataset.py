"""From a folder of images to verified tensors: what is refused, and what is kept for later."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scripts import importing
from small_digits import assert_small, small_pixels

from hindi_bn import digits as package
from hindi_bn import registry
from hindi_bn.digits import checksums, datasets, fetch, images, load
from hindi_bn.errors import DataError
from hindi_bn.study.files import load_study

pytestmark = pytest.mark.usefixtures("small")

CHECKER_BOARD = """
import numpy as np
from hindi_bn.digits.dataset import DataSet, from_pixels

class Board(DataSet):
    def load(self, data_dir, advance=None):
        board = np.indices((8, 8)).sum(0).astype(np.uint8) % 2
        pixels = {"train": np.stack([board] * 20), "test": np.stack([board] * 10)}
        return from_pixels(self.name, "computed", pixels)

    def fetch(self, data_dir, *, force, note, advance):
        return self.load(data_dir)

DATA_SET = Board("checker-board", "Checker board", image_size=8)
"""


def test_tensors_labels_and_words(data_dir: Path) -> None:
    digits = load(data_dir)
    assert_small(digits)
    assert digits.train_images.dtype == digits.test_images.dtype == torch.uint8
    assert digits.train_labels.tolist() == [n // 3 for n in range(30)]
    assert digits.test_labels.tolist() == [n // 2 for n in range(20)]
    assert digits.train_labels.dtype == torch.int64
    assert digits.counts == {"train": [3] * 10, "test": [2] * 10}
    assert digits.identical
    assert digits.differing == {"train": [], "test": []}
    assert digits.title == "Hindi digits, identical to the article's 50 images"
    assert digits.source == "archive small.zip"
    assert digits.digests == checksums.ARTICLE.digests


def test_the_cache_is_used_while_the_folder_is_unchanged(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "read_image", lambda path: pytest.fail("decoded again"))
    assert_small(load(data_dir))


def test_an_image_that_changed_behind_the_cache_is_seen(data_dir: Path) -> None:
    """Its size is as before: its time tells."""
    image = data_dir / "digits/Train/digit_3/1.png"
    before = image.stat()
    image.write_bytes(image.read_bytes()[:-20] + bytes(20))
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert_small(load(data_dir))  # nothing tells
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    with pytest.raises(DataError, match=r"Image Train/digit_3/1\.png is damaged"):
        load(data_dir)


def when_waiting(monkeypatch: pytest.MonkeyPatch, data_dir: Path, do: Callable[[], object]) -> None:
    """Hold the folder's lock as another process; let go once it is waited for and `do` is done."""
    other = FileLock(data_dir / ".lock", thread_local=False)
    other.acquire()
    acquire = FileLock.acquire

    def acquired(lock: FileLock, *values: Any, **named: Any) -> Any:
        monkeypatch.setattr(FileLock, "acquire", acquire)
        do()
        other.release()
        return lock.acquire(*values, **named)

    monkeypatch.setattr(FileLock, "acquire", acquired)


def test_a_cache_that_another_process_made_while_this_one_waited_is_used(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = data_dir / "digits.safetensors"
    made = cache.read_bytes()
    cache.unlink()
    when_waiting(monkeypatch, data_dir, lambda: cache.write_bytes(made))
    monkeypatch.setattr(images, "read_image", lambda path: pytest.fail("decoded again"))
    assert_small(load(data_dir))
    assert cache.read_bytes() == made


def test_what_another_process_fetched_while_this_one_waited_is_not_fetched_again(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, elsewhere = data_dir / "digits", data_dir.parent / "elsewhere"
    there.rename(elsewhere)
    when_waiting(monkeypatch, data_dir, lambda: elsewhere.rename(there))
    notes: list[str] = []
    missing = data_dir.parent / "there is no such.zip"
    assert_small(fetch("archive", data_dir, missing, note=notes.append))
    assert "already" in notes[0]


def test_a_stand_in_that_another_process_drew_while_this_one_waited_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def draw() -> tuple[np.ndarray, ...]:
        drawn.append(1)
        return tuple(small_pixels(5).values())

    monkeypatch.setattr("hindi_bn.digits.stand_in.draw", draw)
    load(tmp_path / "other", "stand-in")
    made, cache = tmp_path / "other" / "stand-in.safetensors", tmp_path / "stand-in.safetensors"
    when_waiting(monkeypatch, tmp_path, lambda: made.rename(cache))
    load(tmp_path, "stand-in")
    assert drawn == [1]


@pytest.mark.slow
def test_a_cached_load_needs_no_torchvision(data_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hindi_bn.digits import load, checksums\n"
        "import small_digits as s; checksums.ARTICLE = s.checksums_of(s.small_pixels())\n"
        f"load(Path({str(data_dir)!r})); assert 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], env=importing(__file__), check=True)


def spoil_pixels(data_dir: Path) -> None:
    cache = data_dir / "digits.safetensors"
    data = bytearray(cache.read_bytes())
    data[-1] ^= 1
    cache.write_bytes(data)


def cut_off(data_dir: Path) -> None:
    cache = data_dir / "digits.safetensors"
    cache.write_bytes(cache.read_bytes()[:100])


def touch_an_image(data_dir: Path) -> None:
    os.utime(data_dir / "digits/Train/digit_3/1.png", (1, 1))


def remove(data_dir: Path) -> None:
    (data_dir / "digits.safetensors").unlink()


def change(data_dir: Path, how: Callable[[np.ndarray], np.ndarray]) -> None:
    """Store other arrays of the same bytes; their digests are the same."""
    cache = data_dir / "digits.safetensors"
    with safe_open(cache, framework="numpy") as stored:
        facts = stored.metadata()
        arrays = {name: how(stored.get_tensor(name)) for name in stored.keys()}  # noqa: SIM118
    save_file(arrays, cache, metadata=facts)


def reshape(data_dir: Path) -> None:
    change(data_dir, lambda images: images.reshape(len(images) // 2, 64, 32))


def make_smaller(data_dir: Path) -> None:
    change(data_dir, lambda images: images.reshape(-1, 16, 16))


def make_signed(data_dir: Path) -> None:
    change(data_dir, lambda images: images.view(np.int8))


@pytest.mark.parametrize(
    "spoil",
    [spoil_pixels, cut_off, touch_an_image, remove, reshape, make_smaller, make_signed],
)
def test_a_stale_or_damaged_cache_is_made_again(
    spoil: Callable[[Path], None], data_dir: Path
) -> None:
    spoil(data_dir)
    assert_small(load(data_dir))
    cached = load_file(data_dir / "digits.safetensors")
    np.testing.assert_array_equal(cached["train"], small_pixels()["train"])


def test_without_room_for_a_cache_the_digits_are_used_all_the_same(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    remove(data_dir)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert_small(load(data_dir))
    [said] = caplog.messages
    assert "No space left on device" in said
    assert "digits.safetensors" in said
    assert not (data_dir / "digits.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"train_images": torch.zeros(15, 64, 32, dtype=torch.uint8)}, "(15, 64, 32)"),
        ({"train_images": torch.zeros(30, 32, 32, dtype=torch.int8)}, "int8"),
        ({"test_labels": torch.arange(20)}, "int64 (20,)"),
        ({"test_labels": torch.zeros(20)}, "float32"),
        ({"train_labels": torch.zeros(29, dtype=torch.int64)}, "(29,)"),
    ],
)
def test_arrays_that_are_no_images_with_labels_are_refused(
    data_dir: Path, changes: dict[str, torch.Tensor], found: str
) -> None:
    with pytest.raises(DataError, match="are not") as error:
        replace(load(data_dir), **changes)
    assert found in error.value.why


def test_the_same_bytes_in_another_order_or_with_other_labels_are_not_identical(
    data_dir: Path,
) -> None:
    digits = load(data_dir)
    assert digits.identical
    assert not replace(digits, train_labels=digits.train_labels.flip(0)).identical
    quarters = digits.test_images.reshape(-1, 16, 16)
    labels = torch.zeros(len(quarters), dtype=torch.int64)
    assert not replace(digits, test_images=quarters, test_labels=labels).identical


def test_a_cache_that_cannot_be_read(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("safetensors.safe_open", refuse)
    with pytest.raises(DataError, match=r"digits\.safetensors cannot be read") as error:
        load(data_dir)
    assert error.value.why == "Permission denied"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There are no digits") as error:
        load(tmp_path / "none")
    assert "hindi-bn download" in error.value.next_step
    assert not (tmp_path / "none").exists()


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data set 'letters'"):
        load(tmp_path, "letters")


def test_a_data_set_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file is a data set of studies, options and errors, and nothing else changes."""
    file = tmp_path / "checker_board.py"
    file.write_text(CHECKER_BOARD)
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(tmp_path)])
    found = registry.names

    def names(folder: str, **options: bool) -> tuple[str, ...]:
        return (("checker-board",) if folder.endswith("datasets") else ()) + found(
            folder, **options
        )

    monkeypatch.setattr(registry, "names", names)
    digits = fetch("checker-board", tmp_path)
    assert (digits.title, digits.counts["test"]) == ("Checker board", [1] * 10)
    assert load_study("mlp", {"data": "checker-board"}).image_size == 8
    with pytest.raises(DataError) as error:
        load(tmp_path, "chess")
    assert error.value.next_step == (
        "choose one of checker-board, digits, fashion-mnist, mnist, stand-in"
    )


def test_a_folder_of_an_older_name_is_found(tmp_path: Path) -> None:
    study = load_study("article", {"data": "drawn"})
    assert study.data == "stand-in"
    assert study.folder(tmp_path) == tmp_path / "article-stand-in"
    (tmp_path / "article-drawn").mkdir()
    assert study.folder(tmp_path) == tmp_path / "article-drawn"
    (tmp_path / "article-stand-in").mkdir()
    assert study.folder(tmp_path) == tmp_path / "article-stand-in"
    assert load_study("article").folder(tmp_path) == tmp_path / "article"


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = package.nothing_like_it


def test_the_stand_in_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def draw() -> tuple[np.ndarray, np.ndarray]:
        drawn.append(1)
        return tuple(small_pixels(5).values())  # type: ignore[return-value]

    monkeypatch.setattr("hindi_bn.digits.stand_in.draw", draw)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "drawn.safetensors").write_bytes(b"of an older version")
    first = fetch("stand-in", tmp_path / "data")
    assert not (tmp_path / "data" / "drawn.safetensors").exists()
    second = load(tmp_path / "data", "stand-in")
    assert (first.name, first.source) == ("stand-in", "stand-in")
    assert first.title == second.title == "drawn stand-in, not the article's data"
    np.testing.assert_array_equal(second.train_images.numpy(), small_pixels(5)["train"])
    assert drawn == [1]
    cache = tmp_path / "data" / "stand-in.safetensors"
    cache.write_bytes(cache.read_bytes()[:-1] + b"?")
    load(tmp_path / "data", "stand-in")
    assert drawn == [1, 1]
    monkeypatch.setattr("hindi_bn.digits.datasets.stand_in.drawing_code", lambda: "another")
    load(tmp_path / "data", "stand-in")
    assert drawn == [1, 1, 1]
