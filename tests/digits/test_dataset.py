"""From a folder of images to verified tensors: what is refused, and what is kept for later."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors.numpy import load_file
from scripts import importing
from small_digits import (
    COUNTS,
    checksums_of,
    png,
    small_files,
    small_pixels,
    write_folder,
    write_zip,
)

from hindi_bn import digits as package
from hindi_bn import registry
from hindi_bn.digits import Digits, checksums, datasets, fetch, images, load, resolve, staging
from hindi_bn.digits.images import read_image
from hindi_bn.errors import DataError, HindiBnError, SourceError
from hindi_bn.study.files import load_study

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


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("KAGGLE_", "HINDI_BN_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(checksums, "ARTICLE", checksums_of(small_pixels()))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with the small digits, fetched from a zip."""
    source = write_zip(tmp_path / "small.zip", small_files())
    fetch("archive", tmp_path / "data", source)
    return tmp_path / "data"


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def assert_small(digits: Digits) -> None:
    expected = small_pixels()
    np.testing.assert_array_equal(digits.train_images.numpy(), expected["train"])
    np.testing.assert_array_equal(digits.test_images.numpy(), expected["test"])


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


def test_rgb_gives_the_same_pixels_as_grey(tmp_path: Path) -> None:
    def rgb(image: np.ndarray) -> np.ndarray:
        return np.repeat(image[..., None], 3, axis=2)

    pixels = {split: np.stack([rgb(i) for i in grey]) for split, grey in small_pixels().items()}
    source = write_folder(tmp_path / "rgb", small_files(pixels))
    digits = fetch("folder", tmp_path / "data", source)
    assert_small(digits)
    assert digits.source == "folder rgb"


def test_the_cache_is_used_while_the_folder_is_unchanged(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "read_image", lambda path: pytest.fail("decoded again"))
    assert_small(load(data_dir))


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


@pytest.mark.parametrize("spoil", [spoil_pixels, cut_off, touch_an_image, remove])
def test_a_stale_or_damaged_cache_is_made_again(
    spoil: Callable[[Path], None], data_dir: Path
) -> None:
    spoil(data_dir)
    assert_small(load(data_dir))
    cached = load_file(data_dir / "digits.safetensors")
    np.testing.assert_array_equal(cached["train"], small_pixels()["train"])


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


def bit_flipped(data: bytes) -> bytes:
    middle = data.index(b"IDAT") + 40
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


def resaved(size: tuple[int, int], mode: str) -> bytes:
    import io

    packed = io.BytesIO()
    Image.new(mode, size).save(packed, format="png")
    return packed.getvalue()


def header(depth: int, width: int = 32) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, 32, depth, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("spoil", "what", "why"),
    [
        (lambda d: d[:200], "is damaged", "Truncated File Read."),
        (lambda d: d[:-12], "is damaged", "Truncated PNG file."),
        (lambda d: d[:-6], "is damaged", "Broken PNG file"),
        (lambda d: b"", "is damaged", "It is no PNG"),
        (lambda d: b"GIF89a", "is damaged", "It is no PNG"),
        (bit_flipped, "is damaged", "bad header checksum in b'IDAT'"),
        (lambda d: d[:30] + b"x" + d[31:], "is damaged", "its header is damaged"),
        (lambda d: resaved((28, 32), "L"), "is 28 x 32 pixels, not 32 x 32", "of one size"),
        (lambda d: resaved((32, 32), "RGBA"), "neither grey nor RGB", "mode 'RGBA'"),
        (lambda d: resaved((32, 32), "I;16"), "neither grey nor RGB", "mode 'I;16'"),
        (lambda d: resaved((32, 32), "P"), "neither grey nor RGB", "mode 'P'"),
        (lambda d: d[:8] + header(4) + d[33:], "neither grey nor RGB", "stored as 'L;4'"),
        (lambda d: d[:8] + chunk(b"IEND", b""), "is damaged", "It is no PNG"),
        (lambda d: d[:33] + header(8, 64) + d[33:], "is 64 x 32 pixels, not 32 x 32", ""),
        (lambda d: d[:8] + chunk(b"IHDR", b"ab"), "is damaged", "Truncated IHDR chunk."),
        (lambda d: d[:8] + header(8) + chunk(b"IEND", b""), "is damaged", ""),
        (
            lambda d: d[:33] + chunk(b"IDAT", b"no zlib data") + chunk(b"IEND", b""),
            "is damaged", "",
        ),
    ],
)  # fmt: skip
def test_a_bad_image_is_named(
    spoil: Callable[[bytes], bytes], what: str, why: str, tmp_path: Path
) -> None:
    files = small_files(root="")
    name = "Test/digit_4/10.png"
    files[name] = spoil(files[name])
    with pytest.raises(DataError) as error:
        fetch("archive", tmp_path / "data", write_zip(tmp_path / "a.zip", files))
    assert error.value.what.startswith(f"Image {name} ")
    assert what in error.value.what
    assert why in error.value.why
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [".lock"]


