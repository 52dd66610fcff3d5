"""One hidden linear layer."""

from typing import ClassVar

from hindi_bn.networks.architectures import Values
from hindi_bn.networks.architectures.fully_connected import FullyConnected


class MLP(FullyConnected):
    """`FullyConnected` with one hidden layer."""

    summary = "one hidden linear layer, linear classifier"
    source = "batch-norm tutorials"
    options: ClassVar[Values] = {"activation": "relu", "width": 100}
