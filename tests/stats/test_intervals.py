"""Means over seeds with their intervals, by hand and against scipy."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from hindi_bn.errors import StatisticsError
from hindi_bn.stats.intervals import summarise
from hindi_bn.stats.pairs import compare_paired


def test_five_values_summed_up_by_hand() -> None:
    # Deviation sqrt(10 / 4); t of 97.5 % with 4 degrees of freedom is 2.776445.
    found = summarise([5, 1, 2, 3, 4])
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
    assert (found.n, found.mean, found.median, found.method) == (5, 3.0, 3.0, "t")
    assert found.std == pytest.approx(math.sqrt(2.5))
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), abs=1e-6)


def test_the_t_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).exponential(size=12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = summarise(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_value_has_no_interval_and_none_has_nothing() -> None:
    one, none = summarise([0.9]), summarise([])
    assert (one.n, one.mean, one.median, one.method) == (1, 0.9, 0.9, "none (n < 4)")
    assert all(math.isnan(value) for value in (one.std, one.low, one.high))
    assert none.n == 0
    assert all(math.isnan(value) for value in astuple(none)[1:-1])


def test_below_four_values_there_is_no_interval() -> None:
    three, four = summarise([0.1, 0.2, 0.3]), summarise([0.1, 0.2, 0.3, 0.4])
    assert (three.mean, three.std) == pytest.approx((0.2, 0.1))
    assert (three.method, four.method) == ("none (n < 4)", "t")
    assert all(math.isnan(end) for end in (three.low, three.high))
    assert four.low < 0.1


def test_an_interval_ends_where_no_mean_can_be() -> None:
    found = summarise([0.99, 0.99, 0.99, 0.5], possible=(0.0, 1.0))
    assert (found.high, found.method) == (1.0, "t, cut")
    assert found.low == summarise([0.99, 0.99, 0.99, 0.5]).low


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = summarise([0.1] * 7)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert (found.std, found.high - found.low, found.method) == (0, 0, "t")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused_and_counted(bad: float) -> None:
    with pytest.raises(StatisticsError, match="1 of 3 values are not finite"):
        summarise([0.9, bad, 0.8])
    with pytest.raises(StatisticsError, match="1 of 2 values are not finite"):
        compare_paired([0.9, 0.8], [bad, 0.8])


def test_a_table_is_not_one_number_per_seed() -> None:
    with pytest.raises(StatisticsError, match=r"\(2, 2\)"):
        summarise([[1, 2], [3, 4]])
