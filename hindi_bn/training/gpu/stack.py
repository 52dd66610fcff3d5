"""Several networks of one architecture as stacked tensors, run at once by `torch.func.vmap`."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.func import functional_call, vmap

from hindi_bn.networks import norm_of


class Stack(nn.Module):
    """Networks of one architecture, whose tensors become views, to be read, of stacked ones."""

    def __init__(self, networks: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.networks, self._template = list(networks), networks[0]
        stacks = _stacked([dict(n.named_parameters()) for n in networks])
        self._parameter_stacks = {name: nn.Parameter(stack) for name, stack in stacks.items()}
        self._buffer_stacks = _stacked([dict(n.named_buffers()) for n in networks])

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """Return the stacked parameters, (members, *shape) each."""
        return iter(self._parameter_stacks.values())

    def buffers(self, recurse: bool = True) -> Iterator[torch.Tensor]:
        """Return the stacked buffers, (members, *shape) each."""
        return iter(self._buffer_stacks.values())

    @staticmethod
    def supports(network: nn.Module) -> bool:
        """Tell whether vmap can run all layers, as their norms declare."""
        return all(norm.vmap for layer in network.modules() if (norm := norm_of(layer)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (members, batch, 1, height, width) to logits (members, batch, classes)."""

        def one(tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = functional_call(self._template, tensors, (x,))
            return logits

        logits: torch.Tensor = vmap(one)(self._parameter_stacks | self._buffer_stacks, images)
        return logits


def _stacked(tensors: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Stack the networks' tensors by name, and make them views of their stack."""
    stacks = {name: torch.stack([t[name].detach() for t in tensors]) for name in tensors[0]}
    for name, stack in stacks.items():
        for own, member in zip(tensors, stack, strict=True):
            own[name].data = member
    return stacks
