"""The article's digits in a data folder: images checked one by one, held against the article's.

They are `digits/{Train,Test}/digit_N/*.png` with `digits/source.json` beside them, and their
pixels, decoded once, in `digits.safetensors`.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hindi_bn.digits import checksums
from hindi_bn.digits.cache import keep_arrays, read_pixels
from hindi_bn.digits.checksums import CLASSES, SIDE, Pixels
from hindi_bn.digits.dataset import Digits, from_pixels, ordered_labels
from hindi_bn.digits.images import Advance, decode, fingerprint, silent
from hindi_bn.digits.staging import install, locked
from hindi_bn.errors import DataError
from hindi_bn.files import read_sealed, refused, write_sealed

CACHE = "digits.safetensors"

BEFORE = ("source", "fetched", "accepted")
"""What `source.json` held before it had a digest."""


def load_real(data_dir: Path, advance: Advance = silent) -> Digits:
    """Load the digits that are in `data_dir`; see `hindi_bn.digits.load`."""
    folder = data_dir / "digits"
    if not folder.is_dir():
        raise DataError(
            f"There are no digits in {data_dir}.",
            "They have not been fetched yet.",
            "fetch them: hindi-bn download (or use the stand-in: --data stand-in)",
        )
    pixels = read_pixels(data_dir / CACHE, {"fingerprint": fingerprint(folder)})
    if pixels is not None:
        return _known(folder, pixels)
    with locked(data_dir):
        return load_there(data_dir, advance)


def load_there(data_dir: Path, advance: Advance = silent) -> Digits:
    """Load the digits that are in `data_dir`, which the caller has locked."""
    folder = data_dir / "digits"
    state = fingerprint(folder)
    pixels = read_pixels(data_dir / CACHE, {"fingerprint": state})
    if pixels is None:
        pixels = decode(folder, advance)
        keep_arrays(data_dir / CACHE, pixels, {"fingerprint": state})
    return _known(folder, pixels)


def _known(folder: Path, pixels: Mapping[str, Pixels]) -> Digits:
    known = _read_source(folder)
    digits = from_pixels("digits", known.get("source", "unknown"), pixels)
    refuse_different(digits, known.get("accepted"))
    return digits


def unseen() -> Digits:
    """The article's digits by their digests alone, to look up what was trained on them.

    Their pixels are 0 and no one may train on them.
    """
    pixels = {
        split: torch.zeros(CLASSES * each, SIDE, SIDE, dtype=torch.uint8)
        for split, each in checksums.ARTICLE.per_class.items()
    }
    labels = {split: ordered_labels(each) for split, each in checksums.ARTICLE.per_class.items()}
    return Digits(
        "digits", "evidence", pixels["train"], labels["train"], pixels["test"], labels["test"],
        checksums.ARTICLE.digests,
    )  # fmt: skip


def refuse_different(digits: Digits, accepted: Mapping[str, str] | None) -> None:
    """Refuse pixels that are neither the article's nor the ones accepted when they were fetched."""
    if digits.identical or dict(digits.digests) == accepted:
        return
    raise DataError(
        f"The digits are not the article's: {checksums.name_classes(digits.differing)} differ.",
        "Their pixels have another digest, though counts and sizes are right"
        + (" and a difference was accepted before, but not this one." if accepted else "."),
        "fetch them again (hindi-bn download --force), or use them all the same "
        "(hindi-bn download --force --accept-different, with the source's name or path); "
        "every table and figure then says so",
    )


def _read_source(folder: Path) -> dict[str, Any]:
    """Read what is known of where the images came from; empty when there is no `source.json`."""
    path = folder / "source.json"
    if not path.exists():
        return {}
    with refused(f"{path} cannot be read.", "delete it", DataError):
        return read_sealed(path, BEFORE)


def keep(
    images: Path, data_dir: Path, source: str, accept_different: bool, advance: Advance
) -> Digits:
    """Verify unpacked images, then move them into place and cache their pixels."""
    pixels = decode(images, advance)
    digits = from_pixels("digits", source, pixels)
    if not accept_different:
        refuse_different(digits, None)
    facts = {
        "source": source,
        "fetched": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "accepted": dict(digits.digests),
    }
    write_sealed(images / "source.json", facts)
    install(images, data_dir / "digits")
    keep_arrays(data_dir / CACHE, pixels, {"fingerprint": fingerprint(data_dir / "digits")})
    return digits
