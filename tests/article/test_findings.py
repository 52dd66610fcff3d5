"""The three findings' measures, against values worked out by hand."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_histories import history

from hindi_bn.article.findings import baseline, findings, smoothness, stays_below, steadiness
from hindi_bn.stats.paths import (
    mean_turning_angle,
    scaled_to_range,
    tortuosity,
    turning_angles,
)


def path(*points: tuple[float, ...]) -> np.ndarray:
    return np.array(points, dtype=float)


def test_turning_angles_of_a_corner_a_return_and_a_standstill() -> None:
    points = path((0, 0), (1, 0), (1, 1), (1, 1), (1, 0), (2, 1))
    # right to up: 90; the standstill is left out; up to down: 180; down to up-right: 135
    assert turning_angles(points) == pytest.approx([90, 180, 135])
    assert mean_turning_angle(points) == pytest.approx(135)


def test_turning_angles_in_three_dimensions() -> None:
    assert turning_angles(path((0, 0, 0), (1, 0, 0), (1, 1, 1))) == pytest.approx([90])
    assert mean_turning_angle(path((0, 0), (3, 4))) is None
    assert mean_turning_angle(path((0, 0), (0, 0), (0, 0))) is None


def test_tortuosity_is_length_over_distance() -> None:
    assert tortuosity(path((0, 0), (3, 0), (3, 4))) == pytest.approx(7 / 5)
    assert tortuosity(path((0, 0), (1, 1), (2, 2))) == pytest.approx(1)
    assert tortuosity(path((0, 0), (1, 1), (0, 0))) is None
    assert tortuosity(path((5, 5))) is None


def test_every_axis_is_scaled_to_its_range() -> None:
    scaled = scaled_to_range(path((2, 7, 100), (4, 7, 50), (3, 7, 0)))
    assert scaled.tolist() == [[0, 0, 1], [1, 0, 0.5], [0.5, 0, 0]]


@given(
    st.lists(st.tuples(*[st.integers(-50, 50)] * 2), min_size=3, max_size=12),
    st.integers(1, 1000),
    st.integers(1, 1000),
)
def test_scaling_makes_units_irrelevant(
    points: list[tuple[int, int]], x_unit: int, y_unit: int
) -> None:
    plain = path(*points)
    other = plain * [x_unit, y_unit]
    assert scaled_to_range(other) == pytest.approx(scaled_to_range(plain), abs=1e-9)


def test_steadiness_counts_falls_and_the_deviation_of_changes() -> None:
    values = steadiness(history([1.0] * 5, [0.5, 0.7, 0.6, 0.6, 0.9]))
    assert (values["falls"], values["changes"], values["deviation_changes"]) == (1, 4, 4)
    # changes 0.2, -0.1, 0, 0.3: mean 0.1, squared deviations 0.01 + 0.04 + 0.01 + 0.04, over 3
    assert values["change_deviation"] == pytest.approx(math.sqrt(0.10 / 3))
    assert (values["lowest_of_last_ten"], values["highest_of_last_ten"]) == (0.5, 0.9)


def test_the_deviation_takes_the_changes_into_the_last_twenty_epochs() -> None:
    accuracy = [0.1, 0.9, 0.1] + [0.5 + 0.01 * (i % 2) for i in range(21)]
    values = steadiness(history([1.0] * 24, accuracy))
    assert values["deviation_changes"] == 20
    # the twenty changes are +0.01, -0.01, … : mean 0, so 20 * 0.0001 over 19
    assert values["change_deviation"] == pytest.approx(math.sqrt(20 * 0.0001 / 19))
    assert values["lowest_of_last_ten"] == 0.5


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([3, 2, 1], [4, 3, 2], 0),
        ([5, 3, 2, 1], [4, 4, 2, 2], 3),
        ([3, 2, 2], [4, 3, 2], None),
        ([5, 1], [4, 2, 0], 1),
        ([5, float("nan")], [4, 2], None),
    ],
)
def test_the_epoch_from_which_the_loss_stays_below(
    ours: list[float], theirs: list[float], expected: int | None
) -> None:
    assert stays_below(history(ours), history(theirs)) == expected


def test_smoothness_by_hand() -> None:
    # Scaled: (0,0,1), (0.5,1,0.5), (1,0,0); projected: up-right and down-right with slopes 2
    values = smoothness(history([3.0, 2.0, 1.0], wx=[0.5, 0.75, 1.0], wy=[0.25, 0.5, 0.25]))
    step = math.sqrt(0.25 + 1 + 0.25)
    assert values["turning_angle"] == pytest.approx(
        math.degrees(math.acos((0.25 - 1 + 0.25) / step**2))
    )
    assert values["tortuosity"] == pytest.approx(2 * step / math.sqrt(2))
    assert values["projected_turning_angle"] == pytest.approx(2 * math.degrees(math.atan(2)))
    assert values["projected_tortuosity"] == pytest.approx(2 * math.sqrt(1.25))
    assert (values["wx_range"], values["wy_range"]) == (0.5, 0.25)
    assert values["wx_float32_steps"] == 0.5 * 2**23  # the spacing at 1.0 is 2 ** -23
    assert values["wy_float32_steps"] == 0.25 * 2**24  # and at 0.5 half of it


def test_the_baseline_is_the_run_without_normalisation() -> None:
    assert baseline(["bn", "no-bn"]) == "no-bn"
    assert baseline(["group", "none", "batch"]) == "none"
    assert baseline(["group", "layer"]) == "group"


def test_findings_of_the_two_runs() -> None:
    without = history(
        [2.0, 0.3, 0.6, 0.5], [0.8, 0.9, 0.85, 0.92], wx=[0, 1, 0, 1], wy=[0, 0, 1, 1]
    )
    with_bn = history([2.5, 0.4, 0.3, 0.2], [0.9, 0.95, 0.97, 0.99])
    accuracy, loss, descent = findings({"no-bn": without, "bn": with_bn})
    assert [accuracy.figure, loss.figure, descent.figure] == [6, 7, 8]
    assert accuracy.measured["no-bn"]["falls"] == 1
    assert "With BN: ends 7.00 percentage points above without BN." in accuracy.sentences
    assert any("it falls in 1 of 3 epoch-to-epoch changes" in text for text in accuracy.sentences)
    assert loss.measured == {"bn": {"compared_with": "no-bn", "below_from_epoch": 2, "epochs": 4}}
    assert "with BN is below without BN from epoch 2" in loss.sentences[0]
    assert set(descent.measured) == {"no-bn", "bn"}
    assert descent.sentences[0].startswith(
        "Without BN: the path of (wx, wy, training loss) turns by"
    )
    assert "of (wx, wy) alone" in descent.sentences[0]
    every = [dataclasses.asdict(finding) for finding in (accuracy, loss, descent)]
    json.dumps(every, allow_nan=False)


def test_findings_of_any_runs_keep_to_what_was_measured() -> None:
    slow, fast = history([1.0, 0.9], [0.6, 0.7]), history([2.0, 1.8, 1.7], [0.5, 0.4, 0.3])
    accuracy, loss, _ = findings({"layer": slow, "group": fast})
    assert accuracy.sentences[0] == (
        "The runs have different numbers of epochs (layer norm 2, group norm 3): here all are "
        "compared after 2 epochs."
    )
    assert "Group norm: ends 30.00 percentage points below layer norm." in accuracy.sentences
    assert loss.sentences == ["Training loss: group norm is not below layer norm at epoch 1."]


def test_one_run_of_one_epoch_has_findings_too() -> None:
    accuracy, loss, descent = findings({"bn": history([1.0], [0.875])})
    assert accuracy.sentences == [
        "With BN: 87.50 % after the last epoch.",
    ]
    assert accuracy.measured["bn"]["change_deviation"] is None
    assert "one run only" in loss.sentences[0]
    assert descent.sentences == ["With BN: the path is too short to measure."]
    assert descent.measured["bn"]["tortuosity"] is None


def test_a_path_that_returns_in_the_plane_is_measured_in_three_dimensions_only() -> None:
    (sentence,) = findings({"bn": history([3.0, 2.0, 1.0], wx=[0, 1, 0], wy=[0, 1, 0])})[
        2
    ].sentences
    assert "alone" not in sentence
    assert "tortuosity" in sentence
