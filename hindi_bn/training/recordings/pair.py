"""Two sample weights, wx and wy: the axes of the article's figure 8."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.study import Run
from hindi_bn.training.recordings import Reader, _layers
from hindi_bn.training.tensors import Tensors


class Pair(_layers.OfWeights):
    """Two weights of a layer after each epoch, in the columns wx and wy of history.csv."""

    columns: ClassVar = ("wx", "wy")

    kind: Literal["pair"] = "pair"
    name: Literal["pair"] = "pair"
    layer: str = Field(
        "last-conv", description="Module whose weights are recorded, by its name, or last-conv."
    )
    wx: tuple[int, ...] = Field(
        (3, 4, 1, 0), description="Index of the first weight: filter, channel, row, column."
    )
    wy: tuple[int, ...] = Field(
        (3, 8, 1, 0), description="Index of the second weight: filter, channel, row, column."
    )

    def reader(self, network: nn.Module, data: Tensors, run: Run) -> Reader:
        name, layer = _layers.weights_of(network, self.layer, self.name)
        for key in self.columns:
            _layers.check_index(network, name, getattr(self, key), f"{self.name}.{key}")
        return _PairReader(layer, self)


class _PairReader(Reader):
    def __init__(self, layer: nn.Module, pair: Pair) -> None:
        self._layer, self._indices = layer, (pair.wx, pair.wy)

    def columns(self) -> dict[str, float]:
        weight = _layers.weight(self._layer)
        wx, wy = torch.stack([weight[index] for index in self._indices]).tolist()
        return {"wx": wx, "wy": wy}
