"""The numbers that a test compares: from a table of runs to one number per seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hindi_bn.claims.claim import Contrast, Term
from hindi_bn.errors import StudyError
from hindi_bn.sweeps.sweep_file import same


@dataclass(frozen=True)
class ArmTable:
    """The runs of one of a claim's sweeps.

    Args:
        arms: Values of every varied key by arm; `run` is the run's name in a study of several.
        runs: The table of `hindi_bn.sweeps.tables`, with a column for each measured metric too.
    """

    arms: Mapping[str, Mapping[str, Any]]
    runs: pd.DataFrame

    def select(self, where: Mapping[str, Any]) -> list[str]:
        """Return the names of the arms that have these values; StudyError when there is none."""
        chosen = [name for name, values in self.arms.items() if _fits(values, where)]
        if not chosen:
            raise StudyError(
                f"No arm has {dict(where)}.",
                f"The arms are {'; '.join(self.arms)}.",
                "mend `where` in the claim's file",
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


def effects(test: Contrast, tables: Mapping[str, ArmTable], first: str) -> NDArray[np.float64]:
    """Return a comparison's effect of each seed: float64 (seeds,), seeds in ascending order.

    In the test's unit; not a number where one of the terms is missing. `tables` are the claim's
    sweeps by name; terms that name none mean `first`.
    """
    effect = _total(test, test.plus, tables, first)
    if test.unit == "doublings":
        effect = (effect / _total(test, test.minus, tables, first)).map(math.log2)
    elif test.minus:
        effect = effect - _total(test, test.minus, tables, first)
    scale = 100.0 if test.unit == "points" else 1.0
    return np.asarray(effect.sort_index().to_numpy() * scale, dtype=np.float64)


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
    arms = table.select(term.where)
    runs = table.runs[table.runs["arm"].isin(arms)]
    by_arm = runs.set_index(["seed", "arm"])[metric].unstack("arm")[arms].astype("float64")  # noqa: PD010
    if missing is not None:
        by_arm = by_arm.fillna(missing)
    if term.take == "largest":
        return _largest(by_arm, table, term)
    if term.take == "best":
        return by_arm[by_arm.mean().idxmax()]
    if term.take == "range":
        return by_arm.max(axis=1, skipna=False) - by_arm.min(axis=1, skipna=False)
    reduced: pd.Series[float] = by_arm.agg(term.take, axis=1, skipna=False)
    return reduced


def _largest(by_arm: pd.DataFrame, table: ArmTable, term: Term) -> pd.Series[float]:
    """Return the power of ten of the largest value of the key whose metric is good enough."""
    assert term.key is not None
    keys = np.log10([float(table.arms[arm][term.key]) for arm in by_arm.columns])
    good = by_arm >= term.at_least
    return good.mul(keys, axis=1).where(good).max(axis=1)
