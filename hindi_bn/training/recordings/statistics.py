"""Gamma, beta and running averages."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.networks import kind_of, norm_of
from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Label, Reading, Timed
from hindi_bn.training.tensors import Tensors


class Statistics(Timed):
    """Gamma, beta and running averages of every normalisation layer, channel by channel."""

    kind: Literal["statistics"] = "statistics"
    name: str = Field("statistics", pattern=NAME, description="Name in captures.csv.")

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        """Return what reads the statistics; a network without such layers has none."""
        labels: list[Label] = []
        tensors: list[torch.Tensor] = []
        for layer, module in network.named_children():
            if kind_of(module) == "normalisation" and (norm := norm_of(module)):
                for quantity, tensor in norm.statistics(module).items():
                    labels += [(quantity, layer, str(channel)) for channel in range(len(tensor))]
                    tensors.append(tensor)
        return labels, lambda: torch.cat([tensor.detach() for tensor in tensors])
