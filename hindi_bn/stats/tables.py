"""Runs over seeds as tidy tables, which files hold and figures draw: values, means, differences.

A table of values has a row per run (or run and epoch) with its `value` as it counts, NaN where
there is none, and its `status`. A table of means has, for each group, `n` (values), `n_missing`
(other runs), `n_diverged` and `divergence_rate` (of the runs that ended), and the fields of
`Summary`; in the metric's own unit.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from hindi_bn.errors import StatisticsError
from hindi_bn.stats.intervals import EVERYWHERE, summarise
from hindi_bn.stats.metrics import ENDED, METRICS, Metric, metric_named
from hindi_bn.stats.pairs import holm, subtracted, tested_differences

_COUNTS = ("n", "n_missing", "n_diverged", "divergence_rate")
_MEANS = (*_COUNTS, "mean", "std", "median", "low", "high", "method")
PAIRED_COLUMNS = (
    "arm", "baseline", "metric", *_COUNTS, "mean_difference", "std", "low", "high", "method", "p",
    "p_holm", "p_sign_flip", "sign_flip", "effect_size",
)  # fmt: skip


def values_of(runs: pd.DataFrame, name: str, metric: Metric) -> pd.DataFrame:
    """Return a metric of every run as it counts, also of runs that diverged.

    `runs` has a row per run with the metric's column; without a column `status` all finished. It is
    returned with the columns `value` and `status`.
    """
    status = runs["status"] if "status" in runs else pd.Series("finished", runs.index)
    values = runs[name].astype(float).mask(status == "diverged", metric.diverged)
    return runs.assign(value=values.where(np.isfinite(values)), status=status)


def epoch_values(
    epochs: pd.DataFrame, name: str, metric: Metric, runs: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return a column of the histories as it counts: a run's test accuracy is chance once diverged.

    Args:
        epochs: A row per run and epoch: `arm`, `seed`, `epoch` (from 0) and the column `name`.
        runs: A row per run: `arm`, `seed` and `status`; without it all finished.

    Returns:
        `arm`, `seed`, `epoch`, `status`, `value` and `recorded`, which is what the history holds. A
        run that diverged has a row for every epoch of its arm; one that neither finished nor
        diverged has no value.
    """
    keys = ["arm", "seed"]
    if runs is None:
        runs = epochs[keys].drop_duplicates().assign(status="finished")
    recorded = epochs[[*keys, "epoch"]].assign(recorded=epochs[name].astype(float))
    columns = [*keys, "epoch", "status", "value", "recorded"]
    tables = []
    for arm, of_arm in runs.groupby("arm", sort=False):
        parts: list[pd.DataFrame] = []
        rows = recorded[recorded["arm"] == arm]
        last = _last_epoch(rows, of_arm, recorded)
        for seed, status in zip(of_arm["seed"], of_arm["status"], strict=True):
            run = rows[rows["seed"] == seed].assign(status=status, value=lambda r: r["recorded"])
            if status == "diverged":
                run = _diverged(run, last, metric).assign(arm=arm, seed=seed, status=status)
            elif status != "finished":
                run["value"] = np.nan
            parts.append(run)
        if parts := [part for part in parts if len(part)]:
            tables.append(pd.concat(parts)[columns].sort_values("epoch", kind="stable"))
    return pd.concat(tables, ignore_index=True) if tables else _nothing(columns)


def _last_epoch(rows: pd.DataFrame, runs: pd.DataFrame, recorded: pd.DataFrame) -> int:
    """Return the last epoch of an arm's finished runs, or else of all that was recorded."""
    finished = rows[rows["seed"].isin(runs.loc[runs["status"] == "finished", "seed"])]
    last = (finished if len(finished) else recorded)["epoch"].max()
    return -1 if pd.isna(last) else int(last)


def _diverged(run: pd.DataFrame, last: int, metric: Metric) -> pd.DataFrame:
    filled = run.set_index("epoch").reindex(range(max(last + 1, len(run)))).rename_axis("epoch")
    value = filled["recorded"].fillna(metric.diverged) if metric.counts_diverged else np.nan
    return filled.assign(value=value).reset_index()


def summary_by(
    values: pd.DataFrame, by: Sequence[str], possible: tuple[float, float] = EVERYWHERE
) -> pd.DataFrame:
    """Sum up every group of a table of values, groups in the order of their first rows.

    `possible` are the ends of what a value can be: intervals are cut to them.
    """
    rows = []
    for keys, part in values.groupby(list(by), sort=False, dropna=False):
        there, status = part["value"].dropna(), part["status"]
        ended, diverged = int(status.isin(ENDED).sum()), int((status == "diverged").sum())
        counts = {
            "n_missing": len(part) - len(there),
            "n_diverged": diverged,
            "divergence_rate": diverged / ended if ended else float("nan"),
        }
        found = summarise(there, possible=possible)
        rows.append(dict(zip(by, keys, strict=True)) | counts | asdict(found))
    return pd.DataFrame(rows, columns=[*by, *_MEANS])


