"""The same layers computed with less work: the order of the layers, and how their maps are stored.

`exact` gives the bits of the plain loop, which takes the layers one after the other as they are
written. `fast` may add in another order: it keeps feature maps with their channels together
(`channels_last`), the format in which convolutions run fastest, and its losses differ from the
plain loop's in their last digits (docs/performance.md). Neither changes a network's parameters or
their names. Both are for the CPU; on other devices the layers are left as they are.
"""

import itertools
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hindi_bn.study import Numerics


def arrange(network: nn.Module, numerics: Numerics) -> nn.Module:
    """Return a network that computes the same function with less work; see this module.

    It is a sequence of the network's own layers: training it trains `network`, whose parameters'
    memory format changes when `fast`. Off the CPU, and if it is no sequence, it is `network`.
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
        if type(layer) is not nn.BatchNorm2d or not _fits(layer):
            arranged.append(layer)
        elif arranged and _joins(arranged[-1]):
            convolution = arranged[-1]
            assert isinstance(convolution, nn.Conv2d)
            arranged[-1] = RowwiseBatchNorm2d(layer, convolution)
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


def _joins(layer: nn.Module) -> bool:
    """Tell whether a layer is a convolution with a bias, padded with zeros if at all."""
    plain = type(layer) is nn.Conv2d and layer.padding_mode == "zeros"
    return plain and layer.bias is not None


def _fits(layer: nn.BatchNorm2d) -> bool:
    return layer.affine and layer.track_running_stats and layer.momentum is not None


class RowwiseBatchNorm2d(nn.Module):
    """A batch norm, and the convolution before it, in one training pass.

    torch's own kernel for `channels_last` maps on the CPU adds up in a way that leaves errors of
    some 1e-4 in the article's network's outputs, hundreds of times those of its other kernel. Plain
    operations give mean and variance to the last digits, as fast (docs/performance.md).

    The convolution is done without its bias: the batch's mean takes it away again. Its gradient is
    0, where the plain loop's is what rounding leaves of 0. In eval mode, and in mixed precision,
    the layers themselves are called.
    """

    def __init__(self, layer: nn.BatchNorm2d, convolution: nn.Conv2d | None = None) -> None:
        super().__init__()
        self.layer, self.convolution = layer, convolution

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Convolve, if there is a convolution, and normalise maps (batch, channels, h, w)."""
        layer, convolution = self.layer, self.convolution
        out: torch.Tensor
        if not layer.training or torch.is_autocast_enabled(maps.device.type):
            out = layer(maps if convolution is None else convolution(maps))
        elif convolution is None:
            out = _Normalise.apply(maps, layer.weight, layer.bias, None, layer)
        else:
            convolved = functional.conv2d(
                maps, convolution.weight, None, convolution.stride, convolution.padding,
                convolution.dilation, convolution.groups,
            )  # fmt: skip
            out = _Normalise.apply(convolved, layer.weight, layer.bias, convolution.bias, layer)
        return out


class _Normalise(torch.autograd.Function):
    """Normalised maps; the running averages of the layer are brought forward."""

    @staticmethod
    def forward(
        ctx: Any,
        maps: torch.Tensor,
        gamma: torch.Tensor,
        beta: torch.Tensor,
        bias: torch.Tensor | None,
        layer: nn.BatchNorm2d,
    ) -> torch.Tensor:
        rows = maps.permute(0, 2, 3, 1).flatten(1, 2)  # (batch, height * width, channels), no copy
        count = rows.shape[0] * rows.shape[1]
        mean = _sum(rows).div_(count)
        squares = _sum((rows - mean).square_())
        inverse = squares.div(count).add_(layer.eps).rsqrt_()
        shifted = mean if bias is None else mean + bias
        _bring_forward(layer, shifted, squares.div_(max(count - 1, 1)))
        ctx.save_for_backward(maps, gamma, mean, inverse)
        ctx.eps, ctx.has_bias = layer.eps, bias is not None
        scale = gamma * inverse
        out: torch.Tensor = torch.addcmul(beta.addcmul(mean, scale, value=-1), rows, scale)
        batch, channels, height, width = maps.shape
        return out.view(batch, height, width, channels).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Call torch's own kernel with the mean and the std of the forward pass."""
        maps, gamma, mean, inverse = ctx.saved_tensors
        to_maps, to_gamma, to_beta = torch.ops.aten.native_batch_norm_backward(
            gradient, maps, gamma, None, None, mean, inverse, True, ctx.eps, [True, True, True]
        )
        return to_maps, to_gamma, to_beta, torch.zeros_like(mean) if ctx.has_bias else None, None


def _sum(rows: torch.Tensor) -> torch.Tensor:
    """Add up each channel; image by image first, which threads can share."""
    return rows.sum(1).sum(0)


def _bring_forward(layer: nn.BatchNorm2d, mean: torch.Tensor, unbiased: torch.Tensor) -> None:
    assert layer.momentum is not None
    for average, value in ((layer.running_mean, mean), (layer.running_var, unbiased)):
        assert average is not None
        average.lerp_(value, layer.momentum)
    assert layer.num_batches_tracked is not None
    layer.num_batches_tracked.add_(1)
