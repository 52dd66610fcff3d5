"""Statistics over seeds, against scipy, against enumeration and against values worked by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hindi_bn.errors import StatisticsError
from hindi_bn.stats.tables import (
    compare_paired,
    holm,
    mean_interval,
    paired_interval,
    paired_table,
    summarise,
    summary_table,
)

ACCURACY, LOSS = "final_test_accuracy", "final_train_loss"


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# Means and their intervals


def test_five_values_summed_up_by_hand() -> None:
    # Deviation sqrt(10 / 4); t of 97.5 % with 4 degrees of freedom is 2.776445.
    found = summarise([5, 1, 2, 3, 4])
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
    assert (found.n, found.mean, found.median, found.method) == (5, 3.0, 3.0, "t")
    assert found.deviation == pytest.approx(math.sqrt(2.5))
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), abs=1e-6)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_the_t_interval_is_that_of_scipy(confidence: float) -> None:
    values = generator().exponential(size=12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    found = mean_interval(values, confidence=confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_bca_interval_is_that_of_scipy_and_of_the_generator() -> None:
    values = generator().exponential(size=30)
    expected = stats.bootstrap((values,), np.mean, rng=generator(7)).confidence_interval
    found = mean_interval(values, method="bca", rng=generator(7))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.method == "BCa"
    assert found == paired_interval(values, method="bca", rng=generator(7))
    assert found != mean_interval(values, method="bca", rng=generator(8))


def test_the_bca_interval_is_that_of_its_formula() -> None:
    """Worked anew from Efron's formula with other resamples; they leave about 2 % of its width."""
    values = generator().exponential(size=30)
    n, mean = len(values), values.mean()
    means = generator(9).choice(values, (50_000, n)).mean(axis=1)
    bias = stats.norm.ppf((means < mean).mean())
    influence = values - mean  # of the mean: the jackknife's, times a constant that cancels
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    found = mean_interval(values, method="bca", rng=generator())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_one_value_has_no_interval_and_none_has_nothing() -> None:
    one, none = summarise([0.9]), summarise([])
    assert (one.n, one.mean, one.median, one.method) == (1, 0.9, 0.9, "none (n < 2)")
    assert all(math.isnan(value) for value in (one.deviation, one.low, one.high))
    assert none.n == 0
    assert all(math.isnan(value) for value in astuple(none)[1:-1])


@pytest.mark.parametrize(
    ("method", "said"), [("t", "t"), ("bca", "t (all values equal)")], ids=["t", "bca"]
)
def test_equal_values_have_an_interval_of_no_width(method, said) -> None:
    found = summarise([0.1] * 7, method=method, rng=generator())
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert (found.deviation, found.high - found.low, found.method) == (0, 0, said)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused_and_counted(bad: float) -> None:
    with pytest.raises(StatisticsError, match="1 of 3 values are not finite"):
        summarise([0.9, bad, 0.8])
    with pytest.raises(StatisticsError, match="1 of 2 values are not finite"):
        compare_paired([0.9, 0.8], [bad, 0.8])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 95}, "confidence of 95"),
        ({"method": "percentile"}, "no interval 'percentile'"),
        ({"method": "bca"}, "needs a random generator"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(options, message) -> None:
    with pytest.raises(StatisticsError, match=message):
        summarise([1.0, 2.0], **options)


def test_a_table_is_not_one_number_a_seed() -> None:
    with pytest.raises(StatisticsError, match=r"\(2, 2\)"):
        summarise([[1, 2], [3, 4]])


# Pairs


def test_three_pairs_by_hand() -> None:
    # Differences 1, 2, 3. All signs give 6, 4, 2, 0, 0, -2, -4, -6: two of eight are as far as 6.
    found = compare_paired([2, 4, 6], [1, 2, 3])
    half = 4.302653 / math.sqrt(3)  # t of 97.5 % with 2 degrees of freedom, deviation 1
    assert (found.n, found.mean_difference, found.effect_size) == (3, 2, pytest.approx(2))
    assert (found.p, found.test) == (0.25, "sign-flip")
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), abs=1e-6)