def test_a_missing_image_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.png is damaged") as error:
        read_image(tmp_path / "none.png")
    assert "No such file" in error.value.why


def test_missing_classes_and_wrong_counts_are_all_named(tmp_path: Path) -> None:
    files = {
        name: data for name, data in small_files(root="").items() if "Train/digit_7" not in name
    }
    del files["Test/digit_2/1.png"]
    files["Train/digit_0/more.png"] = files["Train/digit_0/1.png"]
    with pytest.raises(DataError) as error:
        fetch("archive", tmp_path / "data", write_zip(tmp_path / "a.zip", files))
    for part in (
        "train class 0 has 4 images, not 3", "train class 7 is missing",
        "test class 2 has 1 images, not 2",
    ):  # fmt: skip
        assert part in error.value.what


def different_zip(path: Path, flips: list[tuple[str, int]]) -> Path:
    pixels = small_pixels()
    for split, digit in flips:
        pixels[split][digit * COUNTS[split], 0, 0] ^= 1
    return write_zip(path, small_files(pixels))


def test_other_pixels_are_refused_by_class(tmp_path: Path) -> None:
    source = different_zip(tmp_path / "a.zip", [("train", 3), ("test", 0), ("test", 9)])
    with pytest.raises(DataError) as error:
        fetch("archive", tmp_path / "data", source)
    assert error.value.what == (
        "The digits are not the article's: train class 3; test classes 0, 9 differ."
    )
    assert "--accept-different" in error.value.next_step
    assert not (tmp_path / "data" / "digits").exists()


def test_swapped_classes_are_named(tmp_path: Path) -> None:
    pixels = small_pixels()
    pixels["train"][[6, 7, 8, 12, 13, 14]] = pixels["train"][[12, 13, 14, 6, 7, 8]]
    with pytest.raises(DataError, match="train classes 2, 4 differ"):
        fetch("archive", tmp_path / "data", write_zip(tmp_path / "a.zip", small_files(pixels)))


def test_accepted_other_pixels_are_told_everywhere(tmp_path: Path) -> None:
    source = different_zip(tmp_path / "a.zip", [("train", 3)])
    fetch("archive", tmp_path / "data", source, accept_different=True)
    digits = load(tmp_path / "data")
    assert not digits.identical
    assert digits.title == "Hindi digits, NOT identical to the article's (train class 3)"
    assert resolve(tmp_path / "data").title == digits.title


def test_a_change_after_acceptance_is_refused(tmp_path: Path) -> None:
    source = different_zip(tmp_path / "a.zip", [("train", 3)])
    fetch("archive", tmp_path / "data", source, accept_different=True)
    image = tmp_path / "data/digits/Test/digit_5/1.png"
    image.write_bytes(png(np.zeros((32, 32), np.uint8)))
    with pytest.raises(DataError, match="train class 3; test class 5 differ") as error:
        load(tmp_path / "data")
    assert "not this one" in error.value.why


def test_a_changed_image_is_refused(data_dir: Path) -> None:
    (data_dir / "digits/Train/digit_1/1.png").write_bytes(png(np.zeros((32, 32), np.uint8)))
    with pytest.raises(DataError, match="train class 1 differ"):
        load(data_dir)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_source_file(text: str, data_dir: Path) -> None:
    (data_dir / "digits/source.json").write_text(text)
    with pytest.raises(DataError, match=r"source\.json cannot be read"):
        load(data_dir)


