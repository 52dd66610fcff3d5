"""A run as a job that can be handed to another process, and how it ended.

Whoever carries a job out (see `hindi_bn.runners.workers`) calls `perform`: a run that fails is a
result like any other, and does not stop the jobs beside it.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pydantic

from hindi_bn.errors import DivergedError, HindiBnError, without_secrets
from hindi_bn.files import read_sealed, refused, write_sealed
from hindi_bn.records.manifest import digests_of, refuse_changed
from hindi_bn.study import Study

if TYPE_CHECKING:
    from hindi_bn.digits import Digits
    from hindi_bn.training.loop import EpochRow

WORKER_DIED = "WorkerDied"

FAILURE = "failure.json"
"""File in a run's folder that says why the run ended badly."""


@pydantic.dataclasses.dataclass(frozen=True)
class Job:
    """One run of a study, to be trained into its folder in `out`; the rest as in `train_run`."""

    study: Study
    run: str
    out: Path
    resume: bool = False
    overwrite: bool = False
    command: str = ""
    claims: dict[str, str] = field(default_factory=dict)

    def on(self, device: str, threads: int) -> Job:
        """Return the job with so many threads, on this device unless its study names one."""
        changes: dict[str, Any] = {"threads": threads}
        if self.study.device == "auto":
            changes |= {"device": device}
        return replace(self, study=self.study.model_copy(update=changes))

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.study.folder(self.out) / self.run

    def as_json(self) -> dict[str, Any]:
        """Return the job's fields as what JSON can hold; `Job(**fields)` reads them."""
        return cast(dict[str, Any], pydantic.TypeAdapter(Job).dump_python(self, mode="json"))


@dataclass(frozen=True)
class Failure:
    """Why a run did not finish.

    `kind` is the name of the error's class, or `WorkerDied`; `details` the traceback of an
    unexpected error, or a process's last words; `epoch` and `step` where the loss was not finite.
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

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and step at which the loss was no longer finite, of a run that diverged."""
        assert self.epoch is not None
        assert self.step is not None
        return self.epoch, self.step

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Describe an error."""
        kind = type(error).__name__
        if isinstance(error, HindiBnError):
            epoch, step = getattr(error, "epoch", None), getattr(error, "step", None)
            return cls(kind, error.what, error.why, error.next_step, epoch=epoch, step=step)
        details = without_secrets("".join(traceback.format_exception(error)))
        why = without_secrets(f"{kind}: {error}")
        return cls(kind, "The run failed unexpectedly.", why, details=details)

    @classmethod
    def worker_died(cls, job: Job, why: str, kept: str, details: str = "") -> Failure:
        """Describe the end of the process that trained a job; `kept` says what is left of it."""
        return cls(
            WORKER_DIED,
            f"The worker process of run {job.run!r} ended before the run did.",
            why,
            f"run it again with --resume: it goes on from {kept}",
            details,
        )

    @property
    def worker_is_dead(self) -> bool:
        """Whether the process ended, so that training again may well end otherwise."""
        return self.kind == WORKER_DIED

    def __str__(self) -> str:
        return str(HindiBnError(self.what, self.why, self.next_step))


@dataclass(frozen=True)
class JobResult:
    """How a job ended, as it was carried out; without a failure its folder holds a finished run."""

    job: Job
    seconds: float
    failure: Failure | None = None


def write_failure(result: JobResult) -> None:
    """Record why a run ended badly; HindiBnError when it cannot be written.

    Of a run that diverged, which is a result, with the sha256 of its files, as in a manifest.
    """
    assert result.failure is not None
    document = asdict(result.failure) | {"seconds": result.seconds}
    folder = result.job.folder
    if result.failure.diverged:
        document["files"] = digests_of(folder)
    write_sealed(folder / FAILURE, document)


def read_failure(folder: Path) -> tuple[Failure, float] | None:
    """Return why the run of a folder ended badly and after how many seconds; None if it did not.

    RunError when that cannot be read, or a file of a run that diverged has changed since.
    """
    file = folder / FAILURE
    if not file.exists():
        return None
    with refused(f"{file} cannot be read.", f"delete {folder}"):
        document = read_sealed(file, before=[*Failure.__dataclass_fields__, "seconds"])
        seconds, files = float(document.pop("seconds", "nan")), document.pop("files", {})
        failure = Failure(**document)
    refuse_changed(folder, files, "the run diverged", f"delete {folder}, and train it again")
    return failure, seconds


def perform(
    job: Job,
    digits: Digits,
    *,
    on_epoch: Callable[[EpochRow], None] = lambda row: None,
    note: Callable[[str], None] = lambda text: None,
) -> JobResult:
    """Train a job's run in this process; every error but RunInterrupted is part of the result."""
    from hindi_bn.training.run import Reporter, train_run

    began, failure = time.perf_counter(), None
    try:
        train_run(
            job.study, job.run, digits, job.out,
            resume=job.resume, overwrite=job.overwrite, command=job.command,
            claims=job.claims, reporter=Reporter(epoch=on_epoch, note=note),
        )  # fmt: skip
    except Exception as error:  # a job's failure, whatever it is, is its result
        failure = Failure.of(error)
    return JobResult(job, time.perf_counter() - began, failure)
