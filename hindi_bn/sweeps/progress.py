"""How far a sweep has come: what is done, what is running, and how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hindi_bn.runners.jobs import JobResult
from hindi_bn.runners.workers import Event
from hindi_bn.stats.metrics import CHANCE, ENDED
from hindi_bn.sweeps.store import RunStore, Status, SweepRun


@dataclass
class Progress:
    """The state of a sweep that is being trained, by the runs' names.

    Args:
        runs: Every cell's run, in table order; some may share a name.
        todo: Names of those that are trained now.
        epochs: Finished epochs, of `todo`.
        accuracy: Final test accuracy (share) of the runs that ended; guessing where they diverged.
        died: Why runs ended that were not recorded: their process died or they were in use.
    """

    runs: tuple[SweepRun, ...]
    statuses: dict[str, Status]
    todo: tuple[str, ...]
    epochs: dict[str, int]
    accuracy: dict[str, float]
    running: set[str] = field(default_factory=set)
    died: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    trained: int = 0

    @classmethod
    def begin(cls, runs: Sequence[SweepRun], todo: Sequence[SweepRun], store: RunStore) -> Progress:
        """Read from the store how far everything is."""
        every = {run.name: run for run in runs}
        statuses = {name: store.status(run) for name, run in every.items()}
        epochs = {run.name: store.epochs_done(run) for run in todo}
        accuracy = {
            name: final_accuracy(run, statuses[name], store)
            for name, run in every.items()
            if statuses[name] in ENDED
        }
        return cls(tuple(runs), statuses, tuple(run.name for run in todo), epochs, accuracy)

    @property
    def counts(self) -> Counter[str]:
        """Number of runs by status."""
        return Counter(self.statuses.values())

    @property
    def epochs_wanted(self) -> dict[str, int]:
        """Epochs by name, of `todo`."""
        wanted = {run.name: run.cell.run.epochs for run in self.runs}
        return {name: wanted[name] for name in self.todo}

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the epochs trained so far, as if all took equally long; None at first."""
        if not self.trained:
            return None
        over = ("finished", "diverged", "failed")
        left = sum(
            epochs - self.epochs[name]
            for name, epochs in self.epochs_wanted.items()
            if self.statuses[name] not in over and name not in self.died
        )
        return (time.monotonic() - self.began) / self.trained * left

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        if event.job is None or event.kind not in ("started", "epoch"):
            return
        self.running.add(event.job.run)
        if event.row is not None:
            self.epochs[event.job.run] = event.row.epoch + 1
            self.trained += 1

    def end(self, result: JobResult, store: RunStore) -> None:
        """Take note of a run that ended, as it and those of its key stand in the store."""
        name = result.job.run
        self.running.discard(name)
        key = next(run.key for run in self.runs if run.name == name)
        for run in self.runs:
            if run.key == key:
                self.statuses[run.name] = status = store.status(run)
                if status in ENDED:
                    self.accuracy[run.name] = final_accuracy(run, status, store)
        if result.failure is not None and self.statuses[name] not in (*ENDED, "failed"):
            self.died[name] = str(result.failure)


def final_accuracy(run: SweepRun, status: Status, store: RunStore) -> float:
    """Return a run's final test accuracy (share); guessing where it diverged."""
    if status == "diverged":
        return CHANCE
    found = store.found(run)
    assert found is not None
    return float(found.history["test_accuracy"].iloc[-1])
