"""A network as one vector, and which part of it is what."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks.norms import norm_of
from hindi_bn.records import Record
from hindi_bn.records.path import kept_buffers
from hindi_bn.training.run import initial_network


@dataclass(frozen=True)
class Part:
    """A parameter's place in the vector of all: `vector[start:stop].view(shape)`.

    `kind` is `weights` (of a convolution, a linear or a locally connected layer, filters first),
    `bias` (of one) or `norm` (gamma, beta and other parameters of layers that normalise).
    """

    name: str
    kind: str
    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """Where the next one starts."""
        return self.start + torch.Size(self.shape).numel()


def parts_of(network: nn.Module) -> list[Part]:
    """Name the parameters in the order of the vector."""
    parts, start = [], 0
    for name, parameter in network.named_parameters():
        norm = norm_of(network.get_submodule(name.rpartition(".")[0]))
        of_norm = norm is not None and norm.over != "weights"
        kind = "bias" if name.endswith("bias") else "weights"
        if of_norm or name.endswith("original0"):  # the lengths of a weight norm
            kind = "norm"
        parts.append(Part(name, kind, start, tuple(parameter.shape)))
        start = parts[-1].stop
    return parts


def state_of(network: nn.Module) -> torch.Tensor:
    """Return a copy of parameters and running averages as one vector (parameters + averages,)."""
    return torch.cat([value.detach().flatten() for value in _values(network)])


@torch.no_grad()
def put(network: nn.Module, state: torch.Tensor) -> None:
    """Copy a state (parameters + averages,) into a network; StudyError where it does not fit."""
    values = _values(network)
    sizes = [value.numel() for value in values]
    if state.shape != (sum(sizes),):
        raise StudyError(
            f"{state.numel():,} weights do not fit the network.",
            f"It has {sum(sizes):,} parameters and running averages.",
            "take runs of one and the same network",
        )
    for value, part in zip(values, state.split(sizes), strict=True):
        value.copy_(part.view(value.shape))


def _values(network: nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *kept_buffers(network).values()]


def refuse_different(records: Sequence[Record]) -> None:
    """Refuse runs whose networks have not the same parameters, with a StudyError."""
    shapes = [[(p.name, p.shape) for p in parts_of(initial_network(each))] for each in records]
    for record, shape in zip(records, shapes, strict=True):
        if shape != shapes[0]:
            raise StudyError(
                f"{records[0].name} and {record.name} cannot stand in one plane.",
                "Their networks have different parameters.",
                "take runs of one and the same network and norm",
            )
