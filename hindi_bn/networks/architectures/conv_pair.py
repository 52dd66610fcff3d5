"""Two convolutions, each with its pooling, and a linear classifier."""

from typing import ClassVar

from torch import nn

from hindi_bn.networks.architectures import Network, Values
from hindi_bn.networks.blocks import Blocks


class ConvPair(Network):
    summary = "two convolutions with max-pooling, linear classifier"
    source = "batch-norm tutorials"
    options: ClassVar[Values] = {"activation": "relu", "pooling": "max", "padding": "zero"}
    smallest = 12

    @staticmethod
    def layers(blocks: Blocks, side: int, options: Values) -> list[nn.Module]:
        last = (blocks.unpadded(side) // 2 - 4) // 2  # 6; 5 on 28 x 28
        return [
            *blocks.convolution(1, 6, 3, padding=1),  # (batch, 6, 32, 32)
            *blocks.pool(6),  # (batch, 6, 16, 16)
            *blocks.convolution(6, 16, 5),  # (batch, 16, 12, 12)
            *blocks.pool(16),  # (batch, 16, 6, 6)
            nn.Flatten(),  # (batch, 576)
            *blocks.classifier(blocks.flattened(16, last)),  # (batch, 10)
        ]
