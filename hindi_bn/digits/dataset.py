"""The digits as verified tensors: what is in a data folder, checked before every use.

A data folder holds `digits/{Train,Test}/digit_N/*.png` with `digits/source.json` beside them,
`digits.safetensors` (their pixels, decoded once) and `drawn.safetensors` (the stand-in);
`mnist.safetensors` and `fashion-mnist.safetensors` if these were downloaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from hindi_bn.digits import checksums
from hindi_bn.digits.checksums import CLASSES, SPLITS, Pixels
from hindi_bn.digits.images import Advance, decode, fingerprint, silent
from hindi_bn.digits.staging import locked
from hindi_bn.errors import DataError
from hindi_bn.files import replacing

CACHE = "digits.safetensors"
DRAWN_CACHE = "drawn.safetensors"
DRAWN_TITLE = "drawn stand-in, not the article's data"
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
"""Data sets beside the digits: 28 x 28, never compared with the article."""


@dataclass(frozen=True, eq=False)
class Digits:
    """A set of digits whose pixels have been checked against their digests.

    Parameters
    ----------
    name
        `digits`, `drawn` for the stand-in, `mnist` or `fashion-mnist`.
    source
        Where they came from, as `kaggle` or `archive hindi-character-recognition.zip`.
    train_images, test_images
        uint8 (17000, 32, 32) and (3000, 32, 32), white strokes on black, ordered by class;
        (60000, 28, 28) and (10000, 28, 28) for MNIST and Fashion-MNIST, in their own order.
    train_labels, test_labels
        int64 (17000,) and (3000,), or (60000,) and (10000,); 0 to 9.
    digests
        SHA-256 (hex) of the pixels, by split.
    """

    name: str
    source: str
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    digests: Mapping[str, str]

    @property
    def identical(self) -> bool:
        """Whether every pixel is the article's."""
        return dict(self.digests) == dict(checksums.ARTICLE.digests)

    @cached_property
    def differing(self) -> dict[str, list[int]]:
        """Classes whose pixels are not the article's, by split."""
        if self.identical:
            return {split: [] for split in SPLITS}
        return {
            "train": checksums.differing_classes("train", self.train_images.numpy()),
            "test": checksums.differing_classes("test", self.test_images.numpy()),
        }

    @property
    def title(self) -> str:
        """The data's name, as every table and figure made from it prints."""
        if self.name == "drawn":
            return DRAWN_TITLE
        if self.name in TITLES:
            return TITLES[self.name]
        if self.identical:
            total = len(self.train_labels) + len(self.test_labels)
            return f"Hindi digits, identical to the article's {total:,} images"
        where = checksums.name_classes(self.differing)
        return f"Hindi digits, NOT identical to the article's ({where})"

    @property
    def counts(self) -> dict[str, list[int]]:
        """Images of the classes 0 to 9, by split."""
        return {
            "train": torch.bincount(self.train_labels, minlength=CLASSES).tolist(),
            "test": torch.bincount(self.test_labels, minlength=CLASSES).tolist(),
        }


def load(data_dir: Path, name: str = "digits", advance: Advance = silent) -> Digits:
    """Load digits that are in `data_dir`, checked; nothing is fetched.

    Parameters
    ----------
    data_dir
        The data folder.
    name
        `digits` for the real ones; `drawn` for the stand-in, which is drawn when it is missing;
        `mnist` or `fashion-mnist`.
    advance
        Told the progress when images must be decoded.

    Raises
    ------
    DataError
        When they are missing, incomplete, damaged, or not what was accepted when fetched.
    """
    if name == "drawn":
        return _load_drawn(data_dir)
    if name in TITLES:
        return _load_mnist(data_dir, name)
    if name != "digits":
        choices = ", ".join(("digits", "drawn", *TITLES))
        raise DataError(f"There is no data set {name!r}.", "", f"choose one of {choices}")
    folder = data_dir / "digits"
    if not folder.is_dir():
        raise DataError(
            f"There are no digits in {data_dir}.",
            "They have not been fetched yet.",
            "fetch them: hindi-bn download (or use the drawn stand-in: --data drawn)",
        )
    pixels = read_pixels(data_dir / CACHE, {"fingerprint": fingerprint(folder)})
    if pixels is not None:
        return _known(folder, pixels)
    with locked(data_dir):
        return load_there(data_dir, advance)


def load_there(data_dir: Path, advance: Advance = silent) -> Digits:
    """Load the real digits that are in `data_dir`, which the caller has locked; see `load`."""
    folder = data_dir / "digits"
    state = fingerprint(folder)
    pixels = read_pixels(data_dir / CACHE, {"fingerprint": state})
    if pixels is None:
        pixels = decode(folder, advance)
        write_pixels(data_dir / CACHE, pixels, {"fingerprint": state})
    return _known(folder, pixels)


def _known(folder: Path, pixels: Mapping[str, Pixels]) -> Digits:
    known = read_source(folder)
    digits = from_pixels("digits", known.get("source", "unknown"), pixels)
    refuse_different(digits, known.get("accepted"))
    return digits


