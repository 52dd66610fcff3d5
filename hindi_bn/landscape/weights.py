"""A run's networks, and their parameters as one vector."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from hindi_bn.errors import RunError, StudyError
from hindi_bn.networks import build_run
from hindi_bn.networks.norms import norm_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.records import Record
from hindi_bn.training.rng import move_to_run
from hindi_bn.training.run import load_network


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


def trained_network(record: Record) -> nn.Sequential:
    """Return a finished run's network in eval mode; RunError where its weights do not fit it."""
    try:
        network = load_network(record)
    except RuntimeError as error:
        raise RunError(
            f"The weights in {record.folder} do not fit its network.",
            " ".join(str(error).split()),
            "train this run again with --overwrite",
        ) from error
    assert isinstance(network, nn.Sequential)
    return network


def initial_network(record: Record) -> nn.Sequential:
    """Return the run's network as it was before its first step, in eval mode."""
    with preserved():
        move_to_run(record.study, record.run.name)
        network = build_run(record.run, record.study.image_size)
    return network.eval()


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


def vector_of(network: nn.Module) -> torch.Tensor:
    """Return a copy of all parameters as one vector (parameters,)."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@torch.no_grad()
def put(network: nn.Module, vector: torch.Tensor) -> None:
    """Copy a vector (parameters,) into a network's parameters; StudyError where it does not fit."""
    parts = parts_of(network)
    if vector.shape != (parts[-1].stop,):
        raise StudyError(
            f"{vector.numel():,} weights do not fit the network.",
            f"It has {parts[-1].stop:,} parameters.",
            "take runs of one and the same network",
        )
    for part, parameter in zip(parts, network.parameters(), strict=True):
        parameter.copy_(vector[part.start : part.stop].view(part.shape))


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
