"""The fixed part of a run's training images on which its loss is looked at."""

from dataclasses import dataclass

import torch

from hindi_bn.digits import Digits
from hindi_bn.errors import StudyError
from hindi_bn.records import Record
from hindi_bn.study import Run
from hindi_bn.training.tensors import run_constants, scale, training_digits

IMAGES = 1000


@dataclass(frozen=True)
class Subset:
    """Scaled images (n, 1, side, side) float32 and labels (n,) int64, the classes mixed."""

    images: torch.Tensor
    labels: torch.Tensor
    seed: int

    def __str__(self) -> str:
        return f"{len(self.labels):,} training images, as many of each class, draw {self.seed}"

    def to(self, device: torch.device | str) -> "Subset":
        """Return the same on a device."""
        return Subset(self.images.to(device), self.labels.to(device), self.seed)


def subset_of(record: Record, digits: Digits, images: int = IMAGES, seed: int = 0) -> Subset:
    """Draw images for a run; see `subset`. RunError for digits that it was not trained on."""
    record.check_data(digits)
    return subset(digits, record.run, images, seed)


def subset(digits: Digits, run: Run, images: int = IMAGES, seed: int = 0) -> Subset:
    """Draw as many training images of each class, scaled as the run's; equal seeds draw the same.

    StudyError when there are not so many, or they cannot be the same number of each class.
    """
    used = training_digits(digits, run)
    classes, counts = used.train_labels.unique(return_counts=True)
    each, most = images // len(classes), int(counts.min())
    if not 1 <= each <= most or each * len(classes) != images:
        raise StudyError(
            f"The loss cannot be looked at on {images:,} images.",
            f"They are to be the same number of each of {len(classes)} classes; there are at least "
            f"{most:,} training images of each.",
            f"choose a multiple of {len(classes)} up to {most * len(classes)} with --images",
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(used.train_labels), generator=generator)
    labels = used.train_labels[order]
    drawn = torch.cat([order[labels == one][:each] for one in classes])
    drawn = drawn[torch.randperm(len(drawn), generator=generator)]
    scaled = scale(used.train_images[drawn], run_constants(digits, run))
    return Subset(scaled, used.train_labels[drawn], seed)
