"""From verified images to the tensors that a network trains on, once, on its device."""

from dataclasses import dataclass, replace

import numpy
import torch

from hindi_bn.digits import Digits
from hindi_bn.errors import StudyError
from hindi_bn.study import Run, Scaling


@dataclass(frozen=True)
class Tensors:
    """Scaled images (n, 1, 32, 32) float32 and labels (n,) int64, on one device.

    The training images may also be grey values, uint8 (n, 32, 32), a quarter as large, which
    `training_batch` scales.
    """

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    background: float = 0.0  # what black, the grey value around the strokes, becomes by scaling
    constants: tuple[float, float] = (0.0, 1.0)  # of grey values, see `scale`

    def training_batch(self, places: torch.Tensor) -> torch.Tensor:
        """Return the scaled training images at these places, (batch, 1, 32, 32)."""
        if self.train_images.dtype != torch.uint8:
            return self.train_images[places]
        # By numpy, with the same bits: torch would wake its threads for it, which then keep the
        # engine's from their work for a while.
        images = self.train_images.numpy()[places.numpy()].astype(numpy.float32)
        images /= numpy.float32(255)
        if self.constants != (0.0, 1.0):
            images -= numpy.float32(self.constants[0])
            images /= numpy.float32(self.constants[1])
        return torch.from_numpy(images).unsqueeze(1)


def training_digits(digits: Digits, run: Run) -> Digits:
    """Return the digits with the training images that a run uses: all, or `run.train_images`.

    Of each digit the same number of images count, evenly spread over the data set's order: images
    that stand together may be of the same hand. StudyError when there are not so many, or they
    cannot be the same number of each digit.
    """
    wanted, labels = run.train_images, digits.train_labels
    if wanted is None or wanted == len(labels):
        return digits
    classes, counts = labels.unique(return_counts=True)
    each, most = wanted // len(classes), int(counts.min())
    if each > most or each * len(classes) != wanted:
        raise StudyError(
            f"Run {run.name!r} cannot be trained on {wanted} images.",
            f"They are to be the same number of each of {len(classes)} digits; there are at least "
            f"{most} training images of each.",
            f"set train_images to a multiple of {len(classes)} up to {most * len(classes)}, or "
            "leave it away to train on all",
        )
    spread = [
        places[torch.arange(each) * len(places) // each]
        for places in ((labels == digit).nonzero().flatten() for digit in classes)
    ]
    chosen = torch.cat(spread).sort().values
    return replace(digits, train_images=digits.train_images[chosen], train_labels=labels[chosen])


def scaling_constants(train_images: torch.Tensor, scaling: Scaling) -> tuple[float, float]:
    """Return (shift, divisor) of grey values 0..1, from uint8 images (n, height, width)."""
    if scaling == "unit":
        return 0.0, 1.0
    if scaling == "half":
        return 0.5, 0.5
    return mean_and_std(train_images)


def mean_and_std(images: torch.Tensor) -> tuple[float, float]:
    """Return mean and population standard deviation of uint8 images, as grey values 0..1."""
    counts = torch.bincount(images.flatten(), minlength=256).double()
    grey = torch.arange(256, dtype=torch.float64) / 255
    mean = (counts * grey).sum() / counts.sum()
    variance = (counts * (grey - mean) ** 2).sum() / counts.sum()
    return float(mean), float(variance.sqrt())


def run_constants(digits: Digits, run: Run) -> tuple[float, float]:
    """Return the scaling constants of a run, from the training images that it uses."""
    return scaling_constants(training_digits(digits, run).train_images, run.scaling)


def scale(images: torch.Tensor, constants: tuple[float, float]) -> torch.Tensor:
    """Turn uint8 (n, height, width) into scaled float32 (n, 1, height, width)."""
    shift, divisor = constants
    scaled = images.unsqueeze(1).to(torch.float32).div_(255)
    return scaled if (shift, divisor) == (0.0, 1.0) else scaled.sub_(shift).div_(divisor)


def run_tensors(digits: Digits, run: Run, device: torch.device) -> Tensors:
    """Return what a run trains on: grey training images where its steps can scale them."""
    grey = device.type == "cpu" and run.augment == "none"
    return to_tensors(digits, run.scaling, device, grey=grey)


def to_tensors(
    digits: Digits, scaling: Scaling, device: torch.device, *, grey: bool = False
) -> Tensors:
    """Scale all images, or leave the training images `grey`, and put everything on `device`."""
    shift, divisor = constants = scaling_constants(digits.train_images, scaling)
    train_images = digits.train_images if grey else scale(digits.train_images, constants)
    return Tensors(
        train_images.to(device),
        digits.train_labels.to(device),
        scale(digits.test_images, constants).to(device),
        digits.test_labels.to(device),
        background=(0.0 - shift) / divisor,
        constants=constants,
    )
