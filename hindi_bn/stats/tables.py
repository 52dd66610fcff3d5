"""Arms over seeds as tables: means with intervals, and paired differences with tests.

The one place to import statistics from; `intervals` and `pairs` do the work on plain numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from hindi_bn.errors import StatisticsError
from hindi_bn.stats.intervals import (
    Interval,
    Method,
    Summary,
    mean_interval,
    paired_interval,
    summarise,
)
from hindi_bn.stats.metrics import OUTCOMES
from hindi_bn.stats.pairs import Paired, compare_paired, holm

__all__ = [
    "Interval",
    "Method",
    "Paired",
    "Summary",
    "compare_paired",
    "holm",
    "mean_interval",
    "paired_interval",
    "paired_table",
    "summarise",
    "summary_table",
]

SUMMARY_COLUMNS = (
    "arm", "outcome", "n", "n_missing", "mean", "deviation", "median", "low", "high", "method",
)  # fmt: skip
PAIRED_COLUMNS = (
    "arm", "baseline", "outcome", "n", "mean_difference", "low", "high", "method", "p", "p_holm",
    "test", "effect_size",
)  # fmt: skip


def summary_table(
    runs: pd.DataFrame,
    outcomes: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    method: Method = "t",
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Sum up every outcome of every arm.

    Parameters
    ----------
    runs
        A row a run: `arm`, `seed`, and a column of numbers an outcome.
    outcomes
        Columns to sum up; every one of `OUTCOMES` that `runs` has by default.
    confidence, method, rng
        As in `mean_interval`.

    Returns
    -------
    A row an arm and outcome, arms in the order of `runs`: `arm`, `outcome`, `n` (finite values),
    `n_missing` (the arm's other runs), `mean`, `deviation`, `median`, `low`, `high`, `method`;
    in the outcome's own unit.

    Raises
    ------
    StatisticsError
        When a column is missing or an arm has a seed twice, and as in `mean_interval`.
    """
    names = _checked_outcomes(runs, outcomes)
    rows = []
    for arm, part in runs.groupby("arm", sort=False):
        for outcome in names:
            values = _present(part, outcome).to_numpy()
            summary = summarise(values, confidence=confidence, method=method, rng=rng)
            missing = len(part) - len(values)
            rows.append({"arm": arm, "outcome": outcome, "n_missing": missing, **asdict(summary)})
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def paired_table(
    runs: pd.DataFrame,
    baseline_arm: str,
    outcomes: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    method: Method = "t",
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Compare every other arm with one, seed by seed.

    Parameters
    ----------
    runs, outcomes, confidence, method, rng
        As in `summary_table`.
    baseline_arm
        The arm that is subtracted.

    Returns
    -------
    A row an arm and outcome: `arm`, `baseline`, `outcome`, `n` (seeds for which both have a finite
    value), `mean_difference` (arm minus baseline, in the outcome's own unit), `low`, `high`,
    `method`, `p`, `p_holm` (corrected over the arms, each outcome for itself), `test`,
    `effect_size` (see `Paired`).

    Raises
    ------
    StatisticsError
        When there is no such arm, and as in `summary_table`.
    """
    names = _checked_outcomes(runs, outcomes)
    arms = {str(arm): part for arm, part in runs.groupby("arm", sort=False)}
    if baseline_arm not in arms:
        known = ", ".join(arms) or "none at all"
        raise StatisticsError(
            f"There is no arm {baseline_arm!r} to compare with.", f"The arms are: {known}."
        )
    baseline = arms.pop(baseline_arm)
    rows: list[dict[str, Any]] = []
    for arm, part in arms.items():
        for outcome in names:
            both = _pairs(part, baseline, outcome)
            paired = compare_paired(*both, confidence=confidence, method=method, rng=rng)
            named = {"arm": arm, "baseline": baseline_arm, "outcome": outcome}
            rows.append({**named, **asdict(paired)})
    table = pd.DataFrame(rows, columns=list(PAIRED_COLUMNS))
    if rows:
        by_outcome = table.groupby("outcome")["p"]
        table["p_holm"] = by_outcome.transform(lambda p: pd.Series(holm(p.to_numpy()), p.index))
    return table


def _checked_outcomes(runs: pd.DataFrame, outcomes: Sequence[str] | None) -> list[str]:
    """Return the columns to work on; refuse a table that lacks one, or has a seed twice."""
    if outcomes is None:
        outcomes = [name for name in OUTCOMES if name in runs.columns]
    missing = [name for name in ("arm", "seed", *outcomes) if name not in runs.columns]
    if missing:
        raise StatisticsError(f"The table of runs has no column {', '.join(missing)}.")
    twice = runs[runs.duplicated(["arm", "seed"])]
    if len(twice):
        arm, seed = twice.iloc[0][["arm", "seed"]]
        raise StatisticsError(
            f"Arm {arm!r} has seed {seed} more than once.",
            "Runs of one arm differ only in their seed; counting one twice would narrow intervals.",
            "give arms that differ in their settings different names",
        )
    return list(outcomes)


def _present(part: pd.DataFrame, outcome: str) -> pd.Series[float]:
    """Return an arm's finite values, indexed by seed."""
    values = part.set_index("seed")[outcome].astype(float)
    return values[np.isfinite(values)]


def _pairs(
    part: pd.DataFrame, baseline: pd.DataFrame, outcome: str
) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return two arms' values at the seeds for which both have a finite one."""
    ours, theirs = _present(part, outcome), _present(baseline, outcome)
    seeds = [seed for seed in ours.index if seed in theirs.index]
    return ours.loc[seeds], theirs.loc[seeds]
