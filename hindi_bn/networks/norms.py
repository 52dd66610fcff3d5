"""Normalisation layers by name."""

from __future__ import annotations

from torch import nn

from hindi_bn.study import Norm


def norm_2d(norm: Norm, channels: int) -> list[nn.Module]:
    """Return the layers that normalise feature maps (batch, channels, height, width).

    Parameters
    ----------
    norm
        Which layer, with its parameters.
    channels
        Number of feature maps.

    Returns
    -------
    An empty list for `none`, otherwise one layer.
    """
    if norm.name == "none":
        return []
    return [
        nn.BatchNorm2d(channels, eps=norm.eps, momentum=norm.momentum, affine=norm.affine)
    ]
