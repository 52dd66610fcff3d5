"""Sweeps: a study times a grid times seeds, trained once each, tabulated and drawn."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hindi_bn.api.digits import load_digits
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.errors import EvidenceError
from hindi_bn.runners.local import LocalRunner, Runner
from hindi_bn.runners.plan import plan
from hindi_bn.sweeps.cells import Cell, cells
from hindi_bn.sweeps.estimate import Estimate, estimate
from hindi_bn.sweeps.output import output_folder, write_sweep
from hindi_bn.sweeps.run import Load, OnEvent, SweepResult, plan_sweep, run_sweep
from hindi_bn.sweeps.store import RunStore
from hindi_bn.sweeps.sweep_file import Sweep, find_sweep, load_sweep

Opened = Callable[[], contextlib.AbstractContextManager[OnEvent]]
"""Opens what is called with the progress of the training, and closes it afterwards."""


def no_progress() -> contextlib.AbstractContextManager[OnEvent]:
    """Report nothing."""
    return contextlib.nullcontext(lambda progress, what: None)


@dataclass(frozen=True, eq=False)
class WrittenSweep:
    """A sweep's result (`runs` and `epochs` are DataFrames), and what was written into `folder`.

    `document` is what summary.json holds: the statistics of every arm.
    """

    result: SweepResult
    folder: Path
    document: dict[str, Any]

    @property
    def open(self) -> int:
        """Number of runs that neither finished nor diverged."""
        return int((~self.result.runs["status"].isin(["finished", "diverged"])).sum())


def sweep(
    what: str | os.PathLike[str] | Sweep,
    changes: Mapping[str, Any] | None = None,
    *,
    seeds: int | None = None,
    data_dir: str | os.PathLike[str] = "data",
    out: str | os.PathLike[str] = "results",
    evidence: str | os.PathLike[str] | None = None,
    load: Load | None = None,
    runner: Runner | None = None,
    retry_failed: bool = False,
    fail_fast: bool = False,
    formats: Sequence[str] = ("png",),
    command: str = "",
    progress: Opened = no_progress,
    note: Note = no_note,
) -> WrittenSweep:
    """Train every setting of a sweep with every seed; write tables, statistics and figures.

    Runs are kept in `<out>/runs` and never trained twice, whichever sweep they belong to; those
    that the evidence has are not trained either.

    Args:
        what: A sweep, its file, or the name of one that comes along.
        changes, seeds: Keys and values, and a number of seeds, that beat the file's.
        evidence: Folder of the evidence; `<out>/evidence` unless given.
        load: Gives data by name; from `data_dir` unless given, real digits fetched if missing.
        runner: Who trains: worker processes of this machine unless given.
        retry_failed, fail_fast: Train runs again that failed before; stop at the first that fails.
        note: Called with what came from the evidence, and what it lacks.
    """
    chosen, runs = _resolved(what, changes, seeds)
    load = load or partial(load_digits, data_dir, fetch=True)
    loaded = {name: load(name) for name in dict.fromkeys(cell.study.data for cell in runs)}
    with progress() as on_event:
        result = run_sweep(
            runs, loaded.__getitem__, store_of(out, evidence), runner or LocalRunner(),
            retry_failed=retry_failed, fail_fast=fail_fast, command=command, on_event=on_event,
            note=note,
        )  # fmt: skip
    folder = output_folder(Path(out), chosen, result.data)
    return WrittenSweep(result, folder, write_sweep(result, chosen, folder, formats))


def estimate_sweep(
    what: str | os.PathLike[str] | Sweep,
    changes: Mapping[str, Any] | None = None,
    *,
    seeds: int | None = None,
    data_dir: str | os.PathLike[str] = "data",
    out: str | os.PathLike[str] = "results",
    evidence: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
) -> Estimate:
    """List what a sweep would train and measure what it would cost; nothing is written."""
    _, runs = _resolved(what, changes, seeds)
    load, store = partial(load_digits, data_dir), store_of(out, evidence)
    return estimate_cells(runs, load, store, workers, retry_failed=retry_failed)


def store_of(
    out: str | os.PathLike[str], evidence: str | os.PathLike[str] | None = None
) -> RunStore:
    """Return the store of the runs in `out`; EvidenceError when there is no folder `evidence`."""
    return RunStore(Path(out), None if evidence is None else evidence_folder(out, evidence))


def evidence_folder(out: str | os.PathLike[str], evidence: str | os.PathLike[str] | None) -> Path:
    """Return the folder of the evidence: `<out>/evidence`, or one that must be there."""
    if evidence is None:
        return Path(out) / "evidence"
    if not Path(evidence).is_dir():
        raise EvidenceError(
            f"There is no evidence in {os.fspath(evidence)}.",
            "No such folder.",
            "name another one with --evidence, or add runs with `hindi-bn evidence add`",
        )
    return Path(evidence)


def estimate_cells(
    runs: Sequence[Cell], load: Load, store: RunStore, workers: int | None,
    *, retry_failed: bool = False,
) -> Estimate:  # fmt: skip
    """Measure a few steps of every distinct network that is left to train."""
    planned = plan_sweep(runs, load, store, "")
    side_by_side = plan(max(1, len(runs)), workers=workers, threads=1).workers
    return estimate(planned, store, side_by_side, retry_failed=retry_failed)


def _resolved(
    what: str | os.PathLike[str] | Sweep, changes: Mapping[str, Any] | None, seeds: int | None
) -> tuple[Sweep, tuple[Cell, ...]]:
    if isinstance(what, Sweep):
        chosen, origin = what.changed(changes, seeds), ""
    else:
        file = find_sweep(os.fspath(what))
        chosen, origin = load_sweep(str(file)).changed(changes, seeds), str(file)
    return chosen, cells(chosen, origin, changes)
