"""Three convolutions of one width, as the article has them."""

from typing import ClassVar

from torch import nn

from hindi_bn.networks.architectures import Network, Values
from hindi_bn.networks.blocks import Blocks


class ThreeConvs(Network):
    """Convolutions of one width, one pooling, a linear classifier."""

    summary = "three convolutions, max-pooling, linear classifier"
    source = "the article, figures 4 and 5"
    options: ClassVar[Values] = {
        "activation": "relu", "pooling": "max", "padding": "zero", "convolutions": 3, "width": 16,
    }  # fmt: skip
    smallest = 2

    @staticmethod
    def layers(blocks: Blocks, side: int, options: Values) -> list[nn.Module]:
        width, count = options["width"], options.get("convolutions", 1)
        half = blocks.unpadded(side, count) // 2
        layers = blocks.convolution(1, width, 3, padding=1)  # (batch, 16, 32, 32)
        for _ in range(count - 1):
            layers += blocks.convolution(width, width, 3, padding=1)  # (batch, 16, 32, 32)
        layers += blocks.pool(width)  # (batch, 16, 16, 16)
        layers += [nn.Flatten()]  # (batch, 4096)
        return layers + blocks.classifier(blocks.flattened(width, half))  # (batch, 10)
