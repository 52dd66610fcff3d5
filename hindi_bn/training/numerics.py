"""The same layers computed with less work: the order of the layers, and how their maps are stored.

`exact` gives the bits of the plain loop, which takes the layers one after the other as they are
written. `fast` may add in another order: it keeps feature maps with their channels together
(`channels_last`), the format in which convolutions run fastest, and its losses differ from the
plain loop's in their last digits (docs/performance.md). Neither changes a network's parameters or
their names. Both are for the CPU; on other devices the layers are left as they are.
"""

import itertools

import torch
from torch import nn

from hindi_bn.study import Numerics
from hindi_bn.training.rowwise_batch_norm import RowwiseBatchNorm2d, fits


def arrange(network: nn.Module, numerics: Numerics) -> nn.Module:
    """Return a network that computes the same function with less work; see this module.

    It is a sequence of the network's own layers, but for poolings: training it trains `network`,
    whose parameters' memory format changes when `fast`. It is `network` itself when that is no
    sequence of layers or is not on the CPU.
    """
    if not isinstance(network, nn.Sequential) or not on_cpu(network):
        return network
    layers = pooled_first(list(network))
    if numerics == "exact":
        pools = (ContiguousMaxPool2d(x) if isinstance(x, nn.MaxPool2d) else x for x in layers)
        return nn.Sequential(*pools)
    network.to(memory_format=torch.channels_last)
    return nn.Sequential(*_rowwise_norms(layers))


def _rowwise_norms(layers: list[nn.Module]) -> list[nn.Module]:
    """Let batch norms take their statistics over rows, together with the convolution before."""
    arranged: list[nn.Module] = []
    for layer in layers:
        if type(layer) is not nn.BatchNorm2d or not fits(layer):
            arranged.append(layer)
        elif arranged and type(arranged[-1]) is nn.Conv2d and arranged[-1].bias is not None:
            arranged[-1] = RowwiseBatchNorm2d(layer, arranged[-1])
        else:
            arranged.append(RowwiseBatchNorm2d(layer))
    return arranged


def on_cpu(network: nn.Module) -> bool:
    """Tell whether all parameters of a network are on the CPU."""
    return all(parameter.device.type == "cpu" for parameter in network.parameters())


def pooled_first(layers: list[nn.Module]) -> list[nn.Module]:
    """Put a max-pooling before the ReLU that it follows, which then has a quarter of the work.

    The largest of four values is the same before and after a ReLU. The gradient goes to the first
    largest value where it is positive, and is 0 where none is: both orders give the same bits.
    """
    ordered = list(layers)
    for place, (first, second) in enumerate(itertools.pairwise(layers)):
        if isinstance(first, nn.ReLU) and isinstance(second, nn.MaxPool2d):
            ordered[place : place + 2] = [second, first]
    return ordered


class ContiguousMaxPool2d(nn.Module):
    """A max-pooling of maps stored one after the other, several times as fast as torch's.

    torch pools with vector instructions only where channels lie together, so the maps are stored
    so for the pooling, and what comes out, and its gradient, is stored as before. The values are
    the same: the largest of four, and its gradient at the first of them that is the largest.
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Pool maps (batch, channels, height, width)."""
        if maps.requires_grad:
            maps.register_hook(torch.Tensor.contiguous)
        pooled: torch.Tensor = self.pool(maps.contiguous(memory_format=torch.channels_last))
        return pooled.contiguous()
