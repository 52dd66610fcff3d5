"""Pairs that share a seed: differences, tests, and their correction for many of them.

A pair shares initial weights and batch order, so that its difference is free of what the seed alone
does to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from hindi_bn.errors import StatisticsError
from hindi_bn.stats.intervals import (
    ROUNDING,
    Method,
    Values,
    deviation_of,
    finite,
    mean_of,
    paired_interval,
)

EXACT_UP_TO = 30  # differences other than 0 for which all 2^n signs are tried


@dataclass(frozen=True)
class Paired:
    """Differences of pairs, summed up and tested.

    Parameters
    ----------
    n
        How many pairs.
    mean_difference
        Mean of first minus second, in the values' unit.
    low, high, method
        Its confidence interval, see `Interval`.
    p
        Two-sided p value of "the differences are symmetric about 0"; NaN without a pair.
    test
        "sign-flip" (exact), "wilcoxon", or "none (n = 0)".
    effect_size
        Cohen's d_z: the mean difference over the differences' deviation. NaN where that is 0 or
        there are fewer than two pairs.
    """

    n: int
    mean_difference: float
    low: float
    high: float
    method: str
    p: float
    test: str
    effect_size: float


def compare_paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    confidence: float = 0.95,
    method: Method = "t",
    rng: np.random.Generator | None = None,
) -> Paired:
    """Compare pairs: the mean of `a - b`, its interval, a test and an effect size.

    Parameters
    ----------
    a, b
        Shape (n,), finite; `a[i]` and `b[i]` share a seed. Against a fixed number, `b` is that
        number n times.
    confidence, method, rng
        As in `mean_interval`.

    Returns
    -------
    The comparison. Its test takes the differences to be symmetric about 0: the exact sign-flip test
    of the mean when at most 30 differences are not 0 (zeros do not change its p), else Wilcoxon's
    signed-rank test.

    Raises
    ------
    StatisticsError
        When the lengths differ, and as in `mean_interval`.
    """
    first, second = finite(a), finite(b)
    if len(first) != len(second):
        raise StatisticsError(
            f"{len(first)} values cannot be paired with {len(second)}.",
            "Pairs need a value on either side.",
            "keep the seeds that both have",
        )
    differences = _differences(first, second)
    interval = paired_interval(differences, confidence=confidence, method=method, rng=rng)
    p, test = _symmetry_p(differences)
    deviation = deviation_of(differences)
    mean = mean_of(differences)
    return Paired(
        n=len(differences),
        mean_difference=mean,
        low=interval.low,
        high=interval.high,
        method=interval.method,
        p=p,
        test=test,
        effect_size=mean / deviation if deviation > 0 else float("nan"),
    )


def holm(p_values: Sequence[float] | Values) -> Values:
    """Adjust p values for testing several hypotheses so that one false alarm stays rare.

    Controls the family-wise error however the tests depend on each other.
    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal
    of Statistics 6, 1979.

    Parameters
    ----------
    p_values
        Shape (m,), 0..1. A NaN is a hypothesis that was not tested: it stays NaN and is not
        counted.

    Returns
    -------
    Adjusted p values, shape (m,), in the given order.

    Raises
    ------
    StatisticsError
        When a p value lies outside 0..1.
    """
    p = np.asarray(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(p))
    if ((p[tested] < 0) | (p[tested] > 1)).any():
        raise StatisticsError("A p value lies outside 0..1.", f"Given: {p.tolist()}.")
    order = tested[np.argsort(p[tested], kind="stable")]
    weights = np.arange(len(order), 0, -1)  # the smallest counts m times, the largest once
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(weights * p[order]), 1.0)
    return adjusted


def _differences(first: Values, second: Values) -> Values:
    """Subtract, and round to a power of two about 1e-12 of the values.

    Accuracies are whole images, so differences tie and vanish; subtracting shares leaves them apart
    by 1e-16, which would break the ties that the tests count.
    """
    largest = max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0))
    if largest == 0:
        return first - second
    unit = 2.0 ** np.floor(np.log2(largest * ROUNDING))
    rounded: Values = np.round((first - second) / unit) * unit
    return rounded


def _symmetry_p(differences: Values) -> tuple[float, str]:
    if not len(differences):
        return float("nan"), "none (n = 0)"
    moved = differences[differences != 0]
    if len(moved) <= EXACT_UP_TO:
        return _sign_flip_p(moved), "sign-flip"
    return float(stats.wilcoxon(moved).pvalue), "wilcoxon"


def _sign_flip_p(differences: Values) -> float:
    """Share of all 2^n sign assignments whose sum is at least as far from 0 as the one found.

    Source: R. A. Fisher, "The Design of Experiments", 1935, chapter III. Every sum is one of the
    first half's plus one of the second half's, so that 2^(n/2) sums a half are enough to count all.
    """
    n = len(differences)
    slack = 1e-9 * np.abs(differences).sum()  # equal sums differ by rounding
    reach = abs(differences.sum()) - slack
    if reach <= 0:
        return 1.0
    first = _signed_sums(differences[: n // 2])
    second = np.sort(_signed_sums(differences[n // 2 :]))
    reached = len(second) - np.searchsorted(second, reach - first)
    return float(2 * reached.sum() / 2**n)  # as many reach it below 0 as above


def _signed_sums(differences: Values) -> Values:
    """Return the sums of all sign assignments, shape (2^n,)."""
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    return sums
