"""Power: against Cohen's table, simulation, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hindi_bn.stats.power import sign_flip_power, smallest_n, t_power


def test_t_power_is_cohens() -> None:
    """J. Cohen, Statistical Power Analysis (1988): 34 pairs for d = 0.5, 80 %, two-sided 5 %."""
    found = smallest_n(lambda n: t_power([0.5], 1.0, n, 0.05), 0.8, 2, 100)
    assert found == 34
    assert t_power([0.5], 1.0, 34, 0.05) == pytest.approx(0.807, abs=1e-3)


def test_two_ends_are_two_one_sided_tests_by_simulation() -> None:
    n, level = 20, 0.05
    values = np.random.default_rng(3).normal(0.1, 1.0, size=(20_000, n))
    lower = stats.ttest_1samp(values, -0.9, axis=1, alternative="greater").pvalue
    upper = stats.ttest_1samp(values, 0.9, axis=1, alternative="less").pvalue
    both = (np.maximum(lower, upper) <= level / 2).mean()
    assert t_power([1.0, 0.8], 1.0, n, level) == pytest.approx(both, abs=0.01)
    assert t_power([1.0, 0.1], 1.0, 5, level) == 0  # a lower bound


def test_without_spread_the_side_decides() -> None:
    assert t_power([0.1], 0.0, 10, 0.01) == 1
    assert t_power([0.1, -0.1], 0.0, 10, 0.01) == 0


def test_at_ten_values_and_three_per_mille_all_signs_must_agree() -> None:
    found = sign_flip_power([1.0], 1.0, 10, 0.003)
    expected = stats.norm.cdf(1.0) ** 10
    assert found == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 1000) ** 0.5)
    assert sign_flip_power([1.0], 1.0, 9, 0.003) == 0
    assert sign_flip_power([1.0, 9.0], 1.0, 10, 0.003) == pytest.approx(expected, abs=0.05)
    assert sign_flip_power([1.0, -9.0], 1.0, 10, 0.003) == 0


def test_where_the_power_is_not_reached_the_largest_n_is_given() -> None:
    assert smallest_n(lambda n: n / 100, 0.8, 10, 40) == 40
    assert smallest_n(lambda n: 1.0, 0.8, 10, 40) == 10
