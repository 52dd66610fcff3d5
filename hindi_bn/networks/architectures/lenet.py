"""LeNet-5 with one norm after every hidden layer."""

from typing import ClassVar

from torch import nn

from hindi_bn.networks.architectures import Network, Values
from hindi_bn.networks.blocks import Blocks


class LeNet(Network):
    summary = "two convolutions with pooling, two hidden linear layers, linear classifier"
    source = "LeNet-5 (LeCun et al. 1998) as batch-norm tutorials write it"
    options: ClassVar[Values] = {"activation": "sigmoid", "pooling": "avg"}
    smallest = 16

    @staticmethod
    def layers(blocks: Blocks, side: int, options: Values) -> list[nn.Module]:
        last = ((side - 4) // 2 - 4) // 2  # 5; 4 on 28 x 28
        return [
            *blocks.convolution(1, 6, 5),  # (batch, 6, 28, 28)
            *blocks.pool(6),  # (batch, 6, 14, 14)
            *blocks.convolution(6, 16, 5),  # (batch, 16, 10, 10)
            *blocks.pool(16),  # (batch, 16, 5, 5)
            nn.Flatten(),  # (batch, 400)
            *blocks.linear(16 * last * last, 120),  # (batch, 120)
            *blocks.linear(120, 84),  # (batch, 84)
            *blocks.classifier(84),  # (batch, 10)
        ]
