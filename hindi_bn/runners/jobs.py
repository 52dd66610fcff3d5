"""A run as a job that can be handed to another process, and how it ended.

Whoever carries a job out (see `hindi_bn.runners.workers`) calls `perform`: a run that fails is a
result like any other, and does not stop the jobs beside it.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn.errors import DivergedError, HindiBnError
from hindi_bn.study import Study

if TYPE_CHECKING:
    from hindi_bn.digits import Digits
    from hindi_bn.training.loop import EpochRow


@dataclass(frozen=True)
class Job:
    """One run to train.

    Parameters
    ----------
    study, run
        The study and the name of its run.
    out
        Folder that holds the studies' results; the run goes into `<out>/<study>/<run>/`.
    resume, overwrite, command
        As in `hindi_bn.training.run.train_run`.
    """

    study: Study
    run: str
    out: Path
    resume: bool = False
    overwrite: bool = False
    command: str = ""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.study.folder(self.out) / self.run

    def as_json(self) -> dict[str, Any]:
        """Return the job as what JSON can hold."""
        return {
            "study": self.study.model_dump(mode="json"),
            "run": self.run,
            "out": str(self.out),
            "resume": self.resume,
            "overwrite": self.overwrite,
            "command": self.command,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Job:
        """Read what `as_json` gave."""
        study = Study.model_validate(document["study"])
        return cls(**{**document, "study": study, "out": Path(document["out"])})


@dataclass(frozen=True)
class Failure:
    """Why a run did not finish.

    Parameters
    ----------
    kind
        Name of the error's class, such as `DivergedError`; `WorkerDied` when its process ended.
    what, why, next_step
        As in `HindiBnError`; `why` holds the error's text when it was not an expected one.
    details
        The traceback of an unexpected error, or the last words of a process that died.
    epoch, step
        Where the loss was no longer finite, for a `DivergedError`.
    """

    kind: str
    what: str
    why: str = ""
    next_step: str = ""
    details: str = ""
    epoch: int | None = None
    step: int | None = None

    @property
    def diverged(self) -> bool:
        """Whether the run ended because its loss was no longer finite."""
        return self.kind == DivergedError.__name__

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Describe an error."""
        kind = type(error).__name__
        if isinstance(error, DivergedError):
            said = (error.what, error.why, error.next_step)
            return cls(kind, *said, epoch=error.epoch, step=error.step)
        if isinstance(error, HindiBnError):
            return cls(kind, error.what, error.why, error.next_step)
        details = "".join(traceback.format_exception(error))
        return cls(kind, "The run failed unexpectedly.", f"{kind}: {error}", details=details)

    def __str__(self) -> str:
        return str(HindiBnError(self.what, self.why, self.next_step))


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Parameters
    ----------
    job
        As it was carried out, device and threads included.
    seconds
        How long it took, everything included.
    failure
        Why it did not finish; None when it did, and its folder holds a finished run.
    """

    job: Job
    seconds: float
    failure: Failure | None = None


def perform(
    job: Job,
    digits: Digits,
    *,
    on_epoch: Callable[[EpochRow], None] = lambda row: None,
    note: Callable[[str], None] = lambda text: None,
) -> JobResult:
    """Train a job's run in this process.

    Parameters
    ----------
    digits
        The data of the job's study.
    on_epoch, note
        As in `hindi_bn.training.run.Reporter`.

    Raises
    ------
    RunInterrupted
        On Ctrl-C; every other error is part of the result.
    """
    from hindi_bn.training.run import Reporter, train_run

    began, failure = time.perf_counter(), None
    try:
        train_run(
            job.study, job.run, digits, job.out,
            resume=job.resume, overwrite=job.overwrite, command=job.command,
            reporter=Reporter(epoch=on_epoch, note=note),
        )  # fmt: skip
    except Exception as error:  # a job's failure, whatever it is, is its result
        failure = Failure.of(error)
    return JobResult(job, time.perf_counter() - began, failure)