def test_without_a_source_file_the_source_is_unknown(data_dir: Path) -> None:
    (data_dir / "digits/source.json").unlink()
    assert load(data_dir).source == "unknown"


def test_stray_folders_beside_the_classes_are_left_alone(data_dir: Path) -> None:
    write_folder(
        data_dir / "digits/Train", {"character_1_ka/1.png": b"x", "digit_0/notes.txt": b""}
    )
    assert_small(load(data_dir))


def test_what_is_there_is_not_fetched_again(data_dir: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    assert_small(fetch("archive", data_dir, tmp_path / "none.zip", note=notes.append))
    assert "Verified digits are in" in notes[0]


def test_force_replaces_what_is_there(data_dir: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "other", small_files())
    assert fetch("folder", data_dir, source, force=True).source == "folder other"
    assert load(data_dir).source == "folder other"
    assert sorted(path.name for path in data_dir.iterdir()) == [
        ".lock", "digits", "digits.safetensors",
    ]  # fmt: skip


def test_a_failed_replacement_leaves_what_was_there(data_dir: Path, tmp_path: Path) -> None:
    source = different_zip(tmp_path / "a.zip", [("train", 3)])
    with pytest.raises(DataError):
        fetch("archive", data_dir, source, force=True)
    assert load(data_dir).source == "archive small.zip"


def test_damaged_digits_are_fetched_again_without_force(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "digits/Train/digit_1/1.png").write_bytes(b"")
    notes: list[str] = []
    fetch("archive", data_dir, tmp_path / "small.zip", note=notes.append)
    assert "Image Train/digit_1/1.png is damaged" in notes[0]
    assert_small(load(data_dir))


def test_a_source_that_needs_a_path(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'archive' needs the path") as error:
        fetch("archive", tmp_path)
    assert error.value.next_step == "hindi-bn download --source archive PATH"


def test_a_source_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no source 'attic'"):
        fetch("attic", tmp_path)


def test_resolve_prefers_what_is_there(data_dir: Path, tmp_path: Path) -> None:
    assert_small(resolve(data_dir, tmp_path / "none.zip"))


@pytest.mark.parametrize("by_variable", [True, False])
def test_resolve_takes_an_archive_or_folder(
    by_variable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_folder(tmp_path / "folder", small_files())
    if by_variable:
        monkeypatch.setenv("HINDI_BN_ARCHIVE", str(source))
    assert resolve(tmp_path / "data", None if by_variable else source).source == "folder folder"


def test_resolve_replaces_what_is_damaged_and_says_so(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "digits/Train/digit_1/1.png").write_bytes(b"")
    notes: list[str] = []
    assert_small(resolve(data_dir, tmp_path / "small.zip", notes.append))
    assert any("Not used: what is in" in note and "is damaged" in note for note in notes)


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
    assert "--data-dir" in error.value.next_step


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


def test_source_json_tells_where_they_came_from(data_dir: Path) -> None:
    known = json.loads((data_dir / "digits/source.json").read_text())
    assert known["source"] == "archive small.zip"
    assert known["accepted"] == checksums.ARTICLE.digests


@pytest.mark.real
def test_the_real_archive_is_the_articles_data(
    real_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    load(real_data_dir)  # decoded once
    start = time.monotonic()
    digits = load(real_data_dir)
    assert time.monotonic() - start < 5  # 0.12 s on an idle machine
    assert digits.title == "Hindi digits, identical to the article's 20,000 images"
    assert digits.identical
    assert digits.counts == {"train": [1700] * 10, "test": [300] * 10}
    assert digits.train_images.double().mean() / 255 == pytest.approx(0.242318, abs=5e-7)
    assert digits.train_images.double().std() / 255 == pytest.approx(0.388673, abs=5e-7)
    for split in ("train", "test"):
        pixels = getattr(digits, f"{split}_images").numpy()
        assert checksums.class_digests(pixels) == checksums.ARTICLE.class_digests[split]
