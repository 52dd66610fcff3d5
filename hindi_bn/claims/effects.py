"""The numbers that a test compares: from a table of runs to one number per seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hindi_bn.claims.claim import Contrast, Term
from hindi_bn.errors import StudyError
from hindi_bn.sweeps.sweep_file import same


@dataclass(frozen=True)
class ArmTable:
    """The runs of one of a claim's sweeps.

    Args:
        arms: Values of every varied key by arm; `run` is the run's name in a study of several.
        runs: The table of `hindi_bn.sweeps.tables`, with a column for each measured metric too.
        skipna: Whether a run without the metric is left out of a term of several arms, and not its
            seed.
    """

    arms: Mapping[str, Mapping[str, Any]]
    runs: pd.DataFrame
    skipna: bool = False

    def select(self, where: Mapping[str, Any]) -> list[str]:
        """Return the names of the arms that have these values; StudyError when there is none."""
        chosen = [name for name, values in self.arms.items() if _fits(values, where)]
        if not chosen:
            raise StudyError(
                f"No arm has {dict(where)}.",
                f"The arms are {'; '.join(self.arms)}.",
                "correct `where` in the claim's file",
            )
        return chosen


def _fits(values: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Tell whether an arm has the values asked for; a list offers several."""
    for key, wanted in where.items():
        offered = wanted if isinstance(wanted, list) else [wanted]
        if key not in values or not any(same(each, values[key]) for each in offered):
            return False
    return True


def terms_of(test: Contrast) -> list[tuple[Term, str]]:
    """Return a comparison's terms, each with the name of its metric."""
    return [(term, term.metric or test.metric) for term in (*test.plus, *test.minus)]


def effects(test: Contrast, tables: Mapping[str, ArmTable], first: str) -> pd.Series[float]:
    """Return a comparison's effect of each seed, by seed in ascending order.

    In the test's unit; not a number where one of the terms is missing. `tables` are the claim's
    sweeps by name; terms that name none mean `first`.
    """
    effect = _total(test, test.plus, tables, first)
    if test.unit == "doublings":
        effect = (effect / _total(test, test.minus, tables, first)).map(math.log2)
    elif test.minus:
        effect = effect - _total(test, test.minus, tables, first)
    scale = 100.0 if test.unit == "points" else 1.0
    return effect.sort_index().astype("float64") * scale


def _total(
    test: Contrast, terms: Sequence[Term], tables: Mapping[str, ArmTable], first: str
) -> pd.Series[float]:
    """Add terms up seed by seed."""
    parts = [
        _by_seed(term, tables[term.sweep or first], term.metric or test.metric, test.missing)
        for term in terms
    ]
    total: pd.Series[float] = pd.concat(parts, axis=1).sum(axis=1, skipna=False)
    return total


def _by_seed(term: Term, table: ArmTable, metric: str, missing: float | None) -> pd.Series[float]:
    """Return a term's number of each seed, `missing` in place of a metric that is not there."""
    by_arm = _by_arm(term, table, metric, missing)
    if term.seeks_an_edge:
        return _edges(by_arm, table, term)[term.take]
    if term.take == "best":
        return by_arm[by_arm.mean().idxmax()]
    if term.take == "range":
        largest = by_arm.max(axis=1, skipna=table.skipna)
        return largest - by_arm.min(axis=1, skipna=table.skipna)
    reduced: pd.Series[float] = by_arm.agg(term.take, axis=1, skipna=table.skipna)
    return reduced


def _by_arm(term: Term, table: ArmTable, metric: str, missing: float | None) -> pd.DataFrame:
    """Return a term's metric, a row per seed and a column per arm."""
    arms = table.select(term.where)
    runs = table.runs[table.runs["arm"].isin(arms)]
    by_arm = runs.set_index(["seed", "arm"])[metric].unstack("arm")[arms].astype("float64")  # noqa: PD010
    return by_arm if missing is None else by_arm.fillna(missing)


def _edges(by_arm: pd.DataFrame, table: ArmTable, term: Term) -> pd.DataFrame:
    """Return where a key's working values end, a row per seed; powers of ten.

    Columns `largest`, `smallest`, `width`, and `censored`: whether what `term` takes lies beyond
    the values tried. One that does counts as one grid step beyond: `largest` where the largest
    tried works, or none does; `smallest` where the smallest does, or none. No width where none
    works. A seed that lacks an arm has no edges.
    """
    keys = np.log10([float(table.arms[arm][str(term.key)]) for arm in by_arm.columns])
    tried = np.unique(keys)
    if len(tried) == 1:
        raise StudyError(
            f"The {term.take} {term.key} that works cannot be told.",
            "Only one value of it was tried, so that there is no grid step.",
            "vary it in the claim's grid, or correct `where`",
        )
    below, above = 2 * tried[0] - tried[1], 2 * tried[-1] - tried[-2]
    works = by_arm >= term.at_least
    values = works.mul(keys, axis=1).where(works)
    largest = values.max(axis=1).replace(tried[-1], above).fillna(below)
    smallest = values.min(axis=1).replace(tried[0], below).fillna(above)
    found = pd.DataFrame({"largest": largest, "smallest": smallest})
    found["width"] = (largest - smallest).where(works.any(axis=1), 0.0)
    outside = found[["largest", "smallest"]].isin([below, above])
    asked = ["largest", "smallest"] if term.take == "width" else [term.take]
    whole = by_arm.notna().all(axis=1) | table.skipna
    found.loc[~whole] = math.nan
    return found.assign(censored=outside[asked].any(axis=1) & whole)


def censored_seeds(test: Contrast, tables: Mapping[str, ArmTable], first: str) -> int:
    """Count the seeds of which a term's edge lies beyond the values tried; see `effects`."""
    beyond = [
        _edges(_by_arm(term, table, metric, test.missing), table, term)["censored"]
        for term, metric in terms_of(test)
        if term.seeks_an_edge
        for table in [tables[term.sweep or first]]
    ]
    return int(pd.concat(beyond, axis=1).any(axis=1).sum()) if beyond else 0
