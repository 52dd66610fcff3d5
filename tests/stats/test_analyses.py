"""Other analyses of the same numbers: each p against its interval, scipy, and by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from hindi_bn.stats.analyses import ANALYSES, bootstrap_p, sign_flip_interval
from hindi_bn.stats.pairs import sign_flip_p

VALUES = np.random.default_rng(8).gamma(2.0, 1.0, 12)


@pytest.mark.parametrize("name", ["t", "bootstrap"])
def test_p_is_where_the_interval_touches(name: str) -> None:
    analysis = ANALYSES[name]
    for level in (0.05, 0.01):
        low, high = analysis.interval(VALUES, level)
        slack = 0.1 * level if name == "bootstrap" else 1e-9  # of 9,999 resamples
        assert analysis.p(VALUES - low) == pytest.approx(level / 2, abs=slack)
        assert analysis.p(high - VALUES) == pytest.approx(level / 2, abs=slack)


def test_the_sign_flip_interval_holds_what_the_test_does_not_reject() -> None:
    low, high = sign_flip_interval(VALUES, 0.05)
    for end, inward in ((low, 1), (high, -1)):
        inside, outside = end + 1e-6 * inward, end - 1e-6 * inward
        assert 2 * sign_flip_p(inward * (VALUES - outside), "greater") <= 0.05
        assert 2 * sign_flip_p(inward * (VALUES - inside), "greater") > 0.05


def test_the_sign_flip_interval_by_hand() -> None:
    # Means of subsets of 1, 2, 6: 1, 1.5, 2, 3, 3.5, 4, 6; at 50 % two of eight may lie outside.
    assert sign_flip_interval(np.array([1.0, 2.0, 6.0]), 0.5) == (1.5, 4.0)
    assert sign_flip_interval(np.array([1.0, 2.0, 6.0]), 0.05) == (-np.inf, np.inf)


def test_many_values_have_random_subsets() -> None:
    values = np.random.default_rng(1).normal(1.0, 1.0, 30)
    by_t = ANALYSES["t"].interval(values, 0.05)
    assert sign_flip_interval(values, 0.05) == pytest.approx(by_t, abs=0.05)


def test_the_bootstrap_of_equal_values_is_sure() -> None:
    assert bootstrap_p(np.full(5, 2.0)) == 0
    assert bootstrap_p(np.full(5, -2.0)) == 1
    assert ANALYSES["bootstrap"].interval(np.full(5, 2.0), 0.05) == (2, 2)


def test_the_median_is_asked_by_the_sign_test_and_order_statistics() -> None:
    median = ANALYSES["median"]
    values = np.array([-1.0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert median.estimate(values) == 4.5
    assert median.p(values) == pytest.approx(stats.binomtest(9, 10, alternative="greater").pvalue)
    # Binomial(10, 1/2): at most one below has p 11/1024, two-sided 0.021; at most two is too many.
    assert median.interval(values, 0.05) == (1, 8)
    assert median.interval(values[:3], 0.05) == (-np.inf, np.inf)


def test_all_agree_on_what_is_plain() -> None:
    for name, sign in itertools.product(ANALYSES, (1, -1)):
        p = ANALYSES[name].p(sign * (VALUES + 5))
        assert p < 0.001 if sign == 1 else p > 0.99


def test_small_effects_have_their_own_p() -> None:
    values = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    assert ANALYSES["sign-flip"].p(values) == 1 / 32  # no other signs sum to as much
