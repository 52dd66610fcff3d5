"""The digits that go aboard: drawn ones, or the study's own."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hindi_bn.digits import Digits
from hindi_bn.digits.checksums import CLASSES
from hindi_bn.digits.stand_in import draw
from hindi_bn.errors import StudyError
from hindi_bn.page.weights import deflated

Kind = Literal["stand-in", "real"]

STAND_IN = "the stand-in: drawn digits, not the article's"
SOURCES = {
    "digits": "Devanagari Handwritten Character Dataset by S. Acharya, A. K. Pant and P. K. "
    "Gyawali (2015), UCI Machine Learning Repository, CC BY 4.0",
}
"""Where real digits are from, and their licence."""


@dataclass(frozen=True)
class Chosen:
    """Digits aboard: uint8 images (n, 32, 32), labels (n,), and their places in the test set."""

    kind: Kind
    title: str
    licence: str
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    test_places: list[int]

    @property
    def packed(self) -> bytes:
        """Images and labels as bytes: the training digits', then the test digits', packed."""
        tensors = (self.train_images, self.train_labels, self.test_images, self.test_labels)
        return deflated(b"".join(each.to(torch.uint8).numpy().tobytes() for each in tensors))

    @property
    def described(self) -> dict[str, Any]:
        """What the page is told of them."""
        return {
            "kind": self.kind, "title": self.title, "licence": self.licence, "blob": "digits",
            "train": len(self.train_labels), "test": len(self.test_labels),
            "test_places": self.test_places,
        }  # fmt: skip


def drawn(train: int, test: int) -> Chosen:
    """Draw the stand-in's first digits of each class, which anyone may pass on."""
    _check(train, test)
    images = draw(train_per_class=train // CLASSES, test_per_class=test // CLASSES)
    labels = [torch.arange(CLASSES).repeat_interleave(len(each) // CLASSES) for each in images]
    tensors = [torch.from_numpy(each) for each in images]
    return Chosen(
        "stand-in", STAND_IN, "", tensors[0], labels[0], tensors[1], labels[1], [*range(test)]
    )


def chosen(digits: Digits, train: int, test: int) -> Chosen:
    """Choose of each class as many of a data set's digits, evenly spread over its order.

    StudyError where there are not so many.
    """
    _check(train, test)
    first = _spread(digits.train_labels, train, "training")
    second = _spread(digits.test_labels, test, "test")
    return Chosen(
        "real", digits.title, SOURCES.get(digits.name, ""),
        digits.train_images[first], digits.train_labels[first],
        digits.test_images[second], digits.test_labels[second], second.tolist(),
    )  # fmt: skip


def _check(train: int, test: int) -> None:
    for name, count in (("training", train), ("test", test)):
        if count < CLASSES or count % CLASSES:
            raise StudyError(
                f"There cannot be {count} {name} digits aboard.",
                f"Each of {CLASSES} classes has the same number of them.",
                f"give --{name} a multiple of {CLASSES}",
            )


def _spread(labels: torch.Tensor, count: int, name: str) -> torch.Tensor:
    places: list[NDArray[np.int64]] = []
    for digit in range(CLASSES):
        of_class = (labels == digit).nonzero().flatten().numpy()
        each = count // CLASSES
        if each > len(of_class):
            raise StudyError(
                f"There are no {count:,} {name} digits to put aboard.",
                f"Of the digit {digit} there are {len(of_class):,}.",
                f"give --{name} {CLASSES * len(of_class)} or less",
            )
        places.append(of_class[np.arange(each) * len(of_class) // each])
    return torch.from_numpy(np.sort(np.concatenate(places)))
