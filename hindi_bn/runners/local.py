"""Who trains a sweep's runs: worker processes on the CPU, or ensembles on a GPU."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hindi_bn.errors import StudyError
from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Failure, Job, JobResult, perform
from hindi_bn.runners.workers import Event, OnEvent, nothing, run_jobs

if TYPE_CHECKING:
    from hindi_bn.digits import Digits
    from hindi_bn.training.gpu.ensemble import Member
    from hindi_bn.training.loop import EpochRow


class Runner(Protocol):
    """Trains jobs, somewhere and somehow: all on the same digits, none in the folder of another."""

    def run(
        self, jobs: Sequence[Job], digits: Digits, *, on_event: OnEvent = nothing
    ) -> Iterator[JobResult]:
        """Give each job's result as soon as it ends; a run that fails is a result.

        `on_event` is called in the thread that takes the results. When that stops taking them, on
        Ctrl-C or otherwise, the runs in progress save what they have and end.
        """
        ...


@dataclass(frozen=True)
class LocalRunner:
    """On this machine: one-thread worker processes on the CPU, ensembles on a CUDA device.

    `together` says whether runs that differ only in their seed are trained together on one device,
    in this process; unless given, they are where a job's device is CUDA.
    """

    workers: int | None = None
    together: bool | None = None

    def run(
        self, jobs: Sequence[Job], digits: Digits, *, on_event: OnEvent = nothing
    ) -> Iterator[JobResult]:
        """Train the jobs; see `Runner`. Raises StudyError when `workers` is not positive."""
        here: list[Job] = []
        crew: list[Job] = []
        for job in jobs:
            (here if self._in_this_process(job) else crew).append(job)
        yield from run_jobs(crew, digits, workers=self.workers, threads=1, on_event=on_event)
        for group in groups(here):
            yield from _on_device(group, digits, on_event)

    def _in_this_process(self, job: Job) -> bool:
        from hindi_bn.training.device import choose_device

        if self.together is not None:
            return self.together
        try:
            return choose_device(job.study.device).type != "cpu"
        except StudyError:  # the device is not there: a worker's result will say so
            return False


def groups(jobs: Iterable[Job]) -> list[list[Job]]:
    """Put jobs together that one ensemble can train: equal settings but for the seed.

    What only a single run can do, recording more than a pair of weights or going on from a
    checkpoint, is by itself.
    """
    grouped: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        study, run = job.study, job.study.run(job.run)
        alone = any(not recording.columns for recording in run.recordings)
        alone = alone or RunFolder(job.folder).resumable
        settings = run.model_dump_json(exclude={"name"})
        alike = (settings, study.precision, study.device, job.run if alone else "")
        grouped.setdefault(alike, []).append(job)
    return list(grouped.values())


def _on_device(jobs: list[Job], digits: Digits, on_event: OnEvent) -> Iterator[JobResult]:
    """Train a group in this process, as an ensemble if it is more than one run."""
    if len(jobs) > 1:
        try:
            yield from _ensemble(jobs, digits, on_event)
        except StudyError as error:  # it refuses their settings, which they share
            yield from (JobResult(job, 0.0, Failure.of(error)) for job in jobs)
            return
        except Exception as error:  # such as too little memory: each by itself may fare better
            on_event(Event("note", jobs[0], text=f"Training one by one: {Failure.of(error).why}"))
        else:
            return
    yield from (_alone(job, digits, on_event) for job in jobs)


def _alone(job: Job, digits: Digits, on_event: OnEvent) -> JobResult:
    on_event(Event("started", job))
    return perform(
        job, digits,
        on_epoch=lambda row: on_event(Event("epoch", job, row=row)),
        note=lambda text: on_event(Event("note", job, text=text)),
    )  # fmt: skip


def _ensemble(jobs: list[Job], digits: Digits, on_event: OnEvent) -> list[JobResult]:
    from hindi_bn.training.gpu.ensemble import Member
    from hindi_bn.training.gpu.ensemble_record import record_ensemble

    began, by_run = time.perf_counter(), {job.run: job for job in jobs}
    for job in jobs:
        on_event(Event("started", job))

    def report(member: Member, row: EpochRow) -> None:
        on_event(Event("epoch", by_run[member.name], row=row))

    trained = record_ensemble(
        [Member(job.study, job.run) for job in jobs], digits, jobs[0].out,
        overwrite=True, command=jobs[0].command, on_epoch=report,
        note=lambda text: on_event(Event("note", jobs[0], text=text)),
    )  # fmt: skip
    seconds = (time.perf_counter() - began) / len(jobs)
    return [
        JobResult(job, seconds, Failure.of(each.diverged) if each.diverged else None)
        for job, each in zip(jobs, trained, strict=True)
    ]
