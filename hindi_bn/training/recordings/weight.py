"""A single weight."""

from typing import Literal

from pydantic import Field
from torch import nn

from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Reading, Timed, _layers
from hindi_bn.training.tensors import Tensors


class Weight(_layers.OfWeights, Timed):
    kind: Literal["weight"] = "weight"
    name: str = Field(pattern=NAME, description="Name of the weight in captures.csv.")
    layer: str = Field(
        description="Module whose weight is recorded, by its name in the network, or last-conv."
    )
    index: tuple[int, ...] = Field(
        description="Index of the weight: filter, channel, row, column; or unit, input."
    )

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        name, layer = _layers.weights_of(network, self.layer, self.name)
        _layers.check_index(network, name, self.index, f"{self.name}.index")
        label = ("weight", name, " ".join(map(str, self.index)))
        return [label], lambda: _layers.weight(layer)[self.index].clone().view(1)
