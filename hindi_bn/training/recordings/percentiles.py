"""How the inputs of the activations are distributed."""

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.networks import kind_of
from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Label, Reading
from hindi_bn.training.recordings._layers import OfFixedBatch
from hindi_bn.training.tensors import Tensors

PERCENTS = (5, 15, 50, 85, 95)


class Percentiles(OfFixedBatch):
    """Percentiles 5, 15, 50, 85 and 95 of what goes into each activation, channel by channel.

    Where BN stands before the activation that is its output. Ioffe and Szegedy (2015), figure 1,
    show such percentiles over training; Santurkar et al. (2018), figure 2, whole distributions.
    """

    kind: Literal["percentiles"] = "percentiles"
    name: str = Field("percentiles", pattern=NAME, description="Name in captures.csv.")

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        images = self.images(data)

        def inputs() -> Iterator[tuple[str, torch.Tensor]]:
            x = images
            with torch.no_grad(), self.in_mode(network):
                for name, layer in network.named_children():
                    if kind_of(layer) == "activation":
                        yield name, x
                    x = layer(x)

        labels: list[Label] = [
            (f"p{percent}", name, str(channel))
            for name, x in inputs()
            for channel in range(x.shape[1])
            for percent in PERCENTS
        ]
        return labels, lambda: torch.cat([_percentiles(x) for _, x in inputs()])


def _percentiles(x: torch.Tensor) -> torch.Tensor:
    """Take the percentiles of each channel of (images, channels, ...): (channels * percents,)."""
    shares = torch.tensor(PERCENTS, dtype=x.dtype, device=x.device) / 100
    return torch.cat([channel.flatten().quantile(shares) for channel in x.unbind(1)])
