"""Real batches: a digit of the test set, or an image of one's own, among test images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hindi_bn.digits import Digits
from hindi_bn.digits.own_images import prepare
from hindi_bn.errors import DataError


@dataclass(frozen=True, eq=False)
class RealBatch:
    """Images (batch, height, width) that go through a network together; the first is asked about.

    A label is None where the digit is not known; `prepared` is what was done to an own image.
    """

    images: torch.Tensor
    labels: tuple[int | None, ...]
    description: str
    prepared: tuple[str, ...] = ()


def batch_of_digit(digits: Digits, digit: int, index: int, batch_size: int) -> RealBatch:
    """Return a batch that begins with the test image `index` (from 0) of class `digit`.

    DataError when the class has no such image, or the test set has too few.
    """
    of_class = (digits.test_labels == digit).nonzero().flatten()
    if not 0 <= index < len(of_class):
        raise DataError(
            f"There is no test image {index} of digit {digit}.",
            f"The test set has {len(of_class)} images of it, counted from 0.",
            "choose another --index",
        )
    first = int(of_class[index])
    places = [first, *spread(len(digits.test_labels), batch_size - 1, first)]
    return RealBatch(
        digits.test_images[places],
        tuple(digits.test_labels[places].tolist()),
        f"test image {index} of digit {digit}{_company(batch_size - 1)} ({digits.title})",
    )


def batch_of_image(digits: Digits, file: Path, batch_size: int) -> RealBatch:
    """Return a batch that begins with an image of one's own, prepared like the data set's.

    DataError when the file shows nothing readable; when the data's images are too few or of another
    size.
    """
    pixels, steps = prepare(file)
    if pixels.shape != tuple(digits.test_images.shape[1:]):
        raise DataError(
            "An own image cannot stand among the images of this run's data.",
            f"It is prepared as {pixels.shape}, and theirs are "
            f"{tuple(digits.test_images.shape[1:])}.",
            "choose a --run that was trained on the Hindi digits",
        )
    others = spread(len(digits.test_labels), batch_size - 1)
    return RealBatch(
        torch.cat([torch.from_numpy(pixels).unsqueeze(0), digits.test_images[others]]),
        (None, *digits.test_labels[others].tolist()),
        f"{file}{_company(batch_size - 1)} ({digits.title})",
        tuple(steps),
    )


def spread(images: int, count: int, without: int | None = None) -> list[int]:
    """Choose `count` places evenly spread over a test set ordered by class, all but `without`.

    DataError when there are not so many.
    """
    free = [place for place in range(images) if place != without]
    if count > len(free):
        raise DataError(
            f"A batch of {count + 1} images is too large.",
            f"The test set has {images} images.",
            "choose a smaller --batch-size",
        )
    steps = ((np.arange(count) + 0.5) * len(free) / max(count, 1)).astype(int)
    return [free[step] for step in steps]


def _company(others: int) -> str:
    if others == 0:
        return " alone"
    return f" and {others} test image{'s' if others > 1 else ''} spread evenly over the classes"
