"""Images that are damaged, of another size or kind, or missing: each is named."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_digits import assert_small, small_files, small_pixels, write_folder, write_zip

from hindi_bn.digits import fetch
from hindi_bn.digits.images import read_image
from hindi_bn.errors import DataError

pytestmark = pytest.mark.usefixtures("small")


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


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
    files["Train/digit_9/more.png"] = files["Train/digit_0/1.png"]
    del files["Test/digit_2/1.png"]
    files["Train/digit_0/more.png"] = files["Train/digit_0/1.png"]
    with pytest.raises(DataError) as error:
        fetch("archive", tmp_path / "data", write_zip(tmp_path / "a.zip", files))
    for part in (
        "train class 0 has 4 images, not 3", "train class 7 is missing",
        "train class 9 has 4 images, not 3",
        "test class 2 has 1 images, not 2",
    ):  # fmt: skip
        assert part in error.value.what


def test_rgb_gives_the_same_pixels_as_grey(tmp_path: Path) -> None:
    def rgb(image: np.ndarray) -> np.ndarray:
        return np.repeat(image[..., None], 3, axis=2)

    pixels = {split: np.stack([rgb(i) for i in grey]) for split, grey in small_pixels().items()}
    source = write_folder(tmp_path / "rgb", small_files(pixels))
    digits = fetch("folder", tmp_path / "data", source)
    assert_small(digits)
    assert digits.source == "folder rgb"
