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
from hindi_bn.stats.intervals import summarise
from hindi_bn.stats.metrics import metric_named
from hindi_bn.stats.pairs import RESAMPLES, compare_paired, holm
from hindi_bn.stats.tables import (
    epoch_values,
    paired_table,
    paired_values,
    summary_by,
    summary_table,
    values_of,
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
    assert found.std == pytest.approx(math.sqrt(2.5))
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), abs=1e-6)


def test_the_t_interval_is_that_of_scipy() -> None:
    values = generator().exponential(size=12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = summarise(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_value_has_no_interval_and_none_has_nothing() -> None:
    one, none = summarise([0.9]), summarise([])
    assert (one.n, one.mean, one.median, one.method) == (1, 0.9, 0.9, "none (n < 2)")
    assert all(math.isnan(value) for value in (one.std, one.low, one.high))
    assert none.n == 0
    assert all(math.isnan(value) for value in astuple(none)[1:-1])


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


# Pairs


def test_three_pairs_by_hand() -> None:
    # Differences 1, 2, 3. All signs give 6, 4, 2, 0, 0, -2, -4, -6: two of eight are as far as 6.
    found = compare_paired([2, 4, 6], [1, 2, 3])
    half = 4.302653 / math.sqrt(3)  # t of 97.5 % with 2 degrees of freedom, deviation 1
    assert (found.n, found.mean_difference, found.effect_size) == (3, 2, pytest.approx(2))
    assert (found.p_sign_flip, found.sign_flip) == (0.25, "exact")
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), abs=1e-6)


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


def test_more_than_thirty_pairs_have_signs_flipped_at_random() -> None:
    found = compare_paired(np.arange(31) + 1.0, np.zeros(31))
    assert (found.p_sign_flip, found.sign_flip) == (1 / (RESAMPLES + 1), "Monte Carlo")
    a = generator().normal(0.25, 1, 40)
    found = compare_paired(a, np.zeros(40)).p_sign_flip
    expected = stats.permutation_test(
        (a,), np.mean, permutation_type="samples", n_resamples=20_000, rng=generator(4)
    ).pvalue
    assert found == pytest.approx(expected, abs=4 * (expected / RESAMPLES) ** 0.5)
    assert found == compare_paired(a, np.zeros(40)).p_sign_flip


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
    assert (one.n, one.p_sign_flip, one.method) == (1, 1.0, "none (n < 2)")
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


# Tables


def runs() -> pd.DataFrame:
    """Three arms; arm b lacks a loss, and its seeds stand in another order."""
    rows = [
        ("a", 1, 0.90, 0.30), ("a", 2, 0.92, 0.20), ("a", 3, 0.94, 0.10),
        ("b", 3, 0.97, 0.05), ("b", 1, 0.91, math.nan), ("b", 2, 0.94, 0.15),
        ("c", 1, 0.90, 0.30), ("c", 2, 0.92, math.inf), ("c", 4, 0.99, 0.10),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "seed", ACCURACY, LOSS])


def test_the_summary_has_a_row_per_arm_and_metric() -> None:
    table = summary_table(runs())
    assert list(table.columns) == [
        "arm", "metric", "n", "n_missing", "n_diverged", "divergence_rate", "mean", "std",
        "median", "low", "high", "method",
    ]  # fmt: skip
    assert list(zip(table["arm"], table["metric"], strict=True)) == [
        (arm, metric) for arm in "abc" for metric in (ACCURACY, LOSS)
    ]
    assert table["n"].tolist() == [3, 3, 3, 2, 3, 2]
    assert table["n_missing"].tolist() == [0, 0, 0, 1, 0, 1]
    assert table["mean"].tolist() == pytest.approx([0.92, 0.2, 0.94, 0.1, 0.81 + 0.38 / 3, 0.2])
    first = summarise([0.90, 0.92, 0.94])
    assert tuple(table.loc[0, ["std", "low", "high"]]) == pytest.approx(
        (first.std, first.low, first.high)
    )


def test_pairs_are_made_by_seed() -> None:
    table = paired_table(runs(), "a")
    assert list(table.columns) == [
        "arm", "baseline", "metric", "n", "n_missing", "n_diverged", "divergence_rate",
        "mean_difference", "std", "low", "high", "method", "p", "p_holm", "p_sign_flip",
        "sign_flip", "effect_size",
    ]  # fmt: skip
    assert table[["arm", "metric"]].to_numpy().tolist() == [
        ["b", ACCURACY], ["b", LOSS], ["c", ACCURACY], ["c", LOSS],
    ]  # fmt: skip
    assert table["n"].tolist() == [3, 2, 2, 1]
    # Accuracies of b: +1, +2 and +3 points with seeds 1, 2 and 3; those of c are a's own.
    assert table["mean_difference"].tolist() == pytest.approx([0.02, -0.05, 0, 0])
    assert table["p_sign_flip"].tolist() == [0.25, 0.5, 1, 1]
    p = stats.ttest_1samp([0.01, 0.02, 0.03], 0).pvalue
    assert table["p"].tolist() == pytest.approx([p, table["p"][1], 1, math.nan], nan_ok=True)
    assert table["p_holm"][0] == pytest.approx(2 * p)
    assert table.loc[0, "effect_size"] == pytest.approx(2)


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
    assert (table.loc["b", "n"], table.loc["b", "sign_flip"]) == (0, "none (n = 0)")
    assert math.isnan(table.loc["b", "p_holm"])
    assert table.loc["c", "p_sign_flip"] == 1


