"""Ways to ask whether numbers, one per seed, are more than 0: t, sign-flip, bootstrap, median.

Each gives the one-sided p of "0 or less" and an interval of its own estimate; docs/statistics.md
says which of them verdicts rest on. Values have shape (n,) and are finite, n from 2 on.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from hindi_bn.stats.intervals import Values, std_of, summarise
from hindi_bn.stats.pairs import sign_flip_p, t_test_p

_SEED = 0  # equal values have equal p
_SUBSETS_OF = 16  # values of which all subsets are taken, and not a random part
_SUBSETS = 9_999

Ends = tuple[float, float]


@dataclass(frozen=True)
class Analysis:
    """A way to analyse values: its estimate, the one-sided p, the interval at a two-sided level."""

    estimate: Callable[[Values], float]
    p: Callable[[Values], float]
    interval: Callable[[Values, float], Ends]


def _mean(values: Values) -> float:
    return float(values.mean())


def _median(values: Values) -> float:
    return float(np.median(values))


def _t_interval(values: Values, level: float) -> Ends:
    found = summarise(values, 1 - level)
    return found.low, found.high


def _sign_flip_p(values: Values) -> float:
    """Return the one-sided p; 1 where the mean is 0 or less, which saves the time of counting."""
    return sign_flip_p(values, "greater") if values.sum() > 0 else 1.0


def sign_flip_interval(values: Values, level: float) -> Ends:
    """Return the means that the sign-flip test does not reject; infinite where n is too small.

    Flipping the signs of a subset lets its mean decide, so that the ends are those of the subsets'
    means: of all of them, or above 16 values of random ones. Source: J. Hartigan, "Using Subsample
    Values as Typical Values", Journal of the American Statistical Association 64, 1969.
    """
    n = len(values)
    if n <= _SUBSETS_OF:
        members = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    else:
        members = np.random.default_rng(_SEED).integers(0, 2, size=(_SUBSETS, n))
        members = members[members.any(axis=1)]
    means = np.sort(members @ values / members.sum(axis=1))
    place = int(level / 2 * (len(means) + 1))
    if place < 1:
        return float("-inf"), float("inf")
    return float(means[place - 1]), float(means[-place])


def bootstrap_p(values: Values) -> float:
    """Return the one-sided p at which the BCa bootstrap interval of the mean touches 0.

    Source: B. Efron, "Better Bootstrap Confidence Intervals", Journal of the American Statistical
    Association 82, 1987, solved for the level.
    """
    if std_of(values) == 0:
        return t_test_p(values, "greater")
    means = np.asarray(_bootstrap(values, 0.05).bootstrap_distribution)
    away = values - values.mean()
    skew = float((away**3).sum() / (6 * (away**2).sum() ** 1.5))
    bias = _z_below(means, float(values.mean()))
    moved = _z_below(means, 0.0) - bias
    return float(stats.norm.cdf(moved / max(1 + skew * moved, 1e-9) - bias))


def _z_below(means: Values, value: float) -> float:
    """Return the normal quantile of the share of means below a value, equal ones by half."""
    share = ((means < value).sum() + (means <= value).sum()) / 2
    return float(stats.norm.ppf((share + 0.5) / (len(means) + 1)))


def _bootstrap(values: Values, level: float) -> stats._resampling.BootstrapResult:
    return stats.bootstrap(
        (values,), np.mean, method="BCa", confidence_level=1 - level,
        rng=np.random.default_rng(_SEED),
    )  # fmt: skip


def _bootstrap_interval(values: Values, level: float) -> Ends:
    if std_of(values) == 0:
        return _t_interval(values, level)
    low, high = _bootstrap(values, level).confidence_interval
    return float(low), float(high)


def _sign_test_p(values: Values) -> float:
    return float(stats.quantile_test(values, q=0.0, p=0.5, alternative="greater").pvalue)


def _median_interval(values: Values, level: float) -> Ends:
    """Return the interval of order statistics; infinite where n is too small for the level."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ends: Any = stats.quantile_test(values, q=0.0, p=0.5).confidence_interval(1 - level)
    low, high = (float(end) for end in ends)
    return (low if np.isfinite(low) else -np.inf), (high if np.isfinite(high) else np.inf)


ANALYSES = {
    "t": Analysis(_mean, lambda values: t_test_p(values, "greater"), _t_interval),
    "sign-flip": Analysis(_mean, _sign_flip_p, sign_flip_interval),
    "bootstrap": Analysis(_mean, bootstrap_p, _bootstrap_interval),
    "median": Analysis(_median, _sign_test_p, _median_interval),
}