def test_ties_between_sums_count_as_reached() -> None:
    # 3 + 1 - 1 = 3; of the sums 5, 3, 3, 1 and their opposites six of eight reach 3.
    assert compare_paired([3, 1, 0], [0, 0, 1]).p == 0.75


def test_the_sign_flip_p_is_that_of_scipy_and_of_enumeration() -> None:
    differences = generator().normal(0.4, 1, 9)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=math.inf
    ).pvalue
    sums = [abs(np.dot(s, differences)) for s in itertools.product((1, -1), repeat=9)]
    by_hand = np.mean([s >= abs(differences.sum()) - 1e-12 for s in sums])
    found = compare_paired(differences, np.zeros(9)).p
    assert found == pytest.approx(expected) == pytest.approx(by_hand)


def test_the_exact_test_has_a_smallest_p_that_depends_on_n() -> None:
    for n in (1, 5, 10, 30):
        found = compare_paired(np.arange(n) + 1.0, np.zeros(n))
        assert (found.p, found.test) == (2 / 2**n, "sign-flip")


@pytest.mark.parametrize("wins", [15, 18, 22, 30])
def test_thirty_equal_steps_are_the_binomial_test(wins: int) -> None:
    a = np.where(np.arange(30) < wins, 0.1, -0.1)
    found = compare_paired(a, np.zeros(30))
    assert (found.p, found.test) == (
        pytest.approx(stats.binomtest(wins, 30).pvalue), "sign-flip",
    )  # fmt: skip


def test_thirty_one_pairs_are_compared_by_wilcoxon() -> None:
    # All ranks positive: one of 2^31 assignments, on either side.
    found = compare_paired(np.arange(31) + 1.0, np.zeros(31))
    assert (found.p, found.test) == (pytest.approx(2 / 2**31), "wilcoxon")
    a, b = generator().normal(size=(2, 40))
    assert compare_paired(a, b).p == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_differences_of_zero_leave_few_enough_for_the_exact_test() -> None:
    a = np.zeros(40)
    a[:3] = [1, 2, 3]
    found = compare_paired(a, np.zeros(40))
    assert (found.n, found.p, found.test) == (40, 0.25, "sign-flip")
    assert compare_paired(np.ones(40), np.ones(40)).p == 1


def test_differences_of_whole_images_tie_although_floats_differ() -> None:
    images = np.array([2_971, 2_950, 2_987, 2_903, 2_899])
    a, b = (images + 1) / 3_000, images / 3_000
    assert len(set(a - b)) > 1
    found = compare_paired(a, b, method="bca", rng=generator())
    assert (found.low, found.high) == pytest.approx((1 / 3_000, 1 / 3_000))
    assert (found.method, found.p) == ("t (all values equal)", 2 / 2**5)
    assert math.isnan(found.effect_size)


def test_swapping_the_sides_turns_the_signs_only() -> None:
    a, b = generator(3).normal(size=(2, 12))
    there, back = compare_paired(a, b), compare_paired(b, a)
    assert there.mean_difference == -back.mean_difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert (there.p, there.effect_size) == (back.p, pytest.approx(-back.effect_size))


def test_no_pair_and_one_pair() -> None:
    none, one = compare_paired([], []), compare_paired([0.9], [0.8])
    assert (none.n, none.test) == (0, "none (n = 0)")
    assert math.isnan(none.p)
    assert math.isnan(none.mean_difference)
    assert (one.n, one.p, one.method) == (1, 1.0, "none (n < 2)")
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


# Tables


