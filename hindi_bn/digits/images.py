"""From a folder of images in the normalised layout to verified uint8 pixels."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hindi_bn.digits import checksums
from hindi_bn.digits.checksums import CLASSES, FOLDERS, SIDE, SPLITS, Pixels
from hindi_bn.errors import DataError

Advance = Callable[[str, int, int | None], None]
"""Called with what is going on, how much is done and how much there is (None: not known)."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK_OVERHEAD = 12  # length, type and CRC, 4 bytes each
HEADER = struct.Struct(">IIBB")  # the IHDR fields that matter: width, height, depth, colour type
COLOURS = {0: "grey", 2: "RGB"}
FETCH_AGAIN = "fetch the digits again: hindi-bn download --force"


def silent(task: str, done: int, total: int | None) -> None:
    """Report no progress."""


def check_counts(folder: Path) -> None:
    """Check that every class of both splits is there with the right number of images.

    Raises
    ------
    DataError
        Naming every class that is missing or has another number of images.
    """
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
    """Decode both splits in the order of `torchvision.datasets.ImageFolder`.

    Parameters
    ----------
    folder
        Holds Train/digit_0 … Test/digit_9; letters and stray files beside them are left alone.
    advance
        Told the number of images decoded.

    Returns
    -------
    uint8 (10 * n, 32, 32) by split, classes 0 to 9 in turn.

    Raises
    ------
    DataError
        Naming the class with a wrong count or the image that is damaged or of another size.
    """
    check_counts(folder)
    done = 0
    total = CLASSES * sum(checksums.ARTICLE.per_class.values())

    def load(path: str) -> Pixels:
        nonlocal done
        done += 1
        advance("Checking images", done, total)
        return read_image(Path(path))

    return {split: _decode_split(folder / FOLDERS[split], load) for split in SPLITS}


def _decode_split(folder: Path, load: Callable[[str], Pixels]) -> Pixels:
    from torchvision.datasets import ImageFolder

    class Digits(ImageFolder):  # type: ignore[misc, unused-ignore]
        """ImageFolder over the ten digit classes alone."""

        def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
            names = [f"digit_{digit}" for digit in range(CLASSES)]
            return names, {name: digit for digit, name in enumerate(names)}

    images = Digits(
        str(folder), loader=load, is_valid_file=lambda path: path.lower().endswith(".png")
    )
    return np.stack([images[index][0] for index in range(len(images))])


def read_image(path: Path) -> Pixels:
    """Read one PNG as grey values, checking every chunk.

    Returns
    -------
    uint8 (32, 32); RGB is turned to grey with the weights of ITU-R 601-2, equal channels exactly.

    Raises
    ------
    DataError
        When the file cannot be read, is damaged, or is not 32 x 32 in 8-bit grey or RGB.
    """
    from PIL import Image

    name = "/".join(path.parts[-3:])
    try:
        encoded = path.read_bytes()
        check_png(encoded, name)
        with Image.open(io.BytesIO(encoded)) as image:
            return np.asarray(image.convert("L"))
    except (OSError, ValueError, SyntaxError, zlib.error) as error:
        raise _damaged(name, str(error)) from error


def check_png(encoded: bytes, name: str) -> None:
    """Check a PNG's chunks and their CRCs, its size and its colours.

    Pillow skips the CRC of the pixel chunks, so that a flipped bit would go unseen.

    Raises
    ------
    DataError
        Naming the image and what is wrong with it.
    """
    if not encoded.startswith(PNG_SIGNATURE):
        raise _damaged(name, "it does not begin like a PNG")
    position, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if len(encoded) < position + CHUNK_OVERHEAD:
            raise _damaged(name, f"it ends early, after {len(encoded):,} bytes")
        length = int.from_bytes(encoded[position : position + 4], "big")
        end = position + CHUNK_OVERHEAD + length
        if len(encoded) < end:
            raise _damaged(name, f"it ends early, after {len(encoded):,} bytes")
        kind, first = encoded[position + 4 : position + 8], position == len(PNG_SIGNATURE)
        if zlib.crc32(encoded[position + 4 : end - 4]) != int.from_bytes(
            encoded[end - 4 : end], "big"
        ):
            raise _damaged(name, f"the checksum of its {kind.decode('latin-1')!r} chunk is wrong")
        if first != (kind == b"IHDR"):
            raise _damaged(name, "its header is not where it belongs")
        if first:
            _check_header(encoded[position + 8 : end - 4], name)
        position = end


def _check_header(header: bytes, name: str) -> None:
    if len(header) < HEADER.size:
        raise _damaged(name, "its header is too short")
    width, height, depth, colour = HEADER.unpack_from(header)
    if (width, height) != (SIDE, SIDE):
        raise DataError(
            f"Image {name} is {width} x {height} pixels, not {SIDE} x {SIDE}.",
            "The study's digits are all of one size; an image of another size is not one of them.",
            FETCH_AGAIN,
        )
    if colour not in COLOURS or depth != 8:  # noqa: PLR2004
        raise DataError(
            f"Image {name} is neither grey nor RGB of 8 bits.",
            f"Its PNG colour type is {colour} with {depth} bits a channel.",
            FETCH_AGAIN,
        )


def _damaged(name: str, why: str) -> DataError:
    return DataError(f"Image {name} is damaged.", f"{why[0].upper()}{why[1:]}.", FETCH_AGAIN)
