"""Training a sweep: what is missing is trained, what is there is used, and all of it tabulated."""

import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from hindi_bn.digits import Digits
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.errors import StudyError
from hindi_bn.evidence.keys import recordings_of
from hindi_bn.evidence.row import Row
from hindi_bn.runners.jobs import JobResult, write_failure
from hindi_bn.runners.local import Runner
from hindi_bn.runners.workers import Event
from hindi_bn.stats.metrics import ENDED
from hindi_bn.sweeps.cells import Cell, cells
from hindi_bn.sweeps.progress import Progress
from hindi_bn.sweeps.store import RunStore, Status, SweepRun
from hindi_bn.sweeps.sweep_file import Sweep
from hindi_bn.sweeps.tables import epochs_table, runs_table

Load = Callable[[str], "Digits"]
"""Gives the data set of that name; for `digits` it may give the stand-in."""

OnEvent = Callable[[Progress, "Event | JobResult | None"], None]
"""Called with the state and what changed it: an event, a result, or None when training begins."""


@dataclass(frozen=True)
class BadEnd:
    """A run that diverged, failed or died: its arm, seed, key and status, and why.

    `refused` says that its settings were refused, which training again will not change.
    """

    arm: str
    seed: int
    key: str
    status: Status
    why: str
    refused: bool = False


@dataclass(frozen=True)
class SweepResult:
    """A sweep's tables (see `hindi_bn.sweeps.tables`), complete or not.

    `varied` are the columns that hold the varied keys; `titles` the data's names in print.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    varied: list[str]
    bad_ends: tuple[BadEnd, ...]
    titles: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every run has a result: it finished or diverged."""
        return bool(self.runs["status"].isin(ENDED).all())

    @property
    def title(self) -> str:
        """Name of the data, for tables and figures."""
        return "; ".join(self.titles)


@dataclass(frozen=True)
class Plan:
    """Every cell's run in the order of the cells, and the data by name as the cells ask for it."""

    runs: tuple[SweepRun, ...]
    digits: dict[str, Digits]

    def todo(self, store: RunStore, *, retry_failed: bool = False) -> list[SweepRun]:
        """Return the runs to train, each once: all arms of a seed before the next seed.

        Of runs with the same key, one that records all that another does is trained for both.
        """
        open_ = ("missing", "unfinished", *(["failed"] if retry_failed else []))
        waiting: dict[str, list[SweepRun]] = {}
        for run in {run.name: run for run in self.runs}.values():
            if store.status(run) in open_:
                waiting.setdefault(run.key, []).append(run)
        left = [run for runs in waiting.values() for run in runs if not _covered(run, runs)]
        seeds = list(dict.fromkeys(run.cell.seed for run in self.runs))
        return sorted(left, key=lambda run: seeds.index(run.cell.seed))


def _covered(run: SweepRun, same: Sequence[SweepRun]) -> bool:
    """Say whether another run of the same key records all that this one does, and more."""
    others = [recordings_of(other.cell.run) for other in same if other is not run]
    mine = recordings_of(run.cell.run) if others else {}
    return any(mine != theirs and mine.items() <= theirs.items() for theirs in others)


def plan_sweep(what: Sweep | Sequence[Cell], load: Load, store: RunStore, command: str) -> Plan:
    """Load the data that the cells ask for, and give every cell its key and its job.

    Cells that are trained as one run ask for the measures of all of them.
    """
    chosen = cells(what) if isinstance(what, Sweep) else tuple(what)
    digits = {name: load(name) for name in dict.fromkeys(cell.study.data for cell in chosen)}
    placed = [store.place(cell, digits[cell.study.data], command) for cell in chosen]
    asked: dict[str, list[tuple[str, ...] | None]] = {}
    for run in placed:
        asked.setdefault(run.name, []).append(run.cell.measures)
    runs = [
        replace(run, cell=replace(run.cell, measures=_together(asked[run.name]))) for run in placed
    ]
    return Plan(tuple(_declared(runs)), digits)


