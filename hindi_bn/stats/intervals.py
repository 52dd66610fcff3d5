"""Means over seeds with their confidence intervals; docs/statistics.md says why these."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hindi_bn.errors import StatisticsError

Values = NDArray[np.float64]

CONFIDENCE = 0.95
FEWEST = 4
"""Values below which no interval is given: of two or three it can be many times their spread."""
EVERYWHERE = (float("-inf"), float("inf"))
ROUNDING = 1e-12  # relative; values closer than that differ by float64's rounding only


@dataclass(frozen=True)
class Summary:
    """One number per seed, summed up, in the values' unit.

    Args:
        n: How many values.
        std: The sample's standard deviation (n - 1), NaN below two values.
        low, high, method: The mean's confidence interval (95 % unless another level was asked
            for), and how it was made: "t", "t, cut" where it would leave what is possible, or
            "none (n < 4)" with NaN bounds. It has no width when all values are equal.
    """

    n: int
    mean: float
    std: float
    median: float
    low: float
    high: float
    method: str


def summarise(
    values: ArrayLike,
    confidence: float = CONFIDENCE,
    possible: tuple[float, float] = EVERYWHERE,
) -> Summary:
    """Sum up one number per seed, shape (n,); no value at all gives NaN everywhere and n = 0.

    `confidence` is the interval's, 0.95 for 95 %; it is cut to the `possible` values of a mean,
    which leaves its coverage as it is. StatisticsError when a value is not finite.
    """
    sample = finite(values)
    n, std = len(sample), std_of(sample)
    mean = median = low = high = float("nan")
    if n:
        mean, median = float(sample.mean()), float(np.median(sample))
    if n < FEWEST:
        return Summary(n, mean, std, median, low, high, f"none (n < {FEWEST})")
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * std / n**0.5
    low, high = max(mean - half, possible[0]), min(mean + half, possible[1])
    cut = mean - half < possible[0] or mean + half > possible[1]
    return Summary(n, mean, std, median, low, high, "t, cut" if cut else "t")


def finite(values: ArrayLike) -> Values:
    """Return one number per seed as an array (n,); StatisticsError when one is not finite."""
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1:
        raise StatisticsError(f"Values of shape {sample.shape} are not one number per seed.")
    bad = int((~np.isfinite(sample)).sum())
    if bad:
        raise StatisticsError(
            f"{bad} of {len(sample)} values are not finite.",
            "A statistic of them would be without meaning, and dropping them unseen changes n.",
            "drop them first, and say how many",
        )
    return sample


def std_of(sample: Values) -> float:
    """Return the sample standard deviation; 0 when only rounding differs, NaN below two values."""
    if len(sample) < 2:  # noqa: PLR2004
        return float("nan")
    if np.ptp(sample) <= ROUNDING * np.abs(sample).max():
        return 0.0
    return float(sample.std(ddof=1))
