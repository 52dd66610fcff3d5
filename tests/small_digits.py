"""Sets of digits that are small: 3 + 2 images a class, written and packed as the tests need."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from hindi_bn.digits import Digits
from hindi_bn.digits.checksums import Checksums, Pixels

COUNTS = {"train": 3, "test": 2}
ROOT = "DevanagariHandwrittenCharacterDataset"
Files = dict[str, bytes]


def png(pixels: Pixels) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, format="png")
    return packed.getvalue()


def small_pixels(seed: int = 0) -> dict[str, Pixels]:
    """Random pixels by split, ordered by class."""
    random = np.random.default_rng(seed)
    return {
        split: random.integers(0, 256, (10 * count, 32, 32), dtype=np.uint8)
        for split, count in COUNTS.items()
    }


def checksums_of(pixels: Mapping[str, Pixels]) -> Checksums:
    """What the article's data would be, were it these pixels."""
    return Checksums(
        per_class=COUNTS,
        digests={s: hashlib.sha256(p.tobytes()).hexdigest() for s, p in pixels.items()},
        class_digests={
            split: tuple(
                hashlib.sha256(images[n * i : n * (i + 1)].tobytes()).hexdigest()[:16]
                for i in range(10)
            )
            for split, images in pixels.items()
            for n in [COUNTS[split]]
        },
    )


def small_files(
    pixels: Mapping[str, Pixels] | None = None,
    root: str = f"{ROOT}/",
    splits: tuple[str, str] = ("Train", "Test"),
    class_name: str = "digit_{}",
) -> Files:
    """Paths and PNGs; names sort as strings, not as numbers, in the order of the pixels."""
    files = {}
    for folder, images in zip(splits, (pixels or small_pixels()).values(), strict=True):
        names = ["1.png", "10.png", "9.png"][: len(images) // 10]
        for place, image in enumerate(images):
            digit, number = divmod(place, len(names))
            files[f"{root}{folder}/{class_name.format(digit)}/{names[number]}"] = png(image)
    return files


def write_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, files: Files, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def assert_small(digits: Digits) -> None:
    expected = small_pixels()
    np.testing.assert_array_equal(digits.train_images.numpy(), expected["train"])
    np.testing.assert_array_equal(digits.test_images.numpy(), expected["test"])
