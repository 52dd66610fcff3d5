"""A history condensed to metrics, against values worked by hand; their labels and units."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from made_histories import history

from hindi_bn.errors import RunError, StatisticsError
from hindi_bn.stats.metrics import METRICS, STATUSES, metric_named, metrics_of

ACCURACIES = {
    "final_test_accuracy", "best_test_accuracy", "last5_test_accuracy",
    "last5_median_test_accuracy", "flat_test_accuracy",
}  # fmt: skip


def six_epochs() -> pd.DataFrame:
    """Six epochs that reach 90 % in the second and 95 % in the fourth, and fall in the last."""
    made = history(
        [2.0, 1.0, 0.5, 0.25, 0.125, 0.125], test_accuracy=[0.5, 0.9, 0.85, 0.96, 0.97, 0.92]
    )
    made["train_accuracy"] = [0.4, 0.8, 0.9, 0.95, 0.98, 0.99]
    made["test_loss"] = [1.5, 0.5, 0.6, 0.3, 0.2, 0.4]
    return made


def test_every_metric_of_six_epochs_worked_by_hand() -> None:
    changes = np.array([0.4, -0.05, 0.11, 0.01, -0.05])  # mean 0.084
    squares = ((changes - 0.084) ** 2).sum()
    expected = {
        "final_test_accuracy": 0.92,
        "best_test_accuracy": 0.97,
        "last5_test_accuracy": (0.9 + 0.85 + 0.96 + 0.97 + 0.92) / 5,
        "last5_median_test_accuracy": 0.92,
        "train_loss_at_1": 2.0,
        "train_loss_at_3": 0.5,
        "train_loss_at_5": 0.125,
        "train_loss_at_10": math.nan,
        "train_loss_at_30": math.nan,
        "final_train_loss": 0.125,
        "epochs_to_90": 2.0,
        "epochs_to_95": 4.0,
        "epochs_to_98": math.nan,
        "loss_area": 4.0 / 6,
        "oscillation": math.sqrt(squares / 4),
        "generalisation_gap": 0.07,
        "final_test_loss": 0.4,
        "falling_epochs": 2 / 5,
        # 0.92 against 0.85, 0.96, 0.97 before it: 4 points below their median
        "dips": 1,
        "dip_share": 1,
        "ends_in_dip": 1,
        # Losses at the ends of epochs: sqrt(2), sqrt(1/2), sqrt(1/8), sqrt(1/32), 1/8. Test
        # accuracies, running medians of three: 0.5, 0.85, 0.9, 0.96, 0.96. 0.3 lies between the
        # third, 0.354, and the fourth, 0.177; 0.1 is not reached.
        "test_accuracy_at_loss_0_3": 0.9 + 0.06 * math.log2(math.sqrt(1 / 8) / 0.3),
        "test_accuracy_at_loss_0_1": math.nan,
        "test_accuracy_at_loss_0_03": math.nan,
        # Test losses 1.5, 0.6, 0.5, 0.3, 0.3
        "test_loss_at_loss_0_3": 0.5 - 0.2 * math.log2(math.sqrt(1 / 8) / 0.3),
        "test_loss_at_loss_0_1": math.nan,
        "test_loss_at_loss_0_03": math.nan,
        "epochs_to_flat": math.nan,
        "flat_test_accuracy": math.nan,
    }
    found = metrics_of(six_epochs())
    assert list(found) == list(METRICS)
    assert found == pytest.approx(expected, nan_ok=True)


def test_oscillation_looks_at_the_last_twenty_changes_only() -> None:
    # A jump of 0.5, then 20 changes of +0.01 and -0.01 in turn: squares sum to 20 x 0.0001.
    accuracy = [0.3, 0.8] + [0.81, 0.80] * 10
    found = metrics_of(history([1.0] * len(accuracy), test_accuracy=accuracy))
    assert found["oscillation"] == pytest.approx(math.sqrt(20 * 0.0001 / 19))


def test_one_epoch_has_no_oscillation_and_counts_from_one() -> None:
    found = metrics_of(history([0.7], test_accuracy=[0.99]))
    assert math.isnan(found["oscillation"])
    assert (found["epochs_to_98"], found["train_loss_at_1"], found["loss_area"]) == (1, 0.7, 0.7)
    assert found["last5_test_accuracy"] == 0.99


def test_dips_lie_two_points_below_their_neighbours() -> None:
    accuracy = [0.1, 0.9, 0.2, 0.9, 0.9] + [0.95] * 10  # no dip among the first five
    accuracy[8] = 0.80
    accuracy[11] = 0.929  # 2.1 points
    accuracy[13] = 0.931  # 1.9 points
    found = metrics_of(history([1.0] * 15, test_accuracy=accuracy))
    assert (found["dips"], found["dip_share"], found["ends_in_dip"]) == (2, 2 / 10, 0)
    assert found["falling_epochs"] == 4 / 14
    caught = metrics_of(history([1.0] * 15, test_accuracy=[*accuracy[:14], 0.85]))
    assert (caught["dips"], caught["ends_in_dip"]) == (2, 1)  # 0.929 now has 0.9405 around it
    assert caught["last5_median_test_accuracy"] == 0.931
    climbing = [n / 40 for n in range(30)]  # by 2.5 points each epoch; the last one too
    found = metrics_of(history([1.0] * 30, test_accuracy=climbing))
    assert (found["dips"], found["falling_epochs"]) == (0, 0)
    short = metrics_of(history([1.0] * 5, test_accuracy=[0.5] * 5))
    assert all(math.isnan(short[name]) for name in ("dips", "dip_share", "ends_in_dip"))


def test_networks_are_compared_where_their_training_loss_is_equal() -> None:
    # Halved from epoch to epoch: at an epoch's end it is the epoch's loss over sqrt(2).
    losses = [2.0**-n for n in range(8)]
    accuracy = [0.1 * n for n in range(8)]
    found = metrics_of(history(losses, test_accuracy=accuracy))
    for name, level in (("0_3", 0.3), ("0_1", 0.1), ("0_03", 0.03)):
        epochs = -math.log2(level) - 0.5
        assert found[f"test_accuracy_at_loss_{name}"] == pytest.approx(0.1 * epochs)
    accuracy[3] = 0.0  # a dip is left out
    dipped = metrics_of(history(losses, test_accuracy=accuracy))
    assert dipped["test_accuracy_at_loss_0_1"] == pytest.approx(
        0.1 + 0.1 * (-math.log2(0.1) - 0.5 - 2)  # running medians 0.1 and 0.2
    )
    assert math.isnan(metrics_of(history([0.2, 0.2, 0.2]))["test_accuracy_at_loss_0_3"])


@pytest.mark.parametrize(
    ("losses", "epochs"),
    [
        ([0.9**n for n in range(30)], None),
        # Falls until the 11th epoch, and no more. At the 25th the last ten's median is 0.5, that of
        # the ten before the mean of the 10th and the 11th, 0.525; at the 24th it is 0.5775.
        ([1.1 ** max(0, 10 - n) * 0.5 for n in range(40)], 25),
        # A plateau at the start does not count; from the 26th epoch on the median is 0.5.
        ([2.3] * 20 + [0.5] * 30, 36),
        ([2.3] * 30, None),
        # Below 0.001: the middle ones of ten are 2^-10 and 2^-11 at the 16th epoch.
        ([0.5**n for n in range(30)], 16),
        ([0.5, 0.5, 0.5], None),
    ],
)
def test_a_training_loss_is_flat_by_a_stated_rule(losses: list[float], epochs: int | None) -> None:
    accuracy = [n / 100 for n in range(len(losses))]
    found = metrics_of(history(losses, test_accuracy=accuracy))
    if epochs is None:
        assert math.isnan(found["epochs_to_flat"])
        assert math.isnan(found["flat_test_accuracy"])
    else:
        assert found["epochs_to_flat"] == epochs
        assert found["flat_test_accuracy"] == pytest.approx((epochs - 3) / 100)


def test_an_accuracy_of_exactly_ninety_per_cent_reaches_it() -> None:
    found = metrics_of(history([1.0, 1.0], test_accuracy=[2_699 / 3_000, 2_700 / 3_000]))
    assert found["epochs_to_90"] == 2


def test_a_diverged_run_counts_as_guessing_whatever_it_reached_before() -> None:
    found = metrics_of(six_epochs(), "diverged")
    assert {name for name, value in found.items() if value == 0.1} == ACCURACIES
    assert all(math.isnan(value) for name, value in found.items() if name not in ACCURACIES)


@pytest.mark.parametrize("status", ["failed", "unfinished", "missing"])
def test_a_run_that_did_not_end_has_no_metrics_of(status: str) -> None:
    found = metrics_of(six_epochs(), status)
    assert list(found) == list(METRICS)
    assert all(math.isnan(value) for value in found.values())


def test_an_unknown_status_and_a_history_without_an_epoch_are_refused() -> None:
    with pytest.raises(RunError, match="finnished") as refused:
        metrics_of(six_epochs(), "finnished")
    assert all(status in refused.value.next_step for status in STATUSES)
    with pytest.raises(RunError, match="cannot be analysed"):
        metrics_of(six_epochs().iloc[:0])


@pytest.mark.parametrize(
    ("name", "axis", "difference"),
    [
        ("final_test_accuracy", "Final test accuracy (%)", "points"),
        ("last5_test_accuracy", "Test accuracy, mean of the last 5 epochs (%)", "points"),
        ("train_loss_at_1", "Training loss after 1 epoch (cross-entropy, nats)", "nats"),
        ("train_loss_at_10", "Training loss after 10 epochs (cross-entropy, nats)", "nats"),
        ("final_train_loss", "Final training loss (cross-entropy, nats)", "nats"),
        ("epochs_to_95", "Epochs to 95 % test accuracy", "epochs"),
        ("generalisation_gap", "Generalisation gap (points)", "points"),
        ("test_accuracy", "Test accuracy (%)", "points"),
    ],
)
def test_metrics_are_named_with_their_unit(name: str, axis: str, difference: str) -> None:
    metric = metric_named(name)
    assert metric.axis == axis
    assert metric.difference("none").endswith(f": difference from none ({difference})")


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StatisticsError, match="no metric 'beauty'") as refused:
        metric_named("beauty")
    assert "loss_area" in refused.value.why
