"""torch's batch-norm layers, which the steps by hand are held against; float32, as in use."""

import numpy as np
import torch
from torch import nn

from hindi_bn.explain.arithmetic import EPS, MOMENTUM, has_pixels
from hindi_bn.explain.document import Array

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


def layer_for(x: Array, momentum: float = MOMENTUM, affine: bool = True) -> BatchNorm:
    """Return a fresh layer in train mode for the channels of `x`."""
    kind = nn.BatchNorm2d if has_pixels(x) else nn.BatchNorm1d
    return kind(x.shape[1], eps=EPS, momentum=momentum, affine=affine)


def forward(layer: nn.Module, x: Array) -> Array:
    """Send `x` through the layer without gradient; a layer in train mode moves its averages."""
    with torch.no_grad():
        return as_array(layer(torch.from_numpy(x).float()))


def trained(x: Array, steps: int, momentum: float = MOMENTUM) -> BatchNorm:
    """Return a fresh layer that has seen `x` as `steps` training batches, in train mode."""
    layer = layer_for(x, momentum)
    for _ in range(steps):
        forward(layer, x)
    return layer


def running(layer: BatchNorm) -> tuple[Array, Array]:
    """Return the layer's running mean and variance, each (channels,); ValueError without them."""
    if layer.running_mean is None or layer.running_var is None:
        raise ValueError(f"{layer} keeps no running averages")
    return as_array(layer.running_mean), as_array(layer.running_var)


def refusal(x: Array) -> str:
    """Return torch's own words when it is to train on `x`, which has one value per channel.

    RuntimeError when torch does not refuse, which would make the explanation wrong.
    """
    try:
        forward(layer_for(x), x)
    except ValueError as refused:
        return str(refused)
    raise RuntimeError(f"torch {torch.__version__} trains batch norm on shape {x.shape}")


def as_array(tensor: torch.Tensor) -> Array:
    """Copy a tensor into a float64 array."""
    return np.array(tensor.detach().double().numpy())
