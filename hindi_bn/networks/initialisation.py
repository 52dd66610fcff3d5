"""Initial weights by name."""

import torch
from torch import nn

from hindi_bn.networks.local import LocallyConnected2d
from hindi_bn.study import Init, NormalInit


def initialise(network: nn.Module, init: Init | NormalInit) -> None:
    """Draw the weights of convolutions and linear layers anew, in the network's order.

    `default` leaves torch's own draws alone; otherwise biases become 0. The filters of each place
    of a locally connected layer are drawn as those of a convolution.
    """
    if init.name == "default":
        return
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear | LocallyConnected2d):
            continue
        filters = layer.filters() if isinstance(layer, LocallyConnected2d) else [layer.weight]
        for weight in filters:
            _draw(weight, init)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _draw(weight: torch.Tensor, init: Init | NormalInit) -> None:
    if init.name == "xavier":  # uniform, variance 2 / (fan in + fan out): Glorot, Bengio 2010
        nn.init.xavier_uniform_(weight)
    elif init.name == "kaiming":  # normal, variance 2 / fan in: He et al. 2015, for ReLU
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    elif init.name == "orthogonal":  # orthogonal rows or columns: Saxe et al. 2014
        nn.init.orthogonal_(weight)
    else:
        assert isinstance(init, NormalInit)
        nn.init.normal_(weight, std=init.std)
