"""Sweeps on the tiny data set, trained in the tests' own process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tiny import tiny_digits

from hindi_bn.digits import Digits
from hindi_bn.runners.jobs import Job, JobResult, perform
from hindi_bn.runners.workers import Event
from hindi_bn.sweeps.run import SweepResult, run_sweep
from hindi_bn.sweeps.store import RunStore
from hindi_bn.sweeps.sweep_file import Sweep, sweep_of

TINY = {"epochs": 1, "device": "cpu", "threads": 1, "batch_size": 16}


def load(name: str) -> Digits:
    return dataclasses.replace(tiny_digits(), name=name)


def sweep(name: str = "s", study: dict[str, Any] | None = None, **keys: Any) -> Sweep:
    document = {"name": name, "study": TINY | (study or {}), "seeds": 2, **keys}
    return sweep_of(document, "s.yaml")


class Here:
    """Trains in this process, one run after the other, and remembers which."""

    def __init__(self, ended: Callable[[JobResult], JobResult] = lambda result: result) -> None:
        self.jobs: list[Job] = []
        self.ended = ended

    def run(
        self, jobs: Sequence[Job], digits: Digits, *, on_event: Callable[[Event], None]
    ) -> Iterator[JobResult]:
        for job in jobs:
            self.jobs.append(job)
            on_event(Event("started", job))
            tell = lambda row, job=job: on_event(Event("epoch", job, row=row))  # noqa: E731
            yield self.ended(perform(job, digits, on_epoch=tell))


def train(
    what: Sweep, out: Path, runner: Any = None, **options: Any
) -> tuple[SweepResult, list[str]]:
    """The result, and the keys that were trained."""
    runner = runner or Here()
    result = run_sweep(what, load, RunStore(out), runner, **options)
    return result, [job.run for job in getattr(runner, "jobs", [])]


def compared(result: SweepResult) -> pd.DataFrame:
    return result.runs.drop(columns="seconds")
