"""Mean and standard deviation of every layer's output."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks.preserved import preserved
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Reading, Timed
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

    def reading(self, network: nn.Module, data: Tensors) -> Reading:
        images = self._first_of_each(data)
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

    def _first_of_each(self, data: Tensors) -> torch.Tensor:
        """Take the first test images of each digit: (per_class * classes, 1, height, width)."""
        labels = data.test_labels
        fewest = int(torch.bincount(labels).min())
        if fewest < self.per_class:
            raise StudyError(
                f"Cannot record activations on {self.per_class} test images of each digit.",
                f"Of one digit there are {fewest}.",
                f"set recordings.{self.name}.per_class to {fewest} or less",
            )
        chosen = [
            (labels == digit).nonzero().flatten()[: self.per_class] for digit in labels.unique()
        ]
        return data.test_images[torch.cat(chosen)]
