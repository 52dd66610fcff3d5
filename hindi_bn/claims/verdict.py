"""From the numbers of runs to a verdict, by the rule in the claim's file.

A test compares terms seed by seed and holds where the mean difference lies in its region. A claim
is *supported* when all of its tests are shown to hold. When one is shown not to, it is *opposite
found* if an effect is shown to lie beyond the margin the other way (`Test.opposite`) and no other
test holds, else *not as stated*. Otherwise it is *undecided*; with fewer than ten seeds there is no
verdict, but a *pilot*. What counts as shown: both the t-test and the sign-flip test of the values
against the end of the region, brought to one p-value per claim and corrected over a fixed family of
claims. docs/statistics.md has the reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hindi_bn.claims.claim import Test
from hindi_bn.stats.intervals import std_of
from hindi_bn.stats.pairs import compare_paired, holm, sign_flip_p, t_test_p

Verdict = Literal["supported", "opposite found", "not as stated", "undecided", "pilot"]
Correction = Literal["none", "Holm", "Benjamini-Hochberg"]
OneSided = Callable[[NDArray[np.float64]], float]
"""The one-sided p-value of values (n,) being 0 on average, or less."""

LEVEL = 0.05
FEWEST = 10
"""Seeds below which there is no verdict."""

ZERO_TESTS = {
    "exact": "sign-flip",
    "Monte Carlo": "sign-flip, Monte Carlo",
    "none (n = 0)": "none (n = 0)",
}
"""Name of the test of an effect of zero, by how its p was computed."""


class Shown(NamedTuple):
    """Two-sided p-values that something is shown: that a test or claim holds, fails, is reversed.

    Small is shown. `opposite` is never smaller than `fails`.
    """

    holds: float
    fails: float
    opposite: float

    @property
    def least(self) -> float:
        """The smaller of holds and fails, which is corrected."""
        return min(self.holds, self.fails)

    def verdict(self, level: float) -> Verdict:
        """Return what is shown at a level."""
        if self.least > level:
            return "undecided"
        if self.holds <= self.fails:
            return "supported"
        return "opposite found" if self.opposite <= level else "not as stated"


NOTHING_SHOWN = Shown(1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Effect:
    """What a test found.

    Args:
        seeds, by_seed: The effect of each seed, in the test's unit.
        left_out: Seeds without the metric.
        mean, low, high, method: Mean and its 95 % interval; not a number where there are too few
            seeds.
        p_zero, zero_test, effect_size: Two-sided p of an effect of zero by flipping signs, the name
            of that test, and the mean over the standard deviation.
        p_holds, p_fails, p_opposite: See `Shown`.
        verdict: Of this test alone, uncorrected.
        p_t: Two-sided p of an effect of zero by the t-test, which agrees with the interval.
        corrected_low, corrected_high: The mean's interval at the level of the claim's verdict.
        least: Smallest effect of interest, if the test's file names one.
    """

    label: str
    unit: str
    region: str
    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]
    left_out: int
    mean: float
    low: float
    high: float
    method: str
    p_zero: float
    zero_test: str
    effect_size: float
    p_holds: float
    p_fails: float
    p_opposite: float
    verdict: Verdict
    above: float | None
    below: float | None
    p_t: float = float("nan")
    corrected_low: float = float("nan")
    corrected_high: float = float("nan")
    least: float | None = None

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.by_seed)

    @property
    def shown(self) -> Shown:
        """Its p-values."""
        return Shown(self.p_holds, self.p_fails, self.p_opposite)

    @property
    def inside(self) -> tuple[float, float]:
        """How far the mean lies inside the region: in standard errors, then in the unit.

        From the nearer end, negative outside; an effect that nothing is known of is the farthest
        outside. A mean without spread is infinitely many standard errors away.
        """
        if not self.n:
            return float("-inf"), float("-inf")
        ends = [self.mean - self.above] if self.above is not None else []
        ends += [self.below - self.mean] if self.below is not None else []
        nearer = min(ends)
        error = std_of(np.array(self.by_seed)) / self.n**0.5
        if not error > 0:
            return (float(np.copysign(np.inf, nearer)) if nearer else 0.0), nearer
        return nearer / error, nearer


def effect_of(test: Test, values: NDArray[np.float64], seeds: Sequence[int]) -> Effect:
    """Test the effect of each seed, (seeds,), in the test's unit, against its region.

    Values that are not a number are missing, and left out.
    """
    known = np.isfinite(values)
    there = values[known]
    shown = region_p(there, test) if len(there) >= FEWEST else NOTHING_SHOWN
    paired = compare_paired(there, np.zeros_like(there))
    return Effect(
        label=test.label, unit=test.unit, region=test.region,
        seeds=tuple(int(seed) for seed, ok in zip(seeds, known, strict=True) if ok),
        by_seed=tuple(there.tolist()), left_out=len(values) - len(there),
        mean=paired.mean_difference, low=paired.low, high=paired.high, method=paired.method,
        p_zero=paired.p_sign_flip, zero_test=ZERO_TESTS[paired.sign_flip],
        effect_size=paired.effect_size,
        p_holds=shown.holds, p_fails=shown.fails, p_opposite=shown.opposite,
        verdict=shown.verdict(LEVEL) if len(there) >= FEWEST else "pilot",
        above=test.above, below=test.below, p_t=paired.p, least=test.least,
    )  # fmt: skip


def t_and_sign_flip(values: NDArray[np.float64]) -> float:
    """Return the larger of the one-sided p-values of the t-test and of the sign-flip test.

    From 0.5 on, where nothing is shown, that of the t-test alone: the other takes time.
    """
    by_t = t_test_p(values, "greater")
    return by_t if by_t >= 0.5 else max(by_t, sign_flip_p(values, "greater"))  # noqa: PLR2004


def region_p(values: NDArray[np.float64], test: Test, p: OneSided = t_and_sign_flip) -> Shown:
    """Test whether a mean of finite values (n,), n from 2 on, lies in a test's region or outside.

    Two-sided p-values: twice the one-sided ones, 1 at most.
    """
    inside, outside = _of_ends(values, test.above, test.below, p)
    fails = min(1.0, 2 * min(outside))
    reversed_, _ = _of_ends(values, *test.opposite, p)
    opposite = min(1.0, 2 * max(reversed_, default=1.0))
    return Shown(min(1.0, 2 * max(inside)), fails, max(fails, opposite))


def _of_ends(
    values: NDArray[np.float64], above: float | None, below: float | None, p: OneSided
) -> tuple[list[float], list[float]]:
    """Return the one-sided p-values of lying inside, and outside, each end that there is."""
    ends = [(end, inward) for end, inward in ((above, 1), (below, -1)) if end is not None]
    inside = [p(inward * (values - end)) for end, inward in ends]
    return inside, [p(inward * (end - values)) for end, inward in ends]


def together(tests: Sequence[Shown]) -> Shown:
    """Return a claim's p-values from those of its tests: that all hold, and that one does not.

    The opposite is found in no claim of which a test is shown to hold, were it the only one.
    """
    holds, fails, opposite = (list(column) for column in zip(*tests, strict=True))
    mixed = min(holds) <= LEVEL
    return Shown(
        max(holds),
        min(1.0, len(tests) * min(fails)),
        1.0 if mixed else min(1.0, len(tests) * min(opposite)),
    )


@dataclass(frozen=True)
class Decision:
    """A claim's verdict, the p-value it rests on, corrected, and the level that it was held to."""

    verdict: Verdict
    p_corrected: float
    level: float


