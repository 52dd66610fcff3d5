"""Mean and standard deviation of every layer's output."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Reading, Timed, _layers
from hindi_bn.training.tensors import Tensors


class Activations(Timed):
    """Mean and standard deviation of every layer's output on a fixed batch of test images."""

    kind: Literal["activations"] = "activations"
    name: str = Field("activations", pattern=NAME, description="Name in captures.csv.")
    per_class: int = Field(
        10, ge=1, description="The batch: the first so many test images of each digit."
    )
    mode: Literal["eval", "train"] = Field(
        "eval", description="Layers as in evaluation or as in training; the run is not touched."
    )

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        images = _layers.first_of_each(data, self.per_class, self.name)
        layers = [n for n, layer in network.named_children() if not isinstance(layer, nn.Flatten)]

        def read() -> torch.Tensor:
            values: list[torch.Tensor] = []
            x = images
            with torch.no_grad(), preserved(network, train=self.mode == "train"):
                for name, layer in network.named_children():
                    x = layer(x)
                    if name in layers:
                        mean = x.mean()
                        values += [mean, (x - mean).square_().mean().sqrt()]
            return torch.stack(values)

        return [(quantity, layer, "") for layer in layers for quantity in ("mean", "std")], read
