"""A data set as verified tensors, and what every data set can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import torch

from hindi_bn import registry
from hindi_bn.digits import checksums
from hindi_bn.digits.checksums import CLASSES, SIDE, SPLITS, Pixels
from hindi_bn.digits.images import Advance, silent
from hindi_bn.errors import DataError

FOLDER = "digits/datasets"

Note = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Digits:
    """A set of digits whose pixels have been checked against their digests.

    Args:
        name, source: Of the data set, as `digits`; where they came from, as `kaggle`.
        train_images, test_images: uint8 (17000, 32, 32) and (3000, 32, 32), white strokes on black,
            ordered by class; (60000, 28, 28) and (10000, 28, 28) for MNIST and Fashion-MNIST, in
            their own order.
        train_labels, test_labels: int64 (17000,) and (3000,), or (60000,) and (10000,); 0 to 9.
        digests: SHA-256 (hex) of the pixels, by split.
    """

    name: str
    source: str
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    digests: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse arrays that are no images with labels: a digest of bytes tells no shape."""
        for split, (images, labels) in self._splits.items():
            square = images.ndim == 3 and images.shape[1] == images.shape[2]  # noqa: PLR2004
            if images.dtype != torch.uint8 or not square:
                found = f"{images.dtype} {tuple(images.shape)}"
                raise DataError(f"The {split} images are not uint8 (n, side, side).", found)
            known = labels.dtype == torch.int64 and bool(((labels >= 0) & (labels < CLASSES)).all())
            if labels.shape != images.shape[:1] or not known:
                found = f"{labels.dtype} {tuple(labels.shape)}"
                raise DataError(f"The {split} labels are not int64 (n,) from 0 to 9.", found)

    @property
    def _splits(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        return {
            "train": (self.train_images, self.train_labels),
            "test": (self.test_images, self.test_labels),
        }

    @property
    def identical(self) -> bool:
        """Whether every image is the article's, with its label."""
        article = checksums.ARTICLE
        alike = (
            images.shape == (CLASSES * article.per_class[split], SIDE, SIDE)
            and torch.equal(labels, ordered_labels(article.per_class[split]))
            for split, (images, labels) in self._splits.items()
        )
        return dict(self.digests) == dict(article.digests) and all(alike)

    @cached_property
    def differing(self) -> dict[str, list[int]]:
        """Classes whose pixels are not the article's, by split."""
        if self.identical:
            return {split: [] for split in SPLITS}
        images = {"train": self.train_images, "test": self.test_images}
        return {
            split: checksums.differing_classes(split, images[split].numpy()) for split in SPLITS
        }

    @property
    def title(self) -> str:
        """The data's name, as every table and figure made from it prints."""
        return data_set(self.name).title_of(self)

    @property
    def counts(self) -> dict[str, list[int]]:
        """Images of the classes 0 to 9, by split."""
        labels = {"train": self.train_labels, "test": self.test_labels}
        return {s: torch.bincount(labels[s], minlength=CLASSES).tolist() for s in SPLITS}


@dataclass(frozen=True)
class DataSet(ABC):
    """A data set that studies name; each is `DATA_SET` in a file of `hindi_bn/digits/datasets`.

    Its name is its file's, with hyphens; its title is for print; its images are square.
    """

    name: str
    title: str
    image_size: int

    @abstractmethod
    def load(self, data_dir: Path, advance: Advance = silent) -> Digits:
        """Return what is in `data_dir`, checked; DataError when it is missing or damaged."""

    @abstractmethod
    def fetch(self, data_dir: Path, *, force: bool, note: Note, advance: Advance) -> Digits:
        """Put it into `data_dir` in one step, even if it is there when `force` says so.

        Raises SourceError when it cannot be had, HindiBnError when `data_dir` cannot be written.
        """

    def title_of(self, digits: Digits) -> str:
        """Return the name in print of what was loaded."""
        return self.title


def data_set(name: str) -> DataSet:
    """Return the data set called `name`; DataError when there is none."""
    names = registry.names(FOLDER)
    if name not in names:
        raise DataError(f"There is no data set {name!r}.", "", f"choose one of {', '.join(names)}")
    return cast(DataSet, registry.find(FOLDER, name).DATA_SET)


def load(data_dir: Path, name: str = "digits", advance: Advance = silent) -> Digits:
    """Load a data set that is in `data_dir`, checked; nothing is fetched.

    DataError when it is missing, incomplete, damaged, or not what was accepted when fetched.
    """
    return data_set(name).load(data_dir, advance)


def from_pixels(name: str, source: str, pixels: Mapping[str, Pixels]) -> Digits:
    """Make a data set from uint8 (10 * n, 32, 32) by split, ordered by class."""
    tensors: dict[str, torch.Tensor] = {}
    for split, images in pixels.items():
        labels = ordered_labels(len(images) // CLASSES)
        tensors |= {f"{split}_images": torch.from_numpy(images), f"{split}_labels": labels}
    digests = {split: checksums.digest(images) for split, images in pixels.items()}
    return Digits(name, source, digests=digests, **tensors)


def ordered_labels(each: int) -> torch.Tensor:
    """Return the labels of as many images of each class, class by class: int64 (10 * each,)."""
    return torch.arange(CLASSES).repeat_interleave(each)
