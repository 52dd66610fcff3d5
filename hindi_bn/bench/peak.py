"""What the machine can do: a large float32 matrix product, a convolution, and a start of torch.

torch multiplies matrices and convolves with different libraries. Where the first is slower than
the processor allows (as Intel's library is on AMD's processors), a share of its rate above 100 %
is possible; the convolution's rate then says what the processor gives.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from hindi_bn.training.gpu.graphs import Stopwatch

SIZE = 2048  # rows and columns of the matrices
CHANNELS = 128  # channels of the convolution, 3 x 3 over 32 images of 32 x 32 pixels

START = """
import sys, time
import torch
imported = time.time()
layer = torch.nn.Linear(4, 4)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
layer(torch.ones(1, 4)).sum().backward()
optimizer.step()
print(imported - float(sys.argv[1]), time.time() - float(sys.argv[1]))
"""


@dataclass(frozen=True)
class Peak:
    """Floating-point operations per second of a large matrix product and a large convolution."""

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
        stopwatch.mark(0)
        work()
        stopwatch.mark(1)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(stopwatch.seconds())
    return min(taken)


def least_start(times: int = 3) -> dict[str, float]:
    """Return the seconds from a process's start until torch is imported and a step is done.

    The least of a few times: the first one may have to read torch from the disk.
    """
    taken = []
    for _ in range(times):
        command = [sys.executable, "-c", START, str(time.time())]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        taken.append([float(seconds) for seconds in done.stdout.split()])
    return {"torch": min(first for first, _ in taken), "step": min(last for _, last in taken)}
