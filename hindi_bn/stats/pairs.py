"""Pairs that share a seed: differences, tests, and their correction for many of them.

A pair shares initial weights and batch order, so that its difference is free of what the seed alone
does to both.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from hindi_bn.errors import StatisticsError
from hindi_bn.stats.intervals import EVERYWHERE, ROUNDING, Values, finite, std_of, summarise

EXACT_UP_TO = 40  # differences other than 0 for which all 2^n signs are tried
RESAMPLES = 9_999  # sign assignments that are drawn where there are more
_SEED = 0  # of the generator that draws them: equal differences have equal p


@dataclass(frozen=True)
class Paired:
    """Differences of pairs, summed up and tested.

    Args:
        n: How many pairs.
        mean_difference, std: Of first minus second, in the values' unit.
        low, high, method: The mean difference's confidence interval, see `Summary`.
        p: Two-sided p value of a mean difference of 0 by the t-test, which agrees with the
            interval; NaN below two pairs. Where all differences are equal it is 0, or 1 when they
            are 0.
        p_sign_flip, sign_flip: Two-sided p value of "the differences are symmetric about 0", and
            how it was computed: "exact", "Monte Carlo", or "none (n = 0)".
        effect_size: Cohen's d_z: the mean difference over the differences' standard deviation. NaN
            where that is 0 or there are fewer than two pairs.
    """

    n: int
    mean_difference: float
    std: float
    low: float
    high: float
    method: str
    p: float
    p_sign_flip: float
    sign_flip: str
    effect_size: float


def compare_paired(a: ArrayLike, b: ArrayLike) -> Paired:
    """Compare pairs: the mean of `a - b`, its interval, tests and an effect size.

    `a[i]` and `b[i]`, both of shape (n,) and finite, share a seed. Against a fixed number, `b` is
    that number n times. StatisticsError when the lengths differ or a value is not finite.
    """
    first, second = finite(a), finite(b)
    if len(first) != len(second):
        raise StatisticsError(
            f"{len(first)} values cannot be paired with {len(second)}.",
            "Pairs need a value on either side.",
            "keep the seeds that both have",
        )
    return tested_differences(subtracted(first, second))


def tested_differences(
    differences: ArrayLike,
    possible: tuple[float, float] = EVERYWHERE,  # noqa: PT028
) -> Paired:
    """Sum up and test the differences of pairs, shape (n,), finite; see `compare_paired`.

    `possible` are the ends of what a difference can be.
    """
    differences = finite(differences)
    found = summarise(differences, possible=possible)
    return Paired(
        found.n, found.mean, found.std, found.low, found.high, found.method,
        t_test_p(differences),
        sign_flip_p(differences) if found.n else float("nan"), sign_flip_kind(differences),
        effect_size=found.mean / found.std if found.std > 0 else float("nan"),
    )  # fmt: skip


def subtracted(first: Values, second: Values) -> Values:
    """Subtract, and round to a power of two about 1e-12 of the values; NaN where one is missing.

    Accuracies are whole images, so differences tie and vanish; subtracting shares leaves them apart
    by 1e-16, which would break the ties that the tests count.
    """
    both = np.abs(np.concatenate([first, second]))
    largest = both[np.isfinite(both)].max(initial=0.0)
    if largest == 0:
        return first - second
    unit = 2.0 ** np.floor(np.log2(largest * ROUNDING))
    rounded: Values = np.round((first - second) / unit) * unit
    return rounded


def t_test_p(values: Values, alternative: Literal["two-sided", "greater"] = "two-sided") -> float:
    """Return the p value of a mean of 0 (or less, for "greater") by Student's t-test.

    Where all values are equal nothing is left to chance, and t is not defined: 0 or 1.
    """
    if len(values) < 2:  # noqa: PLR2004
        return float("nan")
    if std_of(values) == 0:
        away = values[0] > 0 if alternative == "greater" else values[0] != 0
        return 0.0 if away else 1.0
    return float(stats.ttest_1samp(values, 0.0, alternative=alternative).pvalue)


def holm(p_values: Sequence[float] | Values) -> Values:
    """Adjust p values for testing several hypotheses so that one false alarm stays rare.

    Controls the family-wise error however the tests depend on each other. A NaN is a hypothesis
    that was not tested: it stays NaN and is not counted. StatisticsError for a p outside 0..1.
    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal
    of Statistics 6, 1979.
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


def sign_flip_p(
    values: Values, alternative: Literal["two-sided", "greater"] = "two-sided"
) -> float:
    """Return the p value of "symmetric about 0" (or below it, for "greater") by flipping signs.

    `values` (n,) are finite. The share of sign assignments with a sum as far from 0, or as large,
    as the one found: of all of them up to `EXACT_UP_TO` values other than 0, of random ones above.
    """
    moved = values[values != 0]  # zeros do not change the p value
    slack = 1e-9 * np.abs(moved).sum()  # equal sums differ by rounding
    share = _exact_share if len(moved) <= EXACT_UP_TO else _random_share
    if alternative == "greater":
        return share(moved, moved.sum() - slack)
    reach = abs(moved.sum()) - slack
    return min(1.0, 2 * share(moved, reach)) if reach > 0 else 1.0  # as many lie below -reach


def sign_flip_kind(values: Values) -> str:
    """Say how `sign_flip_p` is computed: "exact", "Monte Carlo", or "none (n = 0)"."""
    if not len(values):
        return "none (n = 0)"
    return "exact" if np.count_nonzero(values) <= EXACT_UP_TO else "Monte Carlo"


def _exact_share(values: Values, reach: float) -> float:
    """Share of all 2^n sign assignments whose sum is at least `reach`.

    Source: R. A. Fisher, "The Design of Experiments", 1935, chapter III. Every sum is one of the
    first half's plus one of the second half's, so that 2^(n/2) sums per half are enough to count
    all.
    """
    n = len(values)
    first = _signed_sums(values[: n // 2])  # in order: neighbours are looked up faster
    second = _signed_sums(values[n // 2 :])
    reached = len(second) - np.searchsorted(second, reach - first)
    return float(reached.sum() / 2**n)


def _random_share(values: Values, reach: float) -> float:
    """Estimate that share from random assignments, the one found among them.

    Source: B. Phipson and G. Smyth, "Permutation P-values Should Never Be Zero", Statistical
    Applications in Genetics and Molecular Biology 9, 2010. Each assignment is counted with its
    opposite, which is as likely.
    """
    sums = _random_signs(len(values)) @ values
    reached = (int((sums >= reach).sum()) + int((-sums >= reach).sum())) / 2
    return (reached + 1 / 2) / (RESAMPLES + 1)


@functools.lru_cache(maxsize=1)
def _random_signs(n: int) -> Values:
    """Return the sign assignments, shape (resamples, n), that all differences of one n share."""
    return np.random.default_rng(_SEED).choice((-1.0, 1.0), size=(RESAMPLES, n))


def _signed_sums(differences: Values) -> Values:
    """Return the sums of all sign assignments, shape (2^n,), in order."""
    sums = np.zeros(1)
    for difference in differences:  # two halves in order, which a stable sort merges
        sums = np.sort(np.concatenate([sums + difference, sums - difference]), kind="stable")
    return sums
