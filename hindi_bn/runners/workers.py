"""Many runs on one machine: worker processes, each with few threads, that share the digits.

A step of these networks is too small to keep several threads busy, so that runs side by side on
one thread each get more done than one run after the other on all of them. Each worker is a process
of its own (`hindi_bn.runners.worker`): a run that fails, or even takes its process down, does not
stop the others. A run gives the bits that it would give by itself with as many threads.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hindi_bn.runners.jobs import Failure, Job, JobResult
from hindi_bn.runners.plan import plan
from hindi_bn.runners.process import QUIT, Child

if TYPE_CHECKING:
    from hindi_bn.digits import Digits
    from hindi_bn.training.loop import EpochRow

STOP_SECONDS = 30.0  # how long an interrupted worker may take to save its run before it is killed


@dataclass(frozen=True)
class Event:
    """Something that happened: how many workers there are (no job), or what one of them does."""

    kind: Literal["plan", "started", "epoch", "note"]
    job: Job | None = None
    worker: int = 0
    row: EpochRow | None = None
    text: str = ""


OnEvent = Callable[[Event], None]
Reports = queue.SimpleQueue[JobResult | Event | BaseException]


def nothing(event: Event) -> None:
    """Do nothing at an event."""


def run_jobs(
    jobs: Sequence[Job],
    digits: Digits,
    *,
    workers: int | None = None,
    threads: int | None = None,
    on_event: OnEvent = nothing,
) -> Iterator[JobResult]:
    """Train many runs in worker processes on the CPU; see `hindi_bn.runners.local.Runner`.

    Workers, and threads in each, are chosen by `plan` unless given. The last digits of a run's
    numbers depend on its threads: give `threads=1` for the same bits however many jobs and cores
    there are. Raises HindiBnError when the temporary folder for the digits cannot be written.
    """
    from hindi_bn.runners.shared_digits import shared

    left = len(jobs)
    if not left:
        return
    chosen = plan(left, workers=workers, threads=threads)
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    reports: Reports = queue.SimpleQueue()
    on_event(Event("plan", text=chosen.reason))
    with shared(digits) as folder:
        for job in jobs:
            waiting.put(job.on("cpu", chosen.threads))
        crew = [
            _Worker(number, waiting, reports, folder, chosen.threads)
            for number in range(chosen.workers)
        ]
        try:
            for worker in crew:
                worker.start()
            while left:
                report = reports.get()
                if isinstance(report, BaseException):
                    raise report
                if isinstance(report, Event):
                    on_event(report)
                else:
                    left -= 1
                    yield report
        finally:
            for worker in crew:
                worker.interrupt()
            for worker in crew:
                worker.end()


class _Worker(threading.Thread):
    """Looks after one worker process, and starts another when it dies."""

    def __init__(
        self, number: int, waiting: queue.SimpleQueue[Job], reports: Reports, folder: Path,
        threads: int,
    ) -> None:  # fmt: skip
        super().__init__(name=f"worker-{number}", daemon=True)
        self._number, self._waiting, self._reports = number, waiting, reports
        self._folder, self._threads = folder, threads
        self._child: Child | None = None
        self._starting, self._interrupted = threading.Lock(), False

    def run(self) -> None:
        """Do jobs until there are none or the worker is interrupted."""
        try:
            with suppress(queue.Empty):
                while not self._interrupted:
                    self._reports.put(self._train(self._waiting.get_nowait()))
            self._quit()
        except BaseException as error:  # for the thread that takes the results
            self._reports.put(error)

    def interrupt(self) -> None:
        """End the process's jobs, and with them the one that it is doing."""
        with self._starting:
            self._interrupted = True
            if self._child is not None:
                self._child.interrupt()

    def end(self) -> None:
        """Wait for the process; kill it when it takes too long."""
        self.join(STOP_SECONDS)
        if self.is_alive() and self._child is not None:
            self._child.process.kill()
            self.join()

    def _train(self, job: Job) -> JobResult:
        from hindi_bn.training.loop import EpochRow

        began, child = time.perf_counter(), self._child_for_a_job()
        if child is None or not child.send(job.as_json()):
            return self._died(job, began)
        self._reports.put(Event("started", job, self._number))
        while (message := child.receive()) is not None:
            if message["kind"] == "result":
                failure = message["failure"] and Failure(**message["failure"])
                return JobResult(job, message["seconds"], failure)
            row = EpochRow(**message["row"]) if "row" in message else None
            event = Event(message["kind"], job, self._number, row, message.get("text", ""))
            self._reports.put(event)
        return self._died(job, began)

    def _child_for_a_job(self) -> Child | None:
        with self._starting:
            if self._interrupted:
                return None
            if self._child is not None and self._child.process.poll() is not None:
                self._child.wait()  # it died while it had nothing to do
                self._child = None
            if self._child is None:
                count = str(self._threads)
                variables = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
                self._child = Child("hindi_bn.runners.worker", **variables)
                self._child.send({"digits": str(self._folder), "threads": self._threads})
            return self._child

    def _died(self, job: Job, began: float) -> JobResult:
        child, self._child = self._child, None
        why, details = "", ""
        if child is not None:
            why, details = child.how_it_ended(), child.last_words
        if self._interrupted:
            why = "It was interrupted."
        failure = Failure.worker_died(job, why, "its last finished epoch", details)
        return JobResult(job, time.perf_counter() - began, failure)

    def _quit(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.send(QUIT)
            child.wait()
