"""Records what a run's study asks for while it trains."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from hindi_bn.files import sha256_of
from hindi_bn.records import RunFolder
from hindi_bn.records.recordings import check_epochs, join_epochs, write_epoch
from hindi_bn.study import Run, batches
from hindi_bn.training.loop import Learner, OnStep
from hindi_bn.training.recordings import BatchSeries, Reader, Recording, Series
from hindi_bn.training.tensors import Tensors


def readers_of(run: Run, network: nn.Module, data: Tensors) -> list[Reader]:
    """Return what reads a run's recordings from its network; StudyError if one cannot be read."""
    readers = []
    for recording in run.recordings:
        assert isinstance(recording, Recording)
        readers.append(recording.reader(network, data, run))
    return readers


class Recorder:
    """The recordings of one run, from its first step to `captures.csv`; see `readers_of`.

    `files` are the sha256 of what the epochs so far have written, by path in the run's folder.
    """

    def __init__(self, folder: RunFolder, run: Run, network: nn.Module, data: Tensors) -> None:
        self._folder, self._epochs = folder, run.epochs
        readers = readers_of(run, network, data)
        self._readers = sorted(readers, key=lambda reader: not isinstance(reader, Series))
        self._watching = [reader for reader in readers if isinstance(reader, Series)]
        self._in_a_file = any(not (one.columns or one.own_files) for one in run.recordings)
        self._steps = batches(len(data.train_labels), run.batch_size)
        self._done = 0
        self.files: dict[str, str] = {}

    def begin(self, epochs_done: int, on_step: OnStep) -> OnStep:
        """Return what to call after every step; RunError when finished epochs lost recordings."""
        if self._in_a_file:
            check_epochs(self._folder, epochs_done)
        for reader in self._readers:
            reader.check(self._folder, epochs_done)
        if not self._watching:
            return on_step
        self._done = epochs_done * self._steps
        if epochs_done == 0:
            for reader in self._watching:
                reader.begin()

        def after_step(done: int, steps: int) -> None:
            epoch = self._done // steps
            self._done += 1
            for reader in self._watching:
                reader.after_step(epoch, self._done, done == steps)
            on_step(done, steps)

        return after_step

    def watched(self, learner: Learner) -> Learner:
        """Return a learner whose batches are shown before their steps, if a recording asks for it.

        On CUDA it makes its steps one by one: a captured one shows no batch.
        """
        readers = [reader for reader in self._watching if isinstance(reader, BatchSeries)]
        if not readers:
            return learner

        def before_step(images: torch.Tensor, labels: torch.Tensor) -> None:
            epoch, place = divmod(self._done, self._steps)
            for reader in readers:
                last = place + 1 == self._steps
                reader.before_step(epoch, self._done + 1, last, images, labels)

        return _WatchedLearner(learner, before_step)

    def losses(self, epoch: int, losses: torch.Tensor) -> None:
        """Take the losses of an epoch's steps, float (steps,) on the CPU."""
        for reader in self._readers:
            reader.after_epoch(epoch, epoch * self._steps + 1, losses)

    def keep(self, epoch: int) -> dict[str, float]:
        """Write an epoch's recordings, before its checkpoint; give its columns of history.csv."""
        written = [file for reader in self._readers for file in reader.write(self._folder, epoch)]
        if self._in_a_file:
            rows = (row for reader in self._readers for row in reader.rows())
            written.append(write_epoch(self._folder, epoch, rows))
        for file in written:
            self.files[file.relative_to(self._folder.path).as_posix()] = sha256_of(file)
        return {k: v for reader in self._readers for k, v in reader.columns().items()}

    def finish(self) -> None:
        """Write `captures.csv` from all epochs."""
        if self._in_a_file:
            join_epochs(self._folder, self._epochs)


@dataclass(frozen=True)
class _WatchedLearner:
    """A learner, and what is called with every batch before its step."""

    learner: Learner
    before_step: Callable[[torch.Tensor, torch.Tensor], None]

    @property
    def layers(self) -> nn.Module:
        return self.learner.layers

    def step(
        self, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor | float, torch.Tensor | int]:
        self.before_step(images, labels)
        return self.learner.step(images, labels)

    def evaluate(
        self, images: torch.Tensor, labels: torch.Tensor, batch_size: int
    ) -> tuple[float, float]:
        return self.learner.evaluate(images, labels, batch_size)
