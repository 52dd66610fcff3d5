"""What follows runs while they train, for programs that show many: a file per tracker.

A file has one class, a subclass of `Tracker`. It is made when a run's first epoch has ended, so
that nothing is begun for a run that is refused. Nothing else needs to be changed for a new one.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hindi_bn import registry
from hindi_bn.plots import Choice
from hindi_bn.records import Record
from hindi_bn.study import Study
from hindi_bn.study.flat import flat_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hindi_bn.training.loop import EpochRow
    from hindi_bn.training.run import Reporter

FOLDER = "trackers"


class Tracker(ABC):
    """Follows one run.

    Args:
        study, run: Names.
        folder: The run's folder, which is cleared when the run is trained anew.
        settings: The run's keys and its seed, flat; a value is a number, a text or a truth value.
    """

    @abstractmethod
    def __init__(self, study: str, run: str, folder: Path, settings: dict[str, Any]) -> None: ...

    @abstractmethod
    def epoch(self, number: int, values: dict[str, float]) -> None:
        """Take the losses, accuracies and seconds of an epoch, counted from 0."""

    @abstractmethod
    def finished(self, values: dict[str, float], figures: dict[str, Figure]) -> None:
        """Take the last epoch's values and the figures of a run that finished."""

    @abstractmethod
    def close(self, *, failed: bool) -> None:
        """Write what is left, of a run that ended or was interrupted."""


class Tracking:
    """The trackers of one run's training, in whatever state it is."""

    def __init__(self, names: Sequence[str], study: Study, run: str, out: Path) -> None:
        self._names, self._study, self._run = names, study, study.run(run)
        self._folder = study.folder(out) / run
        self.trackers: list[Tracker] = []
        self._last: dict[str, float] = {}

    def beside(self, reporter: Reporter) -> Reporter:
        """Return a reporter that tells the trackers of each epoch, and then the one given."""

        def epoch(row: EpochRow) -> None:
            self._begin()
            values = asdict(row)
            number = values.pop("epoch")
            for tracker in self.trackers:
                tracker.epoch(number, values)
            self._last = values
            reporter.epoch(row)

        return replace(reporter, epoch=epoch) if self._names else reporter

    def finished(self, record: Record) -> None:
        """Tell the trackers of a run that finished, and draw its curves for them."""
        for tracker in self.trackers:
            plots = registry.find("plots", "curves").figures([record], Choice(Path(), 0, 0))
            tracker.finished(self._last, plots)

    def _begin(self) -> None:
        if self.trackers:
            return
        settings = {"seed": self._study.seed, "data": self._study.data} | flat_settings(self._run)
        known = {key: value for key, value in settings.items() if value is not None}
        for name in self._names:
            kind = registry.find_class(FOLDER, "Tracker", name)
            tracker = kind(self._study.name, self._run.name, self._folder, known)
            self.trackers.append(cast(Tracker, tracker))


@contextlib.contextmanager
def tracking(names: Sequence[str], study: Study, run: str, out: Path) -> Iterator[Tracking]:
    """Follow the training of a run of a study; the trackers are closed however the block ends.

    StudyError for an unknown tracker; HindiBnError where its package is not installed.
    """
    for name in names:
        registry.find_known(FOLDER, name, "tracker")  # before an hour of training
    opened, failed = Tracking(names, study, run, out), True
    try:
        yield opened
        failed = False
    finally:
        for tracker in opened.trackers:
            tracker.close(failed=failed)
