"""Runs over seeds as tables, also of runs that diverged, by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from scipy import stats

from hindi_bn.errors import StatisticsError
from hindi_bn.stats.intervals import summarise
from hindi_bn.stats.metrics import metric_named
from hindi_bn.stats.tables import (
    epoch_values,
    paired_table,
    paired_values,
    summary_by,
    summary_table,
    values_of,
)

ACCURACY, LOSS = "final_test_accuracy", "final_train_loss"


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
    assert table.loc[0, "std"] == pytest.approx(first.std)
    assert table.loc[0, "method"] == first.method


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
