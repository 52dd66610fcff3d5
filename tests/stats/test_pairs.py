"""Paired tests and their correction: by hand, by enumeration and against scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from hindi_bn.errors import StatisticsError
from hindi_bn.stats.intervals import summarise
from hindi_bn.stats.pairs import EXACT_UP_TO, RESAMPLES, compare_paired, holm, sign_flip_p


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_three_pairs_by_hand() -> None:
    # Differences 1, 2, 3. All signs give 6, 4, 2, 0, 0, -2, -4, -6: two of eight are as far as 6.
    found = compare_paired([2, 4, 6], [1, 2, 3])
    assert (found.n, found.mean_difference, found.effect_size) == (3, 2, pytest.approx(2))
    assert (found.p_sign_flip, found.sign_flip) == (0.25, "exact")
    assert math.isnan(found.low)
    # 1, 2, 3, 4: t of 97.5 % with 3 degrees of freedom is 3.182446, the deviation sqrt(5 / 3)
    half = 3.182446 * math.sqrt(5 / 3) / 2
    four = compare_paired([2, 4, 6, 8], [1, 2, 3, 4])
    assert (four.low, four.high) == pytest.approx((2.5 - half, 2.5 + half), abs=1e-6)


def test_ties_between_sums_count_as_reached() -> None:
    # 3 + 1 - 1 = 3; of the sums 5, 3, 3, 1 and their opposites six of eight reach 3.
    assert compare_paired([3, 1, 0], [0, 0, 1]).p_sign_flip == 0.75


def test_the_sign_flip_p_is_that_of_scipy_and_of_enumeration() -> None:
    differences = generator().normal(0.4, 1, 9)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=math.inf
    ).pvalue
    sums = [abs(np.dot(s, differences)) for s in itertools.product((1, -1), repeat=9)]
    by_hand = np.mean([s >= abs(differences.sum()) - 1e-12 for s in sums])
    found = compare_paired(differences, np.zeros(9)).p_sign_flip
    assert found == pytest.approx(expected) == pytest.approx(by_hand)


def test_the_exact_test_has_a_smallest_p_that_depends_on_n() -> None:
    for n in (1, 5, 10, 30):
        found = compare_paired(np.arange(n) + 1.0, np.zeros(n))
        assert (found.p_sign_flip, found.sign_flip) == (2 / 2**n, "exact")


@pytest.mark.parametrize("wins", [15, 18, 22, 30])
def test_thirty_equal_steps_are_the_binomial_test(wins: int) -> None:
    a = np.where(np.arange(30) < wins, 0.1, -0.1)
    found = compare_paired(a, np.zeros(30))
    assert found.sign_flip == "exact"
    assert found.p_sign_flip == pytest.approx(stats.binomtest(wins, 30).pvalue)


def test_more_than_forty_pairs_have_signs_flipped_at_random() -> None:
    found = compare_paired(np.arange(41) + 1.0, np.zeros(41))
    assert (found.p_sign_flip, found.sign_flip) == (1 / (RESAMPLES + 1), "Monte Carlo")
    a = generator().normal(0.25, 1, 50)
    found = compare_paired(a, np.zeros(50)).p_sign_flip
    expected = stats.permutation_test(
        (a,), np.mean, permutation_type="samples", n_resamples=20_000, rng=generator(4)
    ).pvalue
    assert found == pytest.approx(expected, abs=4 * (expected / RESAMPLES) ** 0.5)
    assert found == compare_paired(a, np.zeros(50)).p_sign_flip


@pytest.mark.parametrize("n", [7, 50])
def test_the_one_sided_sign_flip_p_is_that_of_scipy(n: int) -> None:
    a = generator(2).normal(0.2, 1, n)
    exact = n <= EXACT_UP_TO
    expected = stats.permutation_test(
        (a,), np.mean, permutation_type="samples", alternative="greater",
        n_resamples=math.inf if exact else 20_000, rng=generator(4),
    ).pvalue  # fmt: skip
    slack = 1e-12 if exact else 4 * (expected / RESAMPLES) ** 0.5
    assert sign_flip_p(a, "greater") == pytest.approx(expected, abs=slack)
    both = sign_flip_p(a, "greater") + sign_flip_p(-a, "greater")
    assert both == pytest.approx(1, abs=0.01 if exact else 0.001)


def test_one_sided_sign_flip_by_hand() -> None:
    # Of the sums 6, 4, 2, 0, 0, -2, -4, -6 of 1, 2 and 3 one reaches 6, and all reach -6.
    assert sign_flip_p(np.array([1.0, 2.0, 3.0]), "greater") == 1 / 8
    assert sign_flip_p(np.array([-1.0, -2.0, -3.0]), "greater") == 1
    assert sign_flip_p(np.array([1.0, -2.0, 3.0]), "greater") == 3 / 8
    assert sign_flip_p(np.zeros(3), "greater") == 1


def test_the_p_beside_the_interval_is_that_of_the_t_test() -> None:
    a, b = generator(6).normal(size=(2, 12))
    assert compare_paired(a, b).p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    edge = compare_paired(a, np.full(12, summarise(a).low))  # the interval just touches zero
    assert edge.p == pytest.approx(0.05)


def test_differences_of_zero_leave_few_enough_for_the_exact_test() -> None:
    a = np.zeros(40)
    a[:3] = [1, 2, 3]
    found = compare_paired(a, np.zeros(40))
    assert (found.n, found.p_sign_flip, found.sign_flip) == (40, 0.25, "exact")
    equal = compare_paired(np.ones(40), np.ones(40))
    assert (equal.p, equal.p_sign_flip) == (1, 1)


def test_differences_of_whole_images_tie_although_floats_differ() -> None:
    images = np.array([2_971, 2_950, 2_987, 2_903, 2_899])
    a, b = (images + 1) / 3_000, images / 3_000
    assert len(set(a - b)) > 1
    found = compare_paired(a, b)
    assert (found.low, found.high) == pytest.approx((1 / 3_000, 1 / 3_000))
    assert (found.method, found.p, found.p_sign_flip) == ("t", 0, 2 / 2**5)
    assert math.isnan(found.effect_size)


def test_swapping_the_sides_turns_the_signs_only() -> None:
    a, b = generator(3).normal(size=(2, 12))
    there, back = compare_paired(a, b), compare_paired(b, a)
    assert there.mean_difference == -back.mean_difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert (there.p_sign_flip, there.effect_size) == (
        back.p_sign_flip,
        pytest.approx(-back.effect_size),
    )


def test_no_pair_and_one_pair() -> None:
    none, one = compare_paired([], []), compare_paired([0.9], [0.8])
    assert (none.n, none.sign_flip) == (0, "none (n = 0)")
    assert math.isnan(none.p_sign_flip)
    assert math.isnan(none.mean_difference)
    assert (one.n, one.p_sign_flip, one.method) == (1, 1.0, "none (n < 4)")
    assert math.isnan(one.p)
    assert one.mean_difference == pytest.approx(0.1)
    assert math.isnan(one.effect_size)


def test_lists_of_different_lengths_are_no_pairs() -> None:
    with pytest.raises(StatisticsError, match="2 values cannot be paired with 1"):
        compare_paired([1, 2], [1])


# Several tests


def test_holm_by_hand() -> None:
    # In order 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1; the last is raised to the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])
    assert holm([]).tolist() == []


def test_holm_does_not_count_what_was_not_tested() -> None:
    assert holm([math.nan, 0.04, 0.01]) == pytest.approx([math.nan, 0.04, 0.02], nan_ok=True)


def test_holm_refuses_what_is_no_probability() -> None:
    with pytest.raises(StatisticsError, match=r"outside 0\.\.1"):
        holm([0.5, 1.5])