def runs() -> pd.DataFrame:
    """Three arms; arm b lacks a loss, and its seeds stand in another order."""
    rows = [
        ("a", 1, 0.90, 0.30), ("a", 2, 0.92, 0.20), ("a", 3, 0.94, 0.10),
        ("b", 3, 0.97, 0.05), ("b", 1, 0.91, math.nan), ("b", 2, 0.94, 0.15),
        ("c", 1, 0.90, 0.30), ("c", 2, 0.92, math.inf), ("c", 4, 0.99, 0.10),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "seed", ACCURACY, LOSS])


def test_the_summary_has_a_row_an_arm_and_outcome() -> None:
    table = summary_table(runs())
    assert list(table.columns) == [
        "arm", "outcome", "n", "n_missing", "mean", "deviation", "median", "low", "high", "method",
    ]  # fmt: skip
    assert list(zip(table["arm"], table["outcome"], strict=True)) == [
        (arm, outcome) for arm in "abc" for outcome in (ACCURACY, LOSS)
    ]
    assert table["n"].tolist() == [3, 3, 3, 2, 3, 2]
    assert table["n_missing"].tolist() == [0, 0, 0, 1, 0, 1]
    assert table["mean"].tolist() == pytest.approx([0.92, 0.2, 0.94, 0.1, 0.81 + 0.38 / 3, 0.2])
    first = summarise([0.90, 0.92, 0.94])
    assert tuple(table.loc[0, ["deviation", "low", "high"]]) == pytest.approx(
        (first.deviation, first.low, first.high)
    )


def test_pairs_are_made_by_seed() -> None:
    table = paired_table(runs(), "a")
    assert list(table.columns) == [
        "arm", "baseline", "outcome", "n", "mean_difference", "low", "high", "method", "p",
        "p_holm", "test", "effect_size",
    ]  # fmt: skip
    assert table[["arm", "outcome"]].to_numpy().tolist() == [
        ["b", ACCURACY], ["b", LOSS], ["c", ACCURACY], ["c", LOSS],
    ]  # fmt: skip
    assert table["n"].tolist() == [3, 2, 2, 1]
    # Accuracies of b: +1, +2 and +3 points with seeds 1, 2 and 3; those of c are a's own.
    assert table["mean_difference"].tolist() == pytest.approx([0.02, -0.05, 0, 0])
    assert table["p"].tolist() == [0.25, 0.5, 1, 1]
    assert table["p_holm"].tolist() == [0.5, 1, 1, 1]
    assert table.loc[0, "effect_size"] == pytest.approx(2)


def test_tables_are_drawn_alike_from_equal_generators() -> None:
    first, again = (paired_table(runs(), "a", method="bca", rng=generator(4)) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert first["method"][0] == "BCa"


def test_a_single_arm_has_nothing_to_compare() -> None:
    alone = runs().query("arm == 'a'")
    table = paired_table(alone, "a", [ACCURACY])
    assert table.empty
    assert "p_holm" in table.columns


def test_an_arm_whose_runs_all_failed_still_has_its_rows() -> None:
    made = runs()
    made.loc[made["arm"] == "b", [ACCURACY, LOSS]] = math.nan
    row = summary_table(made, [LOSS]).set_index("arm").loc["b"]
    assert (row["n"], row["n_missing"]) == (0, 3)
    table = paired_table(made, "a", [LOSS]).set_index("arm")
    assert (table.loc["b", "n"], table.loc["b", "test"]) == (0, "none (n = 0)")
    assert math.isnan(table.loc["b", "p_holm"])
    assert table.loc["c", "p_holm"] == 1


def test_tables_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(StatisticsError, match="no arm 'd'") as refused:
        paired_table(runs(), "d")
    assert "a, b, c" in refused.value.why
    with pytest.raises(StatisticsError, match="no column loss_area"):
        summary_table(runs(), ["loss_area"])
    twice = pd.concat([runs(), runs().iloc[:1]])
    with pytest.raises(StatisticsError, match="'a' has seed 1 more than once"):
        paired_table(twice, "a")
