"""Many single weights of one layer."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Reading, Timed, _layers
from hindi_bn.training.tensors import Tensors


class Weights(_layers.OfWeights, Timed):
    """Many single weights of one layer, drawn at random: the same places in every run."""

    kind: Literal["weights"] = "weights"
    name: str = Field("weights", pattern=NAME, description="Name in captures.csv.")
    layer: str = Field(
        "last-conv",
        description="Module whose weights are recorded, by its name in the network, or last-conv.",
    )
    count: int = Field(64, ge=1, description="Number of weights; all if the layer has fewer.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of the draw of their places.")

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        """Return what reads the weights; the draw leaves the default generator where it is."""
        name, layer = _layers.weights_of(network, self.layer, self.name)
        weight = _layers.weight(layer)
        drawn = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(self.seed))
        places = drawn[: self.count].sort().values
        indices = torch.stack(torch.unravel_index(places, weight.shape), 1).tolist()
        labels = [("weight", name, " ".join(map(str, index))) for index in indices]
        here = places.to(weight.device)
        return labels, lambda: _layers.weight(layer).flatten()[here]
