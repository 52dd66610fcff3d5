"""How many networks are trained together: as many as the device's memory holds."""

import math

import torch
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks import layer_table
from hindi_bn.study import Run

FLOAT, ORDER = 4, 8  # bytes of a value, and of a place in the order
SHARE = 0.6  # of the free memory; the rest is for libraries and the evaluation


def bytes_per_member(network: nn.Sequential, run: Run, images: int, *, image_size: int = 32) -> int:
    """Estimate the memory that one member of an ensemble takes while it trains.

    Its parameters with gradient, optimiser state and one temporary copy; for each image of a batch
    the input and every layer's output with its gradient; an epoch's order; augmented images.
    """
    parameters = sum(p.numel() for p in network.parameters())
    state = 2 if run.optimizer == "adam" else int(run.momentum > 0)  # tensors for each parameter
    rows = layer_table(network, image_size)
    values = sum(math.prod(row.shape) for row in rows)
    batch = min(run.batch_size, images)
    shown = 0 if run.augment == "none" else 2 * images * image_size**2  # kept, and in the making
    floats = parameters * (3 + state) + batch * values * 2 + shown
    return FLOAT * floats + ORDER * images


def members_that_fit(
    free: int, network: nn.Sequential, run: Run, images: int, *, image_size: int = 32
) -> int:
    """Return how many members fit into `free` bytes; StudyError when not even one does."""
    each = bytes_per_member(network, run, images, image_size=image_size)
    fitting = int(free * SHARE) // each
    if fitting < 1:
        raise StudyError(
            f"Run {run.name!r} does not fit into the device's memory.",
            f"It needs about {each / 1e6:.0f} MB; {free * SHARE / 1e6:.0f} MB are to be had.",
            "set a smaller batch_size or network, free some memory, or train on the CPU",
        )
    rows = layer_table(network, image_size)
    largest = max(math.prod(row.shape) for row in rows)
    # Some CUDA kernels need tensors of less than 2**31 values.
    return min(fitting, (2**31 - 1) // (min(run.batch_size, images) * largest))


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a CUDA device in bytes; None for other devices."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)