def decide(claims: Sequence[Shown], family: int, method: Correction = "Holm") -> list[Decision]:
    """Decide claims (see `together`), corrected over a family of so many.

    The family's other members count as showing nothing.
    """
    smaller = np.array([shown.least for shown in claims] + [1.0] * (family - len(claims)))
    p, levels = _corrected(smaller, method)
    return [
        Decision(shown.verdict(level), float(corrected), float(level))
        for shown, corrected, level in zip(claims, p, levels, strict=False)
    ]


def _corrected(
    p: NDArray[np.float64], method: Correction
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return corrected p-values, and the level that each uncorrected one was held to.

    Holm's method stops at the first claim, in the order of p, that is not shown: that claim's level
    holds for the rest too.
    """
    m = len(p)
    if method == "none":
        return p, np.full(m, LEVEL)
    if method == "Benjamini-Hochberg":
        corrected = stats.false_discovery_control(p) if m else p
        return corrected, np.full(m, LEVEL * max(1, int((corrected <= LEVEL).sum())) / max(m, 1))
    corrected = holm(p)
    ranks = np.empty(m, dtype=int)
    ranks[np.argsort(p, kind="stable")] = np.arange(m)
    shown = int((corrected <= LEVEL).sum())
    return corrected, LEVEL / (m - np.minimum(ranks, min(shown, m - 1)))