def test_tables_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(StatisticsError, match="no arm 'd'") as refused:
        paired_table(runs(), "d")
    assert "a, b, c" in refused.value.why
    with pytest.raises(StatisticsError, match="no column loss_area"):
        summary_table(runs(), ["loss_area"])
    twice = pd.concat([runs(), runs().iloc[:1]])
    with pytest.raises(StatisticsError, match="'a' has seed 1 more than once"):
        paired_table(twice, "a")


# Runs that diverged


def diverging() -> pd.DataFrame:
    """Four seeds; the baseline's last diverged, and one of the other's failed."""
    rows = [
        ("none", 1, "finished", 0.90, 0.3), ("none", 2, "finished", 0.92, 0.2),
        ("none", 3, "finished", 0.94, 0.1), ("none", 4, "diverged", 0.10, math.nan),
        ("bn", 1, "finished", 0.96, 0.1), ("bn", 2, "finished", 0.97, 0.1),
        ("bn", 3, "failed", math.nan, math.nan), ("bn", 4, "finished", 0.98, 0.1),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "seed", "status", ACCURACY, LOSS])


def test_a_diverged_run_counts_as_chance_and_is_counted_beside_the_mean() -> None:
    table = summary_table(diverging()).set_index(["arm", "metric"])
    counts = ["n", "n_missing", "n_diverged", "divergence_rate"]
    assert table.loc[("none", ACCURACY), counts].tolist() == [4, 0, 1, 0.25]
    assert table.loc[("none", LOSS), counts].tolist() == [3, 1, 1, 0.25]
    assert table.loc[("bn", ACCURACY), counts].tolist() == [3, 1, 0, 0]
    assert table.loc[("none", ACCURACY), "mean"] == pytest.approx((0.9 + 0.92 + 0.94 + 0.1) / 4)
    assert table.loc[("none", LOSS), "mean"] == pytest.approx(0.2)


def test_it_counts_so_even_where_a_table_holds_another_number() -> None:
    runs = diverging()
    runs.loc[3, [ACCURACY, LOSS]] = [math.nan, 7.0]
    pd.testing.assert_frame_equal(summary_table(runs), summary_table(diverging()))


def test_pairs_with_a_diverged_run_are_counted() -> None:
    table = paired_table(diverging(), "none").set_index("metric")
    counts = ["n", "n_missing", "n_diverged"]
    assert table.loc[ACCURACY, counts].tolist() == [3, 1, 1]
    assert table.loc[LOSS, counts].tolist() == [2, 2, 1]
    assert table.loc[ACCURACY, "divergence_rate"] == pytest.approx(1 / 3)
    assert table.loc[ACCURACY, "mean_difference"] == pytest.approx((0.06 + 0.05 + 0.88) / 3)
    pairs = paired_values(values_of(diverging(), ACCURACY, metric_named(ACCURACY)), "none")
    assert pairs["status"].tolist() == ["finished", "finished", "failed", "diverged"]
    assert summary_by(pairs, ["arm"])["mean"][0] == table.loc[ACCURACY, "mean_difference"]


def test_curves_of_a_diverged_run_go_on_at_chance_and_its_losses_count_nowhere() -> None:
    runs = pd.DataFrame({"arm": "a", "seed": [1, 2], "status": ["finished", "diverged"]})
    epochs = pd.DataFrame(
        {"arm": "a", "seed": [1, 1, 1, 2], "epoch": [0, 1, 2, 0],
         "test_accuracy": [0.8, 0.9, 0.9, 0.6], "train_loss": [2.0, 1.0, 0.5, 4.0]}
    )  # fmt: skip
    shares = epoch_values(epochs, "test_accuracy", metric_named("test_accuracy"), runs)
    assert shares[shares["seed"] == 2]["value"].tolist() == [0.6, 0.1, 0.1]
    means = summary_by(shares, ["arm", "epoch"])
    assert means["mean"].tolist() == pytest.approx([0.7, 0.5, 0.5])
    assert means["n_diverged"].tolist() == [1, 1, 1]
    losses = epoch_values(epochs, "train_loss", metric_named("train_loss"), runs)
    assert losses[losses["seed"] == 2]["value"].isna().all()
    assert losses[losses["seed"] == 2]["recorded"].tolist()[0] == 4.0
    means = summary_by(losses, ["arm", "epoch"])
    assert means["mean"].tolist() == [2.0, 1.0, 0.5]
    assert means["n"].tolist() == [1, 1, 1]
