"""A sweep's tables: a row per run, and a row per run and epoch.

Rows stand in the order of the arms, then of the seeds. `seconds` of the table of runs is the only
measured time in either: all other columns are equal wherever and in however many pieces a sweep
is trained on CPUs of one kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hindi_bn.records import COLUMNS
from hindi_bn.stats.metrics import METRICS, metrics_of
from hindi_bn.sweeps.store import RunStore, Status, SweepRun

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("arm", "seed", "key", "status")
LAST = ("diverged_epoch", "diverged_step", "epochs", "seconds")
OF_AN_EPOCH = tuple(column for column in COLUMNS if column != "seconds")


def runs_table(
    runs: Sequence[SweepRun], statuses: Mapping[str, Status], varied: list[str], store: RunStore
) -> pd.DataFrame:
    """Return a row per run.

    Returns:
        Columns `arm`, `seed`, `key`, `status`, the varied keys, the metrics of
        `hindi_bn.stats.metrics`, `diverged_epoch` and `diverged_step` (NaN unless it diverged),
        `epochs` (finished ones) and `seconds` (of training).

    Raises:
        RunError: When a run's folder cannot be read.
    """
    import pandas as pd

    columns = [*FIRST, *varied, *METRICS, *LAST]
    table = pd.DataFrame([_run_row(run, statuses, store) for run in runs], columns=columns)
    floats = [*METRICS, "diverged_epoch", "diverged_step", "seconds"]
    return table.astype(dict.fromkeys(floats, "float64") | {"seed": "int64", "epochs": "int64"})


def _run_row(run: SweepRun, statuses: Mapping[str, Status], store: RunStore) -> dict[str, Any]:
    status, cell, failure = statuses[run.key], run.cell, store.failure(run.job)
    begun = status != "missing" and (run.job.folder / "history.csv").exists()
    history = store.history(run.job) if begun else _no_history()
    diverged = failure if failure is not None and status == "diverged" else None
    seconds = float(history["seconds"].iloc[-1]) if len(history) else store.failed_after(run.job)
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
        "seconds": seconds,
    }


def _no_history() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({column: pd.Series(dtype="float64") for column in COLUMNS})


def epochs_table(
    runs: Sequence[SweepRun], statuses: Mapping[str, Status], varied: list[str], store: RunStore
) -> pd.DataFrame:
    """Return a row per run and epoch, of the runs that finished or diverged; see `runs_table`.

    Columns `arm`, `seed`, `key`, the varied keys, and those of history.csv but for `seconds`.
    """
    import pandas as pd

    parts = []
    for run in runs:
        if statuses[run.key] in ("finished", "diverged"):
            cell = run.cell
            named: dict[str, Any] = {"arm": cell.arm, "seed": cell.seed, "key": run.key}
            named |= cell.values  # noqa: PD011
            history = store.history(run.job).drop(columns="seconds")
            for place, (column, value) in enumerate(named.items()):
                history.insert(place, column, value)
            parts.append(history)
    parts = [part for part in parts if len(part)]  # one that diverged at once has none
    if not parts:
        return pd.DataFrame(columns=["arm", "seed", "key", *varied, *OF_AN_EPOCH])
    return pd.concat(parts, ignore_index=True)
