"""A sweep's tables: a row per run, and a row per run and epoch.

Rows stand in the order of the arms, then of the seeds. `seconds` of the table of runs is the only
measured time in either: all other columns are equal wherever and in however many pieces a sweep
is trained on CPUs of one kind.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hindi_bn.records import COLUMNS
from hindi_bn.stats.metrics import ENDED, METRICS, metrics_of
from hindi_bn.sweeps.store import RunStore, Status, SweepRun

FIRST = ("arm", "seed", "key", "status")
LAST = ("diverged_epoch", "diverged_step", "epochs", "seconds")
NO_HISTORY = pd.DataFrame(columns=list(COLUMNS), dtype="float64")


def runs_table(
    runs: Sequence[SweepRun], statuses: Mapping[str, Status], varied: list[str], store: RunStore
) -> pd.DataFrame:
    """Return a row per run; `statuses` by the runs' names. RunError for a folder not to be read.

    Columns `arm`, `seed`, `key`, `status`, the varied keys, the metrics of
    `hindi_bn.stats.metrics`, `diverged_epoch` and `diverged_step` (NaN unless it diverged),
    `epochs` (finished ones) and `seconds` (of training).
    """
    columns = [*FIRST, *varied, *METRICS, *LAST]
    table = pd.DataFrame([_run_row(run, statuses, store) for run in runs], columns=columns)
    floats = [*METRICS, "diverged_epoch", "diverged_step", "seconds"]
    return table.astype(dict.fromkeys(floats, "float64") | {"seed": "int64", "epochs": "int64"})


def _run_row(run: SweepRun, statuses: Mapping[str, Status], store: RunStore) -> dict[str, Any]:
    status, cell, found = statuses[run.name], run.cell, store.found(run)
    begun = None if status == "missing" else store.history(run)
    history = NO_HISTORY if begun is None else begun
    diverged = found.failure if found is not None else None
    if found is not None:
        seconds = found.seconds
    else:
        seconds = history["seconds"].iloc[-1] if len(history) else store.failed_after(run)
    return {
        "arm": cell.arm,
        "seed": cell.seed,
        "key": run.key,
        "status": status,
        **cell.values,  # noqa: PD011
        **metrics_of(history, status),
        "diverged_epoch": diverged.epoch if diverged else None,
        "diverged_step": diverged.step if diverged else None,
        "epochs": len(history),
        "seconds": float(seconds),
    }


def epochs_table(
    runs: Sequence[SweepRun], statuses: Mapping[str, Status], varied: list[str], store: RunStore
) -> pd.DataFrame:
    """Return a row per run and epoch, of the runs that finished or diverged; see `runs_table`.

    Columns `arm`, `seed`, `key`, the varied keys, and those of history.csv but for `seconds`.
    """
    first = ["arm", "seed", "key", *varied]
    parts = []
    for run in runs:
        history = store.history(run) if statuses[run.name] in ENDED else None
        if history is not None:
            shown = [c for c in (*COLUMNS, *run.cell.run.history_columns) if c in history.columns]
            named: dict[str, Any] = {"arm": run.cell.arm, "seed": run.cell.seed, "key": run.key}
            part = history.assign(**named, **run.cell.values)
            parts.append(part.reindex(columns=[*first, *(c for c in shown if c != "seconds")]))
    parts = [part for part in parts if len(part)]  # one that diverged at once has none
    if not parts:
        return pd.DataFrame(columns=[*first, *(c for c in COLUMNS if c != "seconds")])
    return pd.concat(parts, ignore_index=True)
