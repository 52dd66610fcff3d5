"""The layers of three_convs with filters of their own at every place."""

from typing import ClassVar

from torch import nn

from hindi_bn.networks.architectures import Network, Values
from hindi_bn.networks.blocks import Blocks


class LocallyConnected(Network):
    """`ThreeConvs` with receptive fields but without shared weights."""

    summary = "three locally connected layers, max-pooling, linear classifier"
    source = "our counterpart of three_convs without shared weights, after LeCun 1989"
    options: ClassVar[Values] = {"activation": "relu", "width": 16}
    smallest = 2

    @staticmethod
    def layers(blocks: Blocks, side: int, options: Values) -> list[nn.Module]:
        width, half = options["width"], side // 2
        layers = blocks.local(1, width, 3, side, padding=1)  # (batch, 16, 32, 32)
        for _ in range(2):
            layers += blocks.local(width, width, 3, side, padding=1)  # (batch, 16, 32, 32)
        layers += blocks.pool(width)  # (batch, 16, 16, 16)
        layers += [nn.Flatten()]  # (batch, 4096)
        return layers + blocks.classifier(width * half * half)  # (batch, 10)
