"""L2 norms of the gradients."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Reading, Timed
from hindi_bn.training.tensors import Tensors


class Gradients(Timed):
    """L2 norm of the gradient of each parameter tensor, at the step just made."""

    at_start = False  # there are none before the first step

    kind: Literal["gradients"] = "gradients"
    name: str = Field("gradients", pattern=NAME, description="Name in captures.csv.")

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        parameters = dict(network.named_parameters())
        labels = []
        for name in parameters:
            layer, _, quantity = name.partition(".")
            labels.append((quantity, layer, ""))

        def read() -> torch.Tensor:
            gradients = [parameter.grad for parameter in parameters.values()]
            return torch.stack([torch.linalg.vector_norm(g) for g in gradients if g is not None])

        return labels, read
