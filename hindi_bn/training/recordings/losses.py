"""The training loss of every step."""

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.records.recordings import Row
from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Reader, Recording
from hindi_bn.training.tensors import Tensors


class Losses(Recording):
    """Training loss of every step."""

    kind: Literal["losses"] = "losses"
    name: str = Field("losses", pattern=NAME, description="Name in captures.csv.")

    def reader(self, network: nn.Module, data: Tensors, run: Run) -> Reader:
        return _LossesReader(self.name)


class _LossesReader(Reader):
    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[Row] = []

    def after_epoch(self, epoch: int, first: int, losses: torch.Tensor) -> None:
        self._rows = [
            (self._name, "loss", "", "", epoch, step, loss)
            for step, loss in enumerate(losses.tolist(), first)
        ]

    def rows(self) -> Iterator[Row]:
        yield from self._rows
