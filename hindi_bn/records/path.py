"""A run's path through weight space: a file per epoch in `<run>/path/`.

`epoch-0.safetensors` and so on hold `weights` (points, parameters) and `buffers` (points, values),
the running averages, both float32 and in the network's own order, and `epoch` and `step` (points,).
An epoch's file is written before the checkpoint that counts the epoch, once, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hindi_bn.errors import RunError
from hindi_bn.files import refused
from hindi_bn.records.folder import ANEW, RunFolder
from hindi_bn.records.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    import torch
    from torch import nn

FOLDER = "path"


@dataclass(frozen=True)
class RunPath:
    """Points of a run in order: parameters (points, n) and running averages (points, m) float32.

    `epoch` is -1 and `step` 0 before the first step.
    """

    weights: torch.Tensor
    buffers: torch.Tensor
    epoch: torch.Tensor
    step: torch.Tensor


def kept_buffers(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return what a network keeps beside its parameters, counts apart, by name."""
    return {n: each for n, each in network.named_buffers() if each.is_floating_point()}


def write_path(
    folder: RunFolder, epoch: int, points: Sequence[torch.Tensor],
    times: Sequence[tuple[int, int]], parameters: int,
) -> Path:  # fmt: skip
    """Write an epoch's points, each (parameters + buffers,), and their (epoch, step).

    Returns the file.
    """
    import torch

    together = torch.stack(list(points)).float() if points else torch.zeros(0, parameters)
    when = torch.tensor(times, dtype=torch.int64).view(-1, 2)
    file = _file(folder, epoch)
    write_tensors(file, {
        "weights": together[:, :parameters], "buffers": together[:, parameters:],
        "epoch": when[:, 0], "step": when[:, 1],
    })  # fmt: skip
    return file


def check_path(folder: RunFolder, epochs: int) -> None:
    """Refuse a run whose first `epochs` epochs have lost their points, with a RunError."""
    for epoch in range(epochs):
        with refused(f"{_file(folder, epoch)} cannot be read.", ANEW):
            _file(folder, epoch).stat()


def read_path(folder: RunFolder) -> RunPath:
    """Read the path of a run's finished epochs; RunError when it has none, or it is damaged."""
    import torch

    if not (folder.path / FOLDER).is_dir():
        raise RunError(
            f"{folder.path} has not recorded its path through weight space.",
            "Its study has no recording of the kind 'path'.",
            "train it again: hindi-bn train --config NAME --set "
            "'recordings=[{kind: path, every: 50}]' --overwrite",
        )
    parts = []
    for epoch in range(len(folder.read_history())):
        file = _file(folder, epoch)
        folder.check(file)
        with refused(f"{file} cannot be read.", ANEW):
            tensors = read_tensors(file)
            parts.append([tensors[name] for name in ("weights", "buffers", "epoch", "step")])
    points = [part for part in parts if len(part[2])]
    return RunPath(*(torch.cat(column) for column in zip(*points, strict=True)))


def _file(folder: RunFolder, epoch: int) -> Path:
    return folder.path / FOLDER / f"epoch-{epoch}.safetensors"
