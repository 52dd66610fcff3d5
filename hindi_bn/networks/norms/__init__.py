"""Normalisation layers by name, for feature maps (2-D) and for features (1-D)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations

from hindi_bn.errors import StudyError
from hindi_bn.networks.norms.batch_by_hand import HandwrittenBatchNorm
from hindi_bn.networks.norms.batch_lp import LpBatchNorm
from hindi_bn.networks.norms.batch_noisy import NoisyBatchNormalisation
from hindi_bn.networks.norms.batch_renorm import BatchRenormalisation
from hindi_bn.study import model as study

OVER_THE_BATCH = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    HandwrittenBatchNorm,
    BatchRenormalisation,
    LpBatchNorm,
    NoisyBatchNormalisation,
)
"""Layers whose training output for one image depends on the others of its batch."""

OVER_AN_IMAGE = (nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)


def norm_2d(norm: study.Norm, channels: int) -> list[nn.Module]:
    """Return the layers that normalise feature maps (batch, channels, height, width).

    Layer normalisation is `nn.GroupNorm` with one group: the statistics of
    `nn.LayerNorm((channels, height, width))`, but a gamma and a beta per channel, not per pixel.

    Parameters
    ----------
    norm
        Which layer, with its parameters.
    channels
        Number of feature maps.

    Returns
    -------
    One layer; none for `none`, and none for `weight` and `spectral`, which change the convolution
    itself (see `parametrise`).

    Raises
    ------
    StudyError
        When the groups do not divide the channels.
    """
    if isinstance(norm, study.BatchNorm):
        return [nn.BatchNorm2d(channels, norm.eps, norm.momentum, norm.affine)]
    if isinstance(norm, study.LayerNorm):
        return [nn.GroupNorm(1, channels, norm.eps, norm.affine)]
    if isinstance(norm, study.InstanceNorm):
        return [nn.InstanceNorm2d(channels, norm.eps, affine=norm.affine)]
    return _either(norm, channels)


def norm_1d(norm: study.Norm, features: int) -> list[nn.Module]:
    """Return the layers that normalise features (batch, features); see `norm_2d`.

    Raises
    ------
    StudyError
        When the groups do not divide the features, or for instance normalisation, which would
        have one value to normalise.
    """
    if isinstance(norm, study.BatchNorm):
        return [nn.BatchNorm1d(features, norm.eps, norm.momentum, norm.affine)]
    if isinstance(norm, study.LayerNorm):
        return [nn.LayerNorm(features, norm.eps, norm.affine)]
    if isinstance(norm, study.InstanceNorm):
        raise StudyError(
            "Norm 'instance' cannot follow a linear layer.",
            "It normalises the pixels of one channel of one image; here each channel is a single "
            "value, and less its own mean that is 0.",
            "choose norm layer or group, or a network without hidden linear layers "
            "(three_convs, one_conv, conv_pair)",
        )
    return _either(norm, features)


def parametrise(layer: nn.Conv2d | nn.Linear, norm: study.Norm) -> None:
    """Put weight or spectral normalisation on a layer's weights, in place; others do nothing.

    Spectral normalisation starts its singular vectors at random; these draws are taken back, so
    that the layers built later get the weights that they have without normalisation.
    """
    if isinstance(norm, study.WeightNorm):
        parametrizations.weight_norm(layer)
    elif isinstance(norm, study.SpectralNorm):
        with torch.random.fork_rng(devices=[]):
            parametrizations.spectral_norm(layer, n_power_iterations=norm.iterations)


def weight_of(layer: nn.Module) -> torch.Tensor | None:
    """Return a layer's weights without gradient, as the layer uses them; None if it has none.

    Reading a spectrally normalised weight in train mode would do a power iteration; this does not.
    """
    training = layer.training
    layer.eval()
    try:
        weight = getattr(layer, "weight", None)
        return weight.detach() if isinstance(weight, torch.Tensor) else None
    finally:
        layer.train(training)


def _either(norm: study.Norm, channels: int) -> list[nn.Module]:
    """Layers that take both (batch, channels) and (batch, channels, height, width)."""
    if isinstance(norm, study.BatchNormByHand):
        return [HandwrittenBatchNorm(channels, norm)]
    if isinstance(norm, study.BatchRenorm):
        return [BatchRenormalisation(channels, norm)]
    if isinstance(norm, study.BatchLpNorm):
        return [LpBatchNorm(channels, norm)]
    if isinstance(norm, study.NoisyBatchNorm):
        return [NoisyBatchNormalisation(channels, norm)]
    if isinstance(norm, study.GroupNorm):
        if channels % norm.groups:
            raise StudyError(
                f"Norm 'group' cannot divide {channels} channels into {norm.groups} groups.",
                f"{norm.groups} does not divide {channels}.",
                f"set norm.groups to one of {', '.join(map(str, divisors(channels)))}",
            )
        return [nn.GroupNorm(norm.groups, channels, norm.eps, norm.affine)]
    return []


def divisors(number: int) -> list[int]:
    """All divisors of a positive number, rising."""
    return [d for d in range(1, number + 1) if number % d == 0]
