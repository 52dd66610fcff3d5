"""Convolutions that are padded with something else than zeros."""

import torch
from torch import nn
from torch.nn import functional


class MeanPaddedConv2d(nn.Conv2d):
    """A convolution around whose maps stands each channel's mean, image by image.

    In the first layer that is the image's mean grey value.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, ...), as `nn.Conv2d` does."""
        rows, columns = (int(side) for side in self.padding)
        around = (columns, columns, rows, rows)
        margin = functional.pad(torch.zeros_like(maps[:1, :1]), around, value=1.0)
        padded = functional.pad(maps, around) + margin * maps.mean(dim=(2, 3), keepdim=True)
        return functional.conv2d(padded, self.weight, self.bias, self.stride)