def _together(asked: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """Return all measures that are asked for; None where one asks for the recordings."""
    if None in asked:
        return None
    return tuple(dict.fromkeys(name for names in asked for name in names or ()))


def _declared(runs: Sequence[SweepRun]) -> Iterator[SweepRun]:
    """Tell each job of all claims that it is trained for, also of those that other cells name."""
    claims: dict[str, dict[str, str]] = {}
    for run in runs:
        claims.setdefault(run.key, {}).update(run.cell.claims)
    for run in runs:
        yield replace(run, job=replace(run.job, claims=claims[run.key]))


def run_sweep(
    what: Sweep | Sequence[Cell],
    load: Load,
    store: RunStore,
    runner: Runner,
    *,
    retry_failed: bool = False,
    fail_fast: bool = False,
    command: str = "",
    on_event: OnEvent = lambda progress, what: None,
    note: Note = no_note,
) -> SweepResult:
    """Train the runs of a sweep that are not in the store yet, and tabulate all of them.

    A finished run is never trained again, whichever sweep it was trained for; an unfinished one
    goes on from its checkpoint. A run that diverges is a result; one that fails is recorded, and
    the rest goes on. A run whose process was killed, or that another process is training, is not
    recorded: it is open, and trained by the next call.

    Args:
        retry_failed: Train runs again that failed before, from their beginning; never those that
            diverged.
        fail_fast: Stop at the first run that fails; the runs in progress are saved.
        note: Called with what came from the evidence, and what it lacks.

    Raises:
        HindiBnError: When a cell, its data or the store cannot be used.
        KeyboardInterrupt: On Ctrl-C, after the runs in progress have been saved.
    """
    plan = plan_sweep(what, load, store, command)
    for run in plan.runs:
        store.remove_leftovers(run)
    todo = plan.todo(store, retry_failed=retry_failed)
    for run in todo:
        if store.failure(run) is not None:
            store.forget(run)
    for text in _notes(plan, todo, store):
        note(text)
    progress = Progress.begin(plan.runs, todo, store)
    on_event(progress, None)
    with contextlib.closing(_trained(plan, todo, runner, progress, on_event)) as training:
        by_name = {run.name: run for run in todo}
        for result in training:
            name = result.job.run
            _keep(result, by_name[name], store)
            progress.end(result, store)
            on_event(progress, result)
            if fail_fast and (progress.statuses[name] == "failed" or name in progress.died):
                break
    return _result(plan, store, progress)


def _trained(
    plan: Plan, todo: list[SweepRun], runner: Runner, progress: Progress, on_event: OnEvent
) -> Generator[JobResult, None, None]:
    """Train the runs, one data set after the other; when this is closed, so is the runner."""

    def hear(event: Event) -> None:
        progress.hear(event)
        on_event(progress, event)

    for name, digits in plan.digits.items():
        if jobs := [run.job for run in todo if run.cell.study.data == name]:
            yield from runner.run(jobs, digits, on_event=hear)


def _notes(plan: Plan, todo: Sequence[SweepRun], store: RunStore) -> Iterator[str]:
    """Say how many runs come from the evidence, and what it lacks of those to be trained."""
    every = {run.name: run for run in plan.runs}.values()
    found = [store.found(run) for run in every]
    if from_evidence := sum(each is not None and isinstance(each.source, Row) for each in found):
        yield f"{from_evidence} of {len(every)} runs come from the evidence."
    for lacking, runs in Counter(filter(None, map(store.lacking, todo))).items():
        yield f"Trained again: {runs} of the runs in the evidence, which lacks {lacking}."


def _keep(result: JobResult, run: SweepRun, store: RunStore) -> None:
    """Record a run that ended badly, unless it may well end otherwise when trained again."""
    failure = result.failure
    if store.ended_here(run) or failure is None or failure.worker_is_dead:
        return
    if failure.kind != "RunError" or not store.in_use(run):
        write_failure(result)
        store.ended_here(run)


def _result(plan: Plan, store: RunStore, progress: Progress) -> SweepResult:
    columns = list(plan.runs[0].cell.values)
    statuses = {run.name: store.status(run) for run in plan.runs}
    return SweepResult(
        runs_table(plan.runs, statuses, columns, store),
        epochs_table(plan.runs, statuses, columns, store),
        columns,
        tuple(_bad_ends(plan.runs, statuses, store, progress)),
        tuple(dict.fromkeys(digits.title for digits in plan.digits.values())),
        tuple(dict.fromkeys(digits.name for digits in plan.digits.values())),
    )


def _bad_ends(
    runs: Sequence[SweepRun], statuses: dict[str, Status], store: RunStore, progress: Progress
) -> Iterator[BadEnd]:
    for run in runs:
        cell, why, refused = run.cell, progress.died.get(run.name, ""), False
        status, failure = statuses[run.name], store.failure(run)
        if failure is not None and status in ("diverged", "failed"):
            why, refused = str(failure), failure.kind == StudyError.__name__
        if why:
            yield BadEnd(cell.arm, cell.seed, run.key, status, why, refused)