def from_pixels(name: str, source: str, pixels: Mapping[str, Pixels]) -> Digits:
    """Make the data set from uint8 (10 * n, 32, 32) by split, ordered by class."""
    labels = {
        split: torch.arange(CLASSES).repeat_interleave(len(images) // CLASSES)
        for split, images in pixels.items()
    }
    return Digits(
        name,
        source,
        torch.from_numpy(pixels["train"]),
        labels["train"],
        torch.from_numpy(pixels["test"]),
        labels["test"],
        {split: checksums.digest(images) for split, images in pixels.items()},
    )


def refuse_different(digits: Digits, accepted: Mapping[str, str] | None) -> None:
    """Refuse pixels that are neither the article's nor the ones accepted when they were fetched.

    Raises
    ------
    DataError
        Naming the classes that differ.
    """
    if digits.identical or dict(digits.digests) == accepted:
        return
    raise DataError(
        "The digits are not the article's: "
        + checksums.name_classes(digits.differing)
        + " differ.",
        "Their pixels have another digest, though counts and sizes are right"
        + (" and a difference was accepted before, but not this one." if accepted else "."),
        "fetch them again (hindi-bn download --force), or use them all the same "
        "(hindi-bn download --force --accept-different, with the source's name or path); "
        "every table and figure then says so",
    )


def read_source(folder: Path) -> dict[str, Any]:
    """Read `source.json`, what is known of where the images came from; empty when missing.

    Raises
    ------
    DataError
        When the file is damaged.
    """
    path = folder / "source.json"
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read.", str(error), "delete it") from error
    if not isinstance(known, dict):
        raise DataError(f"{path} cannot be read.", "It holds no JSON object.", "delete it")
    return known


def read_pixels(path: Path, expected: Mapping[str, str]) -> dict[str, Pixels] | None:
    """Read cached pixels; None when there are none, or they are stale or damaged.

    See `read_arrays` for the errors.

    Parameters
    ----------
    path
        A safetensors file.
    expected
        What its metadata must say for it to be fresh.
    """
    arrays, facts = read_arrays(path, SPLITS)
    fresh = all(facts.get(key) == value for key, value in expected.items())
    return arrays if arrays and fresh else None


def read_arrays(path: Path, names: Sequence[str]) -> tuple[dict[str, Pixels], dict[str, str]]:
    """Read cached uint8 arrays and the facts beside them; both empty when missing or damaged.

    Raises
    ------
    DataError
        When the file is there but must not be read.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return {}, {}
    try:
        with safe_open(path, framework="numpy") as stored:
            facts = stored.metadata() or {}
            arrays = {name: stored.get_tensor(name) for name in names}
    except SafetensorError:
        return {}, {}
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{path} cannot be read.", why, "check its permissions") from error
    intact = all(facts.get(name) == checksums.digest(array) for name, array in arrays.items())
    return (arrays, facts) if intact else ({}, {})


def write_pixels(path: Path, pixels: Mapping[str, Pixels], facts: Mapping[str, str]) -> None:
    """Write pixels with their digests and `facts` as metadata, in one step."""
    from safetensors.numpy import save_file

    digests = {split: checksums.digest(images) for split, images in pixels.items()}
    with replacing(path) as temporary:
        save_file(dict(pixels), temporary, metadata=digests | dict(facts))


def _load_drawn(data_dir: Path) -> Digits:
    cache = data_dir / DRAWN_CACHE
    facts = {"drawing": _drawing_code()}
    pixels = read_pixels(cache, facts)
    if pixels is None:
        from hindi_bn.digits.stand_in import draw

        with locked(data_dir):
            pixels = read_pixels(cache, facts)  # another process may have drawn it by now
            if pixels is None:
                pixels = dict(zip(SPLITS, draw(), strict=True))
                write_pixels(cache, pixels, facts)
    return from_pixels("drawn", "drawn", pixels)


def _load_mnist(data_dir: Path, name: str) -> Digits:
    path = data_dir / f"{name}.safetensors"
    arrays, facts = read_arrays(path, (*SPLITS, *(f"{split}_labels" for split in SPLITS)))
    if not arrays:
        damaged = path.exists()
        raise DataError(
            f"{path} is damaged." if damaged else f"{TITLES[name]} is not in {data_dir}.",
            "Its digests do not fit." if damaged else "It has not been fetched yet.",
            f"fetch it: hindi-bn download --name {name}",
        )
    return Digits(
        name,
        facts.get("source", "unknown"),
        torch.from_numpy(arrays["train"]),
        torch.from_numpy(arrays["train_labels"]).long(),
        torch.from_numpy(arrays["test"]),
        torch.from_numpy(arrays["test_labels"]).long(),
        {split: facts[split] for split in SPLITS},
    )


def _drawing_code() -> str:
    """Return a hash of the code that draws, so that a changed drawing is drawn again."""
    hashed = hashlib.sha256()
    for module in ("stand_in.py", "strokes.py"):
        hashed.update((Path(__file__).parent / module).read_bytes())
    return hashed.hexdigest()
