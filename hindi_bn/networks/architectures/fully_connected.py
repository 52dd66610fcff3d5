"""Hidden linear layers of one width."""

from typing import ClassVar

from torch import nn

from hindi_bn.networks.architectures import Network, Values
from hindi_bn.networks.blocks import Blocks


class FullyConnected(Network):
    """Hidden linear layers of one width, and a linear classifier."""

    summary = "three hidden linear layers, linear classifier; the size of three_convs"
    source = "our counterpart of three_convs without convolutions"
    options: ClassVar[Values] = {"activation": "relu", "hidden_layers": 3, "width": 40}

    @staticmethod
    def layers(blocks: Blocks, side: int, options: Values) -> list[nn.Module]:
        width = options["width"]
        layers: list[nn.Module] = [nn.Flatten()]  # (batch, 1024)
        layers += blocks.linear(side * side, width)  # (batch, width)
        for _ in range(options.get("hidden_layers", 1) - 1):
            layers += blocks.linear(width, width)  # (batch, width)
        return layers + blocks.classifier(width)  # (batch, 10)
