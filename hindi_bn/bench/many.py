"""Many runs on one machine: what they cost side by side, and one after the other.

On the CPU `side by side` is a worker process with few threads for each core, on a GPU an ensemble;
`one after the other` gives each run the whole machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hindi_bn.bench.arm import part_of
from hindi_bn.errors import HindiBnError
from hindi_bn.runners.jobs import Job
from hindi_bn.study import Study

if TYPE_CHECKING:
    import torch

    from hindi_bn.bench.measure import Bench
    from hindi_bn.digits import Digits


@dataclass(frozen=True)
class ManyRuns:
    """Seconds that some runs cost, start of the processes included; `how` is side by side.

    On a GPU `one_by_one` is that many times the seconds of one run.
    """

    runs: int
    epochs: int
    numerics: str
    side_by_side: float
    one_by_one: float
    how: str


def measure_many(bench: Bench, digits: Digits, seeds: int, device: torch.device) -> ManyRuns:
    """Train the study's first run with so many seeds, both ways."""
    digits = part_of(digits, bench.every)
    jobs = jobs_of(bench.study, range(seeds), bench.epochs)
    return ensemble(jobs, digits) if device.type == "cuda" else workers(jobs, digits)


def workers(jobs: Sequence[Job], digits: Digits) -> ManyRuns:
    """Train in worker processes; then in one process that has all cores."""
    from hindi_bn.runners.plan import available_cores

    side_by_side, how = _in_workers(jobs, digits)
    one_by_one = side_by_side
    if len(jobs) > 1:
        threads = jobs[0].study.threads or available_cores()
        one_by_one, _ = _in_workers(jobs, digits, workers=1, threads=threads)
    return _many(jobs, side_by_side, one_by_one, how)


def jobs_of(study: Study, seeds: Sequence[int], epochs: int) -> list[Job]:
    """Return a job of the study's first run for each seed; their folders are set later."""
    run = study.runs[0].model_copy(update={"epochs": epochs})
    studies = [
        study.model_copy(update={"runs": (run,), "seed": study.seed + seed, "name": f"seed-{seed}"})
        for seed in seeds
    ]
    return [Job(each, run.name, Path()) for each in studies]


def _in_workers(jobs: Sequence[Job], digits: Digits, **how: int) -> tuple[float, str]:
    """Return the seconds, and the workers and threads in words; `how` is as in `run_jobs`."""
    from hindi_bn.runners.workers import Event, run_jobs

    events: list[Event] = []
    with tempfile.TemporaryDirectory(prefix="hindi-bn-") as out:
        began = time.perf_counter()
        placed = [replace(job, out=Path(out)) for job in jobs]
        for result in run_jobs(placed, digits, **how, on_event=events.append):
            if result.failure:
                failure = result.failure
                raise HindiBnError(failure.what, failure.why, failure.next_step)
        return time.perf_counter() - began, events[0].text  # the first event is the plan


def ensemble(jobs: Sequence[Job], digits: Digits) -> ManyRuns:
    """Train as an ensemble on the first job's device; then one run of it by itself."""
    from hindi_bn.training.gpu.ensemble import Member, train_ensemble

    members = [Member(job.study, job.run) for job in jobs]
    began = time.perf_counter()
    trained = train_ensemble(members, digits)
    together = time.perf_counter() - began
    began = time.perf_counter()
    train_ensemble(members[:1], digits)
    alone = time.perf_counter() - began
    how = f"an ensemble of {len(jobs)} ({trained[0].method}), {trained[0].together} at once"
    return _many(jobs, together, len(jobs) * alone, how)


def _many(jobs: Sequence[Job], side_by_side: float, one_by_one: float, how: str) -> ManyRuns:
    study = jobs[0].study
    epochs = study.runs[0].epochs
    return ManyRuns(len(jobs), epochs, study.numerics, side_by_side, one_by_one, how)
