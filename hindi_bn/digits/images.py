"""From a folder of images in the normalised layout to verified uint8 pixels."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hindi_bn.digits import checksums
from hindi_bn.digits.checksums import CLASSES, FOLDERS, SIDE, SPLITS, Pixels
from hindi_bn.errors import DataError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Advance = Callable[[str, int, int | None], None]
"""Called with what is going on, how much is done and how much there is (None: not known)."""

MODES = ("L", "RGB")
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow raises when it reads a damaged PNG."""

FETCH_AGAIN = "fetch the digits again: hindi-bn download --force"


def silent(task: str, done: int, total: int | None) -> None:
    """Report no progress."""


def check_counts(folder: Path) -> None:
    """Refuse a folder where a class of a split is missing or has another number of images."""
    wrong = []
    for split in SPLITS:
        expected = checksums.ARTICLE.per_class[split]
        for digit in range(CLASSES):
            images = folder / FOLDERS[split] / f"digit_{digit}"
            if not images.is_dir():
                wrong.append(f"{split} class {digit} is missing")
                continue
            count = sum(name.lower().endswith(".png") for name in os.listdir(images))  # noqa: PTH208
            if count != expected:
                wrong.append(f"{split} class {digit} has {count:,} images, not {expected:,}")
    if wrong:
        raise DataError(
            "The digits are not complete: " + "; ".join(wrong) + ".",
            f"There must be {checksums.ARTICLE.per_class['train']:,} training and "
            f"{checksums.ARTICLE.per_class['test']:,} test images of each of the ten digits.",
            FETCH_AGAIN,
        )


def fingerprint(folder: Path) -> str:
    """Return a hash of the image files' names, sizes and times, without reading them."""
    hashed = hashlib.sha256()
    for split in SPLITS:
        for digit in range(CLASSES):
            images = folder / FOLDERS[split] / f"digit_{digit}"
            if images.is_dir():
                with os.scandir(images) as entries:
                    for entry in sorted(entries, key=lambda entry: entry.name):
                        facts = entry.stat()
                        line = f"{split}/{digit}/{entry.name} {facts.st_size} {facts.st_mtime_ns}\n"
                        hashed.update(line.encode("utf-8", "surrogateescape"))
    return hashed.hexdigest()


def decode(folder: Path, advance: Advance = silent) -> dict[str, Pixels]:
    """Decode Train/digit_0 … Test/digit_9 in the order of `torchvision.datasets.ImageFolder`.

    Returns uint8 (10 * n, 32, 32) by split, classes 0 to 9 in turn. DataError names the class with
    a wrong count, or the image that is damaged or of another size.
    """
    check_counts(folder)
    total, done = CLASSES * sum(checksums.ARTICLE.per_class.values()), itertools.count(1)

    def load(path: str) -> Pixels:
        advance("Checking images", next(done), total)
        return read_image(Path(path))

    def is_png(path: str) -> bool:
        return path.lower().endswith(".png")

    splits = {s: image_folder(folder / FOLDERS[s], is_valid_file=is_png) for s in SPLITS}
    return {s: np.stack([load(path) for path, _ in splits[s].samples]) for s in SPLITS}


def image_folder(folder: Path, **options: Any) -> Any:
    """Return torchvision's `ImageFolder` over the ten digit classes alone."""
    from torchvision.datasets import ImageFolder

    class Digits(ImageFolder):  # type: ignore[misc, unused-ignore]
        def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
            names = [f"digit_{digit}" for digit in range(CLASSES)]
            return names, {name: digit for digit, name in enumerate(names)}

    return Digits(str(folder), **options)


def read_image(path: Path) -> Pixels:
    """Read one PNG as grey values, uint8 (32, 32), checking every chunk.

    RGB is turned to grey with the weights of ITU-R 601-2, equal channels exactly. DataError when
    the file cannot be read, is damaged, or is not 32 x 32 in 8-bit grey or RGB.
    """
    from PIL import Image, UnidentifiedImageError

    name = "/".join(path.parts[-3:])
    try:
        encoded = io.BytesIO(path.read_bytes())
        with Image.open(encoded, formats=("PNG",)) as image:
            _refuse_other_kinds(image, name)
            image.verify()  # every chunk's checksum; nothing is decoded
        with Image.open(encoded, formats=("PNG",)) as image:
            return np.asarray(image.convert("L"))
    except UnidentifiedImageError as error:
        raise _damaged(name, "it is no PNG, or its header is damaged") from error
    except BROKEN as error:
        raise _damaged(name, str(error) or "its chunks do not fit together") from error


def _refuse_other_kinds(image: ImageFile, name: str) -> None:
    if image.size != (SIDE, SIDE):
        raise DataError(
            f"Image {name} is {image.width} x {image.height} pixels, not {SIDE} x {SIDE}.",
            "The study's digits are all of one size; an image of another size is not one of them.",
            FETCH_AGAIN,
        )
    stored = image.tile[0].args if image.tile else image.mode  # as "L;4" or "RGB;16B"
    if image.mode not in MODES or stored != image.mode:
        raise DataError(
            f"Image {name} is neither grey nor RGB of 8 bits.",
            f"Pillow reads it as mode {image.mode!r}, stored as {stored!r}.",
            FETCH_AGAIN,
        )


def _damaged(name: str, why: str) -> DataError:
    return DataError(f"Image {name} is damaged.", f"{why[0].upper()}{why[1:]}.", FETCH_AGAIN)
