"""The network's path through weight space: all of its parameters, again and again."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import nn

from hindi_bn.records import RunFolder
from hindi_bn.records.path import check_path, kept_buffers, write_path
from hindi_bn.study import Run
from hindi_bn.training.recordings import Reader, Reading, Series, Timed
from hindi_bn.training.tensors import Tensors


class WeightPath(Timed):
    """Every parameter and running average, float32, in files of the folder `path`."""

    own_files: ClassVar = True

    kind: Literal["path"] = "path"
    name: Literal["path"] = "path"

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        values = [*network.parameters(), *kept_buffers(network).values()]
        return [("path", "", "")], lambda: torch.cat([each.detach().flatten() for each in values])

    def reader(self, network: nn.Module, data: Tensors, run: Run) -> Reader:
        parameters = sum(each.numel() for each in network.parameters())
        return _Points(
            self.name, self.every, *self.reading(network, data, run), True, parameters=parameters
        )


class _Points(Series):
    """Points of the path; an epoch's are written together."""

    def __init__(self, *settings: object, parameters: int) -> None:
        super().__init__(*settings)  # type: ignore[arg-type]
        self._parameters = parameters

    def check(self, folder: RunFolder, epochs: int) -> None:
        check_path(folder, epochs)

    def write(self, folder: RunFolder, epoch: int) -> Sequence[Path]:
        file = write_path(folder, epoch, self.values, self.times, self._parameters)
        self.values.clear()
        self.times.clear()
        return [file]