def summary_table(runs: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Sum up metrics of every arm, by default every one of `METRICS` that `runs` has.

    Returns a row per arm and metric, arms in the order of `runs`: `arm`, `metric`, and the columns
    of a table of means. StatisticsError when a column is missing or an arm has a seed twice.
    """
    names = _checked(runs, metrics)
    parts = []
    for name in names:
        metric = metric_named(name)
        values = values_of(runs, name, metric).assign(metric=name)
        parts.append(summary_by(values, ["arm", "metric"], metric.possible))
    return _by_arm(pd.concat(parts), names) if parts else _nothing(["arm", "metric", *_MEANS])


def paired_values(
    values: pd.DataFrame, baseline: str, on: Sequence[str] = ("seed",)
) -> pd.DataFrame:
    """Subtract the baseline's value from every other arm's of the same seed.

    `values` is a table of values with `arm` and the columns `on`. Returns a row per pair that both
    arms have: `arm`, the columns `on`, `value` (NaN where one has none) and `status`, which is
    `diverged` when one of the two diverged. StatisticsError when there is no such arm.
    """
    arms = list(dict.fromkeys(values["arm"].astype(str)))
    if baseline not in arms:
        raise StatisticsError(
            f"There is no arm {baseline!r} to compare with.",
            f"The arms are: {', '.join(arms) or 'none at all'}.",
        )
    columns = ["arm", *on, "value", "status"]
    base = values[values["arm"] == baseline][columns[1:]]
    parts = []
    for _, part in values[values["arm"] != baseline][columns].groupby("arm", sort=False):
        pairs = part.merge(base, on=list(on), suffixes=("", "_base"))
        difference = subtracted(pairs["value"].to_numpy(), pairs["value_base"].to_numpy())
        diverged = (pairs[["status", "status_base"]] == "diverged").any(axis=1)
        status = pairs["status"].mask(pairs["status"] == "finished", pairs["status_base"])
        parts.append(pairs.assign(value=difference, status=status.mask(diverged, "diverged")))
    return pd.concat(parts, ignore_index=True)[columns] if parts else _nothing(columns)


def paired_table(
    runs: pd.DataFrame, baseline: str, metrics: Sequence[str] | None = None
) -> pd.DataFrame:
    """Compare every other arm with the baseline, seed by seed; metrics as in `summary_table`.

    Returns a row per arm and metric: `arm`, `baseline`, `metric`, the counts of a table of means
    (of pairs; a pair of which one run diverged counts as diverged), the fields of `Paired`, and
    `p_holm`: `p` corrected over the arms, each metric for itself. StatisticsError when there is no
    such arm, and as in `summary_table`.
    """
    names = _checked(runs, metrics)
    parts = []
    for name in names:
        metric = metric_named(name)
        pairs = paired_values(values_of(runs, name, metric), baseline)
        means = summary_by(pairs, ["arm"]).set_index("arm")
        rows = [
            {"arm": arm, "baseline": baseline, "metric": name}
            | means.loc[arm, list(_COUNTS)].to_dict()
            | asdict(tested_differences(part["value"].dropna(), _differences(metric)))
            for arm, part in pairs.groupby("arm", sort=False)
        ]
        table = pd.DataFrame(rows, columns=list(PAIRED_COLUMNS))
        parts.append(table.assign(p_holm=holm(table["p"].to_numpy(dtype=float))))
    parts = [part for part in parts if len(part)]
    return _by_arm(pd.concat(parts), names) if parts else _nothing(PAIRED_COLUMNS)


def _differences(metric: Metric) -> tuple[float, float]:
    """Return the ends of what a difference of two values can be."""
    low, high = metric.possible
    return low - high, high - low


def _by_arm(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Order rows by arm, in the order of their first ones, then by metric."""
    arms = {arm: place for place, arm in enumerate(dict.fromkeys(table["arm"]))}
    places = table["arm"].map(arms) * len(names) + table["metric"].map(list(names).index)
    return table.iloc[places.argsort(kind="stable")].reset_index(drop=True)


def _nothing(columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))


def _checked(runs: pd.DataFrame, metrics: Sequence[str] | None) -> list[str]:
    """Return the columns to work on; refuse a table that lacks one, or has a seed twice."""
    if metrics is None:
        metrics = [name for name in METRICS if name in runs.columns]
    missing = [name for name in ("arm", "seed", *metrics) if name not in runs.columns]
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
    return list(metrics)
