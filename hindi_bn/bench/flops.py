"""Floating-point operations of a network, counted layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class LayerWork:
    """What one layer computes for one image, in floating-point operations.

    A multiplication and the addition that follows it are two. Convolutions and linear layers alone
    are counted, without their biases: the others compute a few operations a value.

    Parameters
    ----------
    name, kind
        The layer's name in its network, and its class.
    forward
        Operations of the forward pass.
    training
        Operations of a training step: forward, gradient of the weights and, except in the first
        layer, gradient of the input; each is as much work as the forward pass.
    """

    name: str
    kind: str
    forward: int
    training: int


def work_of(network: nn.Module, image_size: int) -> list[LayerWork]:
    """Count a network's work for an image of image_size x image_size pixels, in layer order."""
    layers: list[LayerWork] = []

    def count(name: str, layer: nn.Conv2d | nn.Linear, outputs: torch.Tensor) -> None:
        # Each output value is a sum of as many products as the layer has weights for it.
        products = outputs.numel() * layer.weight[0].numel()
        passes = 3 if layers else 2
        kind = "Conv2d" if isinstance(layer, nn.Conv2d) else "Linear"
        layers.append(LayerWork(name, kind, 2 * products, 2 * products * passes))

    hooks = []
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            hooks.append(
                layer.register_forward_hook(
                    lambda layer, inputs, outputs, name=name: count(name, layer, outputs)
                )
            )
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 1, image_size, image_size))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return layers
