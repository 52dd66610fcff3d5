"""Initial weights by name."""

from torch import nn

from hindi_bn.study import Init, NormalInit


def initialise(network: nn.Module, init: Init | NormalInit) -> None:
    """Draw the weights of convolutions and linear layers anew, in the network's order.

    `default` leaves torch's own draws alone; otherwise biases become 0.
    """
    if init.name == "default":
        return
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if init.name == "xavier":  # uniform, variance 2 / (fan in + fan out): Glorot, Bengio 2010
            nn.init.xavier_uniform_(layer.weight)
        elif init.name == "kaiming":  # normal, variance 2 / fan in: He et al. 2015, for ReLU
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif init.name == "orthogonal":  # orthogonal rows or columns: Saxe et al. 2014
            nn.init.orthogonal_(layer.weight)
        else:
            nn.init.normal_(layer.weight, std=init.std)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
