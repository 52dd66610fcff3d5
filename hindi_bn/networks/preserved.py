"""Looking at networks without leaving a trace."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def preserved(network: nn.Module | None = None, *, train: bool = False) -> Iterator[None]:
    """Leave the CPU's random stream where it is and, if one is given, a network as it is.

    The network is put into eval mode, or into train mode, for the block. What its layers remember
    in train mode (running averages, steps, singular vectors) is put back, and so are their modes.
    """
    layers = [] if network is None else list(network.modules())
    modes = [(layer, layer.training) for layer in layers]
    buffers = [] if network is None or not train else list(network.buffers())
    kept = [(buffer, buffer.clone()) for buffer in buffers]
    with torch.random.fork_rng(devices=[], enabled=network is None or train):
        if network is not None:
            network.train(train)
        try:
            yield
        finally:
            for layer, mode in modes:
                layer.training = mode
            for buffer, value in kept:
                buffer.copy_(value)
