"""Digits that are not the article's: refused, or accepted and told everywhere."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from small_digits import (
    COUNTS,
    assert_small,
    png,
    small_files,
    small_pixels,
    write_folder,
    write_zip,
)

from hindi_bn.digits import checksums, fetch, load, resolve
from hindi_bn.errors import DataError

pytestmark = pytest.mark.usefixtures("small")


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


def test_a_failed_replacement_leaves_what_was_there(data_dir: Path, tmp_path: Path) -> None:
    source = different_zip(tmp_path / "a.zip", [("train", 3)])
    with pytest.raises(DataError):
        fetch("archive", data_dir, source, force=True)
    assert load(data_dir).source == "archive small.zip"


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_source_file(text: str, data_dir: Path) -> None:
    (data_dir / "digits/source.json").write_text(text)
    with pytest.raises(DataError, match=r"source\.json cannot be read"):
        load(data_dir)


def test_without_a_source_file_the_source_is_unknown(data_dir: Path) -> None:
    (data_dir / "digits/source.json").unlink()
    assert load(data_dir).source == "unknown"


def test_source_json_tells_where_they_came_from(data_dir: Path) -> None:
    known = json.loads((data_dir / "digits/source.json").read_text())
    assert known["source"] == "archive small.zip"
    assert known["accepted"] == checksums.ARTICLE.digests


def test_stray_folders_beside_the_classes_are_left_alone(data_dir: Path) -> None:
    write_folder(
        data_dir / "digits/Train", {"character_1_ka/1.png": b"x", "digit_0/notes.txt": b""}
    )
    assert_small(load(data_dir))


@pytest.mark.slow
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


def test_a_letter_that_changed_in_where_the_digits_came_from_is_told(tmp_path: Path) -> None:
    fetch("archive", tmp_path / "data", write_zip(tmp_path / "a.zip", small_files()))
    file = tmp_path / "data/digits/source.json"
    file.write_text(file.read_text().replace("archive", "archivf"))
    with pytest.raises(DataError, match=r"source\.json cannot be read") as error:
        load(tmp_path / "data")
    assert "digest" in error.value.why
    older = {key: value for key, value in json.loads(file.read_text()).items() if key != "digest"}
    file.write_text(json.dumps(older))
    assert load(tmp_path / "data").source.startswith("archivf")  # an older version's has none
