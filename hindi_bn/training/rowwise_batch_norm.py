"""Batch normalisation of maps whose channels lie together, with statistics closer than torch's.

torch's own kernel for `channels_last` maps on the CPU adds up in a way that leaves errors of some
1e-4 in the article's network's outputs, hundreds of times those of its other kernel. Plain tensor
operations give the mean and the variance to the last digits, and take no longer
(docs/performance.md). What follows from them is torch's own again.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional


def fits(layer: nn.BatchNorm2d) -> bool:
    """Tell whether a batch norm has gamma, beta and running averages with a fixed weight."""
    return layer.affine and layer.track_running_stats and layer.momentum is not None


class RowwiseBatchNorm2d(nn.Module):
    """A batch norm, and the convolution before it, in one training pass.

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
