"""From the numbers of runs to a verdict, by the rule in the claim's file.

A test compares terms seed by seed and holds where the mean difference lies in its region. A
claim is *supported* when all of its tests are shown to hold, *contradicted* when one is shown not
to, and otherwise *undecided* at this number of seeds. What counts as shown: one-sample t-tests
against the ends of the region, which agree with the 95 % intervals, brought to one p-value per
claim (all must hold: the largest; one fails: the smallest times the number of tests), and corrected
over all claims by Holm's method.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hindi_bn.claims.claim import Test
from hindi_bn.stats.pairs import compare_paired, holm, t_test_p

Verdict = Literal["supported", "contradicted", "undecided"]
LEVEL = 0.05
FEWEST = 3
"""Seeds below which nothing is decided."""

ZERO_TESTS = {
    "exact": "sign-flip",
    "Monte Carlo": "sign-flip, Monte Carlo",
    "none (n = 0)": "none (n = 0)",
}
"""Name of the test of an effect of zero, by how its p was computed."""


@dataclass(frozen=True)
class Effect:
    """What a test found.

    Args:
        by_seed: The effect of each seed, in the test's unit.
        left_out: Seeds without the metric.
        mean, low, high, method: Mean and its 95 % interval; not a number where there are too few
            seeds.
        p_zero, zero_test, effect_size: Two-sided p of an effect of zero by flipping signs, the name
            of that test, and the mean over the standard deviation.
        p_holds, p_fails: Two-sided p of what would have to be the case if the test did not hold, or
            did.
        verdict: Of this test alone, uncorrected.
        p_t: Two-sided p of an effect of zero by the t-test, which agrees with the interval.
    """

    label: str
    unit: str
    region: str
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
    verdict: Verdict
    above: float | None
    below: float | None
    p_t: float = float("nan")

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.by_seed)


def effect_of(test: Test, values: NDArray[np.float64]) -> Effect:
    """Test the effect of each seed (seeds,), in the test's unit, against its region.

    Values that are not a number are missing, and left out.
    """
    there = values[np.isfinite(values)]
    p_holds, p_fails = region_p(there, test.above, test.below)
    paired = compare_paired(there, np.zeros_like(there))
    return Effect(
        label=test.label, unit=test.unit, region=test.region,
        by_seed=tuple(there.tolist()), left_out=len(values) - len(there),
        mean=paired.mean_difference, low=paired.low, high=paired.high, method=paired.method,
        p_zero=paired.p_sign_flip, zero_test=ZERO_TESTS[paired.sign_flip],
        effect_size=paired.effect_size,
        p_holds=p_holds, p_fails=p_fails, verdict=_verdict(p_holds, p_fails),
        above=test.above, below=test.below, p_t=paired.p,
    )  # fmt: skip


def region_p(
    values: NDArray[np.float64], above: float | None, below: float | None
) -> tuple[float, float]:
    """Test whether a mean of finite values (n,) lies in a region, and whether it lies outside.

    Returns two-sided p-values (twice the one-sided ones, 1 at most): small when the mean is shown
    to lie inside, or outside; 0.05 is where the 95 % interval of Student's t touches an end.
    """
    if len(values) < FEWEST:
        return 1.0, 1.0
    inside, outside = [], []
    for end, inward in ((above, 1), (below, -1)):
        if end is not None:
            inside.append(t_test_p(inward * (values - end), "greater"))
            outside.append(t_test_p(inward * (end - values), "greater"))
    return min(1.0, 2 * max(inside)), min(1.0, 2 * min(outside))


def _verdict(p_holds: float, p_fails: float) -> Verdict:
    if p_holds <= LEVEL:
        return "supported"
    return "contradicted" if p_fails <= LEVEL else "undecided"


def together(effects: Sequence[Effect]) -> tuple[float, float]:
    """Return a claim's p-values from those of its tests: that all hold, and that one does not."""
    holds = max(effect.p_holds for effect in effects)
    fails = min(effect.p_fails for effect in effects)
    return holds, min(1.0, len(effects) * fails)


def decide(claims: Sequence[tuple[float, float]]) -> list[tuple[Verdict, float]]:
    """Decide claims by their p-values (see `together`): each one's verdict and corrected p.

    The smaller p-value is corrected over all claims by Holm's method.
    """
    decisions: list[tuple[Verdict, float]] = []
    for (holds, fails), p in zip(claims, holm([min(pair) for pair in claims]), strict=True):
        shown: Verdict = "supported" if holds <= fails else "contradicted"
        decisions.append((shown if p <= LEVEL else "undecided", float(p)))
    return decisions
