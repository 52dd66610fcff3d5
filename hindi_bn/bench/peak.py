"""What the machine can do: the rate of a large float32 matrix product, and of a convolution.

torch multiplies matrices and convolves with different libraries. Where the first is slower than
the processor allows (as Intel's library is on AMD's processors), a share of its rate above 100 %
is possible; the convolution's rate then says what the processor gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from hindi_bn.training.gpu.graphs import Stopwatch

SIZE = 2048
"""Rows and columns of the matrices."""

CHANNELS = 128
"""Channels of the convolution, 3 x 3 over 32 images of 32 x 32 pixels."""


@dataclass(frozen=True)
class Peak:
    """Floating-point operations per second of large pieces of work.

    They are a product of two matrices SIZE x SIZE, and a convolution of CHANNELS to CHANNELS
    channels, stored channels last.
    """

    product: float
    convolution: float


def measure_peak(device: torch.device, times: int = 3) -> Peak:
    """Measure both rates in float32, the best of a few times each, with torch's threads."""
    first, second = torch.rand(2, SIZE, SIZE, device=device)
    out = torch.empty(SIZE, SIZE, device=device)
    maps = torch.rand(32, CHANNELS, 32, 32, device=device)
    maps = maps.contiguous(memory_format=torch.channels_last)
    weight = torch.rand(CHANNELS, CHANNELS, 3, 3, device=device)
    weight = weight.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        product = _seconds(device, times, lambda: torch.mm(first, second, out=out))
        convolution = _seconds(device, times, lambda: functional.conv2d(maps, weight, padding=1))
    return Peak(2 * SIZE**3 / product, 2 * maps.numel() * weight[0].numel() / convolution)


def _seconds(device: torch.device, times: int, work: Callable[[], object]) -> float:
    """Return the least time that the work takes, after one that is not counted."""
    work()
    taken = []
    for _ in range(times):
        stopwatch = Stopwatch(device)
        stopwatch.start()
        work()
        stopwatch.stop()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(stopwatch.seconds())
    return min(taken)
