"""From verified images to the tensors that a network trains on, once, on its device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hindi_bn.digits import Digits
from hindi_bn.study import Scaling


@dataclass(frozen=True)
class Tensors:
    """Scaled images (n, 1, 32, 32) float32 and labels (n,) int64, on one device."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


def scaling_constants(train_images: torch.Tensor, scaling: Scaling) -> tuple[float, float]:
    """Return (shift, divisor) for grey values 0..1: scaled = (x - shift) / divisor.

    Parameters
    ----------
    train_images
        uint8 (n, height, width); `standard` takes mean and population deviation from them.
    """
    if scaling == "unit":
        return 0.0, 1.0
    if scaling == "half":
        return 0.5, 0.5
    counts = torch.bincount(train_images.flatten(), minlength=256).double()
    grey = torch.arange(256, dtype=torch.float64) / 255
    mean = (counts * grey).sum() / counts.sum()
    variance = (counts * (grey - mean) ** 2).sum() / counts.sum()
    return float(mean), float(variance.sqrt())


def scale(images: torch.Tensor, constants: tuple[float, float]) -> torch.Tensor:
    """Turn uint8 (n, height, width) into scaled float32 (n, 1, height, width)."""
    shift, divisor = constants
    scaled = images.unsqueeze(1).to(torch.float32).div_(255)
    return scaled if (shift, divisor) == (0.0, 1.0) else scaled.sub_(shift).div_(divisor)


def to_tensors(digits: Digits, scaling: Scaling, device: torch.device) -> Tensors:
    """Scale all images and put everything on `device`."""
    constants = scaling_constants(digits.train_images, scaling)
    return Tensors(
        scale(digits.train_images, constants).to(device),
        digits.train_labels.to(device),
        scale(digits.test_images, constants).to(device),
        digits.test_labels.to(device),
    )
