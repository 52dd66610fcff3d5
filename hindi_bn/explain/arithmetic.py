"""The arithmetic of batch norm in NumPy and float64, apart from torch, which it is held against.

Arrays are (batch, channels) or (batch, channels, height, width); statistics are (channels,).
"""

import math
from collections.abc import Mapping

import numpy as np

from hindi_bn.explain.document import Array, Values

EPS, MOMENTUM = 1e-5, 0.1  # torch's defaults


def has_pixels(x: Array) -> bool:
    """Whether `x` holds feature maps: (batch, channels, height, width)."""
    return x.ndim > 2  # noqa: PLR2004


def values_per_channel(x: Array) -> int:
    """Return how many values each channel has: batch, or batch times height times width."""
    return int(x.size) // int(x.shape[1])


def beside(statistics: Array, x: Array) -> Array:
    """Shape (channels,) so that it stands beside `x`: (1, channels) or (1, channels, 1, 1)."""
    return statistics.reshape(1, -1, *[1] * (x.ndim - 2))


def channel_sum(x: Array) -> Array:
    """Add up each channel over the batch and its pixels: (channels,)."""
    return np.asarray(x.sum(axis=(0, *range(2, x.ndim))))


def mean(x: Array) -> Array:
    """Mean of each channel: (channels,)."""
    return channel_sum(x) / values_per_channel(x)


def biased_variance(x: Array) -> Array:
    """Mean squared distance from the channel's mean: (channels,)."""
    return channel_sum((x - beside(mean(x), x)) ** 2) / values_per_channel(x)


def unbiased_variance(x: Array) -> Array:
    """Sum of squared distances divided by one less than their number; nan for one value."""
    count = values_per_channel(x)
    return biased_variance(x) * (count / (count - 1) if count > 1 else math.nan)


def mean_and_std(name: str, x: Array) -> tuple[Values, Values]:
    """Return a step's numbers: mean and root of the biased variance of each channel."""
    std = np.sqrt(biased_variance(x))
    return Values(f"mean of {name}", mean(x)), Values(f"std of {name}", std)


def with_statistics(batches: Mapping[str, Array]) -> dict[str, Array]:
    """Return batches by name, and beside each its channels' `<name>_mean` and `<name>_std`."""
    means = {f"{name}_mean": mean(x) for name, x in batches.items()}
    stds = {f"{name}_std": np.sqrt(biased_variance(x)) for name, x in batches.items()}
    return {**batches, **means, **stds}


def normalise(x: Array, centre: Array, variance: Array, eps: float) -> Array:
    """Return (x - centre) / sqrt(variance + eps), channel by channel; the shape of `x`."""
    return (x - beside(centre, x)) / np.sqrt(beside(variance, x) + eps)


def scale_and_shift(normalised: Array, gamma: Array, beta: Array) -> Array:
    """Return gamma * normalised + beta, channel by channel; the shape of `normalised`."""
    return beside(gamma, normalised) * normalised + beside(beta, normalised)


def running_average(start: float, new: Array, momentum: float, steps: int = 1) -> Array:
    """Average after `steps` equal batches: each moves it by `momentum` of the way to `new`."""
    average = np.full_like(new, start)
    for _ in range(steps):
        average = (1 - momentum) * average + momentum * new
    return average
