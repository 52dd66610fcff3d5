"""How round the error surface of the first layer is, by what the images' scaling makes of them."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import AT_ONCE
from hindi_bn.networks import kind_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale, training_digits

ROUNDING = 1e-9
"""Eigenvalues below this share of the largest are 0 but for rounding."""

VERSION = 1
VALUES = {
    "condition": Metric("Condition number of the first layer's inputs"),
    "largest_over_mean": Metric("Largest over mean eigenvalue of the first layer's inputs"),
    "largest": Metric("Largest eigenvalue of the first layer's inputs"),
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure the eigenvalues of the second moments of what the first layer sees.

    LeCun et al., Efficient BackProp (1998), section 5.1: they are the curvatures of a linear
    layer's squared error. A convolution sees patches of the scaled training images, here those that
    lie within them, a linear layer whole images, both with a 1 for the bias. The moments are about
    zero, not about the mean: the covariance of the pixels has the same condition number under every
    scaling, as each shifts and divides all pixels alike. `condition` is the largest eigenvalue over
    the smallest; there is none where a pixel never changes. No weight enters: it is the same for
    all seeds.
    """
    used = training_digits(digits, record.run)
    layers = (
        each
        for each in load_network(record).children()
        if kind_of(each) in ("convolution", "linear")
    )
    first = next(layers, None)
    images = scale(used.train_images, run_constants(digits, record.run))
    values = torch.linalg.eigvalsh(second_moments(first, images))
    smallest, largest = float(values[0]), float(values[-1])
    round_ = smallest > ROUNDING * largest
    return {
        "condition": largest / smallest if round_ else float("nan"),
        "largest_over_mean": largest / float(values.mean()),
        "largest": largest,
    }


def second_moments(layer: nn.Module | None, images: torch.Tensor) -> torch.Tensor:
    """Average x x' over what a layer's weights are multiplied with, 1 for the bias at its end.

    `images` are scaled, (n, 1, height, width); returns float64 (inputs + 1, inputs + 1).
    """
    moments, count = torch.zeros((), dtype=torch.float64), 0
    for batch in images.split(AT_ONCE):
        seen = _seen(layer, batch).double()
        seen = torch.cat([seen, torch.ones(len(seen), 1, dtype=torch.float64)], dim=1)
        moments, count = moments + seen.T @ seen, count + len(seen)
    return moments / count


def _seen(layer: nn.Module | None, images: torch.Tensor) -> torch.Tensor:
    """Return what a layer's weights are multiplied with: (images * places, inputs)."""
    kernel: Any = getattr(layer, "kernel_size", None)
    if kernel is None:
        return images.flatten(1)
    stride: Any = getattr(layer, "stride", 1)
    return functional.unfold(images, kernel, stride=stride).transpose(1, 2).flatten(0, 1)
