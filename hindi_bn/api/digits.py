"""The digits: load, fetch, describe and show them."""

import logging
import os
from pathlib import Path
from typing import Any

from hindi_bn import digits as source
from hindi_bn.digits import Digits
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.digits.images import Advance, silent
from hindi_bn.errors import DataError
from hindi_bn.training.tensors import mean_and_std


def load_digits(
    data_dir: str | os.PathLike[str] = "data",
    name: str = "digits",
    *,
    fetch: bool = False,
    archive: str | os.PathLike[str] | None = None,
    note: Note = no_note,
    advance: Advance = silent,
) -> Digits:
    """Load a data set, every pixel checked; DataError when it is missing or damaged.

    Args:
        name: `digits`, the stand-in, or another data set that `hindi-bn download --name` lists.
        fetch: Get real digits that are not there from the first source that has them: `archive` (a
            file or folder), archives in `data_dir`, Kaggle, UCI. Where none has, the stand-in takes
            their place and says so in its title.
        note, advance: Called with what happens in words, and with (task, done, total).
    """
    folder = Path(data_dir)
    try:
        digits = source.load(folder, name, advance)
    except DataError:
        if name != "digits" or not fetch:
            raise
        digits = source.resolve(folder, None if archive is None else Path(archive), note, advance)
    logging.getLogger("hindi_bn").debug("Data in %s: %s.", folder, digits.title)
    return digits


def download(
    origin: str = "auto",
    path: str | os.PathLike[str] | None = None,
    *,
    data_dir: str | os.PathLike[str] = "data",
    force: bool = False,
    accept_different: bool = False,
    note: Note = no_note,
    advance: Advance = silent,
) -> Digits:
    """Fetch a data set, check it and put it into `data_dir` in one step; DataError if that fails.

    Args:
        origin: `kaggle`, `uci`, `archive` or `folder` (with `path`), the stand-in, or another data
            set by name; `auto` takes `path`, or tries all sources of the real digits in order.
        force, accept_different: Fetch even though verified digits are there; keep digits that are
            not the article's.
    """
    return source.fetch(
        origin, Path(data_dir), None if path is None else Path(path),
        force=force, accept_different=accept_different, note=note, advance=advance,
    )  # fmt: skip


def describe_digits(digits: Digits, data_dir: str | os.PathLike[str] = "data") -> dict[str, Any]:
    """Describe a data set: title, source, counts, digests, moments of all pixels (grey 0 to 1)."""
    splits = {"train": digits.train_images, "test": digits.test_images}
    moments = {split: mean_and_std(images) for split, images in splits.items()}
    return {
        "name": digits.name, "title": digits.title, "source": digits.source,
        "folder": str(data_dir), "identical": digits.identical,
        "differing_classes": digits.differing if digits.name == "digits" else None,
        "counts": digits.counts, "sha256": dict(digits.digests),
        "mean": {split: mean for split, (mean, _) in moments.items()},
        "std": {split: std for split, (_, std) in moments.items()},
    }  # fmt: skip


def draw_contact_sheet(digits: Digits, file: str | os.PathLike[str], per_class: int = 20) -> Path:
    """Draw the first training images of each class into a .png, .svg or .pdf file."""
    from hindi_bn.figures.digits import contact_sheet_figure
    from hindi_bn.figures.style import Caption, save_as

    images, labels, path = digits.train_images.numpy(), digits.train_labels.numpy(), Path(file)
    caption = Caption(digits.title, f"first {per_class} training images of each class")
    figure = contact_sheet_figure(images, labels, per_class, caption)
    return save_as(figure, path if path.suffix else path.with_suffix(".png"))
