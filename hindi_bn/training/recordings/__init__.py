"""What can be recorded while a run trains: one file for each kind, its settings and its reader.

Everything is read between two steps, without drawing from the random stream and without leaving a
trace in the network: a run gives the same weights with recordings and without them.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import nn

from hindi_bn.records import RunFolder
from hindi_bn.records.recordings import Row
from hindi_bn.study import model
from hindi_bn.training.tensors import Tensors

Label = tuple[str, str, str]  # quantity, layer, index
Reading = tuple[list[Label], Callable[..., torch.Tensor]]


class Reader:
    """Reads a recording from the network; what a kind has no use for does nothing."""

    def begin(self) -> None:
        """Read the network before its first step."""

    def before_step(
        self, epoch: int, step: int, last: bool, images: torch.Tensor, labels: torch.Tensor
    ) -> None:
        """Read the network and the batch of step number `step` before it is made."""

    def after_step(self, epoch: int, step: int, last: bool) -> None:
        """Read after step number `step` of the run, the epoch's last or not; nothing may wait."""

    def after_epoch(self, epoch: int, first: int, losses: torch.Tensor) -> None:
        """Take the losses (steps,) of an epoch whose first step was number `first` of the run."""

    def rows(self) -> Iterator[Row]:
        """Give the rows of captures.csv that were read since the last call, and forget them."""
        yield from ()

    def check(self, folder: RunFolder, epochs: int) -> None:
        """Refuse a run whose finished epochs have lost files of the recording's own: RunError."""

    def write(self, folder: RunFolder, epoch: int) -> Sequence[Path]:
        """Write an epoch into files of the recording's own, forget it, and return the files."""
        return ()

    def columns(self) -> dict[str, float]:
        """Give the values of the recording's columns of history.csv as they are now."""
        return {}


class Recording(model.Recording):
    """Something that a run records."""

    @abstractmethod
    def reader(self, network: nn.Module, data: Tensors, run: model.Run) -> Reader:
        """Return what reads it; StudyError at once, when something that it names is not there."""


def _every(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value != "epoch" and not (whole and value >= 1):
        raise ValueError("must be 'epoch', or a whole number of steps from 1 on")
    return value


Every = Annotated[Literal["epoch"] | int, BeforeValidator(_every)]


class Timed(Recording):
    """Something that is read every so many steps, or after each epoch."""

    at_start: ClassVar[bool] = True
    """Whether the untrained network is read, as step 0."""

    every: Every = Field(
        "epoch", description="Record after each epoch, or after every so many steps."
    )

    @abstractmethod
    def reading(self, network: nn.Module, data: Tensors, run: model.Run) -> Reading:
        """Return the labels of the values, and what reads them: a new tensor (labels,)."""

    def reader(self, network: nn.Module, data: Tensors, run: model.Run) -> Reader:
        """Return what reads the values when they are due."""
        return Series(self.name, self.every, *self.reading(network, data, run), self.at_start)


@dataclass
class Series(Reader):
    """Values that are read at the steps that are due, and kept on their device until the end."""

    name: str
    every: str | int
    labels: list[Label]
    read: Callable[..., torch.Tensor]
    at_start: bool
    values: list[torch.Tensor] = field(default_factory=list)
    times: list[tuple[int, int]] = field(default_factory=list)  # epoch, step

    def begin(self) -> None:
        """Read the untrained network, if it has these values."""
        if self.at_start and self.labels:
            self._record(epoch=-1, step=0)

    def after_step(self, epoch: int, step: int, last: bool) -> None:
        """Read the values if they are due."""
        if self.due(step, last) and self.labels:
            self._record(epoch, step)

    def due(self, step: int, last: bool) -> bool:
        """Tell whether step number `step`, the epoch's last or not, is one of those asked for."""
        return last if isinstance(self.every, str) else step % self.every == 0

    def _record(self, epoch: int, step: int, *batch: torch.Tensor) -> None:
        self.values.append(self.read(*batch))
        self.times.append((epoch, step))

    def rows(self) -> Iterator[Row]:
        """Give the rows that were read since the last call, and forget them."""
        lines = torch.stack(self.values).tolist() if self.values else []  # (times, labels)
        for (epoch, step), line in zip(self.times, lines, strict=True):
            for label, value in zip(self.labels, line, strict=True):
                yield (self.name, *label, epoch, step, value)
        self.values.clear()
        self.times.clear()


class BatchSeries(Series):
    """Values that are read of steps' own batches before they are made: the first and those due."""

    def before_step(
        self, epoch: int, step: int, last: bool, images: torch.Tensor, labels: torch.Tensor
    ) -> None:
        """Read the batch if its step is due."""
        if step == 1 or self.due(step, last):
            self._record(epoch, step, images, labels)

    def after_step(self, epoch: int, step: int, last: bool) -> None:
        """Read nothing: the step is made."""
