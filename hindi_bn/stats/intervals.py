"""Means over seeds with their confidence intervals; docs/statistics.md says why these.

Values are one number a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hindi_bn.errors import StatisticsError

Method = Literal["t", "bca"]
Values = NDArray[np.float64]

RESAMPLES = 9_999  # of the BCa bootstrap
ROUNDING = 1e-12  # relative; values closer than that differ by float64's rounding only


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a mean, in the values' unit, and the method that gave it.

    `method` is "t" or "BCa"; "t (all values equal)" when BCa was asked for and is not defined; or
    "none (n < 2)", with NaN bounds.
    """

    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Summary:
    """One number a seed, summed up.

    Parameters
    ----------
    n
        How many values.
    mean, deviation, median
        In the values' unit; the deviation is the sample's (n - 1), NaN below two values.
    low, high, method
        The mean's confidence interval, see `Interval`.
    """

    n: int
    mean: float
    deviation: float
    median: float
    low: float
    high: float
    method: str


def summarise(
    values: ArrayLike,
    *,
    confidence: float = 0.95,
    method: Method = "t",
    rng: np.random.Generator | None = None,
) -> Summary:
    """Sum up one number a seed.

    Parameters
    ----------
    values
        Shape (n,), finite. No value at all gives NaN everywhere and n = 0.
    confidence, method, rng
        As in `mean_interval`.

    Raises
    ------
    StatisticsError
        As `mean_interval`.
    """
    sample = finite(values)
    interval = mean_interval(sample, confidence=confidence, method=method, rng=rng)
    return Summary(
        n=len(sample),
        mean=mean_of(sample),
        deviation=deviation_of(sample),
        median=float(np.median(sample)) if len(sample) else float("nan"),
        low=interval.low,
        high=interval.high,
        method=interval.method,
    )


def mean_interval(
    values: ArrayLike,
    *,
    confidence: float = 0.95,
    method: Method = "t",
    rng: np.random.Generator | None = None,
) -> Interval:
    """Return a two-sided confidence interval of the mean.

    Parameters
    ----------
    values
        Shape (n,), finite. Below two there is no interval: its bounds are NaN.
    confidence
        Share of samples whose interval should hold the true mean, above 0 and below 1.
    method
        "t": Student's t; of zero width when all values are equal. "bca": the bias-corrected and
        accelerated bootstrap (B. Efron, "Better Bootstrap Confidence Intervals", Journal of the
        American Statistical Association 82, 1987); when all values are equal it is not defined, and
        t takes its place.
    rng
        Draws the resamples; needed for "bca" only. Equal generators give equal intervals.

    Raises
    ------
    StatisticsError
        When a value is not finite, the confidence or the method is unknown, or "bca" has no `rng`.
    """
    sample = finite(values)
    _check_request(confidence, method, rng)
    if len(sample) < 2:  # noqa: PLR2004
        return Interval(float("nan"), float("nan"), "none (n < 2)")
    if method == "t":
        return _t_interval(sample, confidence, "t")
    if deviation_of(sample) == 0:
        return _t_interval(sample, confidence, "t (all values equal)")
    found = stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="BCa",
        rng=rng,
    ).confidence_interval
    return Interval(float(found.low), float(found.high), "BCa")


def paired_interval(
    differences: ArrayLike,
    *,
    confidence: float = 0.95,
    method: Method = "t",
    rng: np.random.Generator | None = None,
) -> Interval:
    """Return a confidence interval of the mean of paired differences, shape (n,).

    Parameters and errors are those of `mean_interval`: a pair is one value, its difference.
    """
    return mean_interval(differences, confidence=confidence, method=method, rng=rng)


def finite(values: ArrayLike) -> Values:
    """Return one number a seed as an array, shape (n,).

    Raises
    ------
    StatisticsError
        When there is another axis, or a value is not finite.
    """
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1:
        raise StatisticsError(f"Values of shape {sample.shape} are not one number a seed.")
    bad = int((~np.isfinite(sample)).sum())
    if bad:
        raise StatisticsError(
            f"{bad} of {len(sample)} values are not finite.",
            "A statistic of them would be without meaning, and dropping them unseen changes n.",
            "drop them first, and say how many",
        )
    return sample


def mean_of(sample: Values) -> float:
    """Return the mean; NaN without a value."""
    return float(sample.mean()) if len(sample) else float("nan")


def deviation_of(sample: Values) -> float:
    """Return the sample standard deviation; 0 when only rounding differs, NaN below two values."""
    if len(sample) < 2:  # noqa: PLR2004
        return float("nan")
    if np.ptp(sample) <= ROUNDING * np.abs(sample).max():
        return 0.0
    return float(sample.std(ddof=1))


def _check_request(confidence: float, method: str, rng: np.random.Generator | None) -> None:
    if not 0 < confidence < 1:
        raise StatisticsError(
            f"A confidence of {confidence} is not above 0 and below 1.", "", "use 0.95"
        )
    if method not in get_args(Method):
        known = ", ".join(get_args(Method))
        raise StatisticsError(f"There is no interval {method!r}.", "", f"use one of {known}")
    if method == "bca" and rng is None:
        raise StatisticsError(
            "A BCa interval needs a random generator.",
            "Its resamples are drawn at random, and must be drawn alike every time.",
            "give rng=numpy.random.default_rng(seed)",
        )


def _t_interval(sample: Values, confidence: float, method: str) -> Interval:
    n = len(sample)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * deviation_of(sample) / n**0.5
    mean = mean_of(sample)
    return Interval(mean - half, mean + half, method)
