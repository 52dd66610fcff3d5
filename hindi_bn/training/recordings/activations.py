"""Mean and standard deviation of every layer's output."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Reading
from hindi_bn.training.recordings._layers import OfFixedBatch
from hindi_bn.training.tensors import Tensors


class Activations(OfFixedBatch):
    """Mean and standard deviation of every layer's output on a fixed batch of test images."""

    kind: Literal["activations"] = "activations"
    name: str = Field("activations", pattern=NAME, description="Name in captures.csv.")

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        images = self.images(data)
        layers = [n for n, layer in network.named_children() if not isinstance(layer, nn.Flatten)]

        def read() -> torch.Tensor:
            values: list[torch.Tensor] = []
            x = images
            with torch.no_grad(), self.in_mode(network):
                for name, layer in network.named_children():
                    x = layer(x)
                    if name in layers:
                        mean = x.mean()
                        values += [mean, (x - mean).square_().mean().sqrt()]
            return torch.stack(values)

        return [(quantity, layer, "") for layer in layers for quantity in ("mean", "std")], read
