"""Layers that normalise each channel over the batch and its pixels: what they share."""

import torch
from torch import nn


class ChannelNorm(nn.Module):
    """What layers share that normalise a channel over the batch and over its pixels.

    With `affine`, `weight` (gamma) and `bias` (beta) are learned, (channels,) each. The
    running averages (channels,), of the mean and of what `spread` names, start from 0 and 1.
    """

    running_mean: torch.Tensor
    allow_one_value = False

    def __init__(self, channels: int, affine: bool, spread: str) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer(spread, torch.ones(channels))
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def values_per_channel(self, x: torch.Tensor) -> int:
        """Count the values of each channel; ValueError for another shape, or one in training."""
        if x.ndim not in {2, 4} or x.shape[1] != self.channels:
            raise ValueError(
                f"expected (batch, {self.channels}) or (batch, {self.channels}, height, width), "
                f"got {tuple(x.shape)}"
            )
        count = x.numel() // self.channels
        if self.training and count == 1 and not self.allow_one_value:
            raise ValueError(f"one value per channel cannot be normalised: {tuple(x.shape)}")
        return count

    def scale_and_shift(self, normalised: torch.Tensor) -> torch.Tensor:
        """Return gamma * normalised + beta, or `normalised` itself without affine."""
        if self.weight is None or self.bias is None:
            return normalised
        return beside(self.weight, normalised) * normalised + beside(self.bias, normalised)

    def extra_repr(self) -> str:
        """Show the number of channels."""
        return str(self.channels)


def beside(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Shape (channels,) so that it stands beside `x`: (1, channels, 1, 1)."""
    return values.view(1, -1, *[1] * (x.ndim - 2))


def mean_per_channel(x: torch.Tensor) -> torch.Tensor:
    """Mean over the batch and, for feature maps, over the pixels: (channels,)."""
    return x.mean(dim=[0, *range(2, x.ndim)])


def moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and biased variance over batch and pixels: (channels,) each."""
    mean = mean_per_channel(x)
    return mean, mean_per_channel((x - beside(mean, x)) ** 2)


def average(running: torch.Tensor, new: torch.Tensor, weight_of_new: float) -> None:
    """Move a running average towards `new`, in place and without gradient."""
    running.copy_((1 - weight_of_new) * running + weight_of_new * new.detach())
