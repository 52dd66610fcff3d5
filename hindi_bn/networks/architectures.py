"""The article's networks as plain `nn.Sequential`s.

The order of the modules is the notebook's: initial weights are drawn from torch's default CPU
generator as the modules are built, so equal order and equal seed give equal weights.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from hindi_bn.networks.norms import norm_2d
from hindi_bn.study import Norm

CLASSES = 10


def three_convs(norm: Norm) -> nn.Sequential:
    """Three convolutions and a linear classifier (article, figures 4 and 5).

    Takes (batch, 1, 32, 32) grey images, gives (batch, 10) logits. 45,770 parameters without
    normalisation, 45,866 with batch norm. The last convolution is module 4 without and module 6
    with a normalisation layer.
    """
    return nn.Sequential(
        *_convolution(1, 16, norm),  # (batch, 16, 32, 32)
        *_convolution(16, 16, norm),  # (batch, 16, 32, 32)
        *_convolution(16, 16, norm),  # (batch, 16, 32, 32)
        nn.MaxPool2d(2),  # (batch, 16, 16, 16)
        nn.Flatten(),  # (batch, 4096)
        nn.Linear(4096, CLASSES),  # (batch, 10)
    )


def one_conv(norm: Norm) -> nn.Sequential:
    """One convolution and the same classifier (the article's repository).

    Takes (batch, 1, 32, 32) grey images, gives (batch, 10) logits. 41,130 parameters without
    normalisation, 41,162 with batch norm.
    """
    return nn.Sequential(
        *_convolution(1, 16, norm),  # (batch, 16, 32, 32)
        nn.MaxPool2d(2),  # (batch, 16, 16, 16)
        nn.Flatten(),  # (batch, 4096)
        nn.Linear(4096, CLASSES),  # (batch, 10)
    )


NETWORKS: dict[str, Callable[[Norm], nn.Sequential]] = {
    "three_convs": three_convs,
    "one_conv": one_conv,
}


def build(name: str, norm: Norm) -> nn.Sequential:
    """Build a network on the CPU; its initial weights come from torch's default generator.

    Parameters
    ----------
    name
        A key of `NETWORKS`.
    norm
        The normalisation layer after each convolution.
    """
    return NETWORKS[name](norm)


def parameter_count(network: nn.Module) -> int:
    """Number of learnable numbers in the network."""
    return sum(parameter.numel() for parameter in network.parameters())


def last_convolution(network: nn.Module) -> str:
    """Name of the network's last convolution; KeyError if it has none."""
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    if not names:
        raise KeyError("the network has no convolution")
    return names[-1]


def _convolution(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), *norm_2d(norm, outputs), nn.ReLU()]
