"""Measures of recorded weights, losses and activations, against values worked out apart."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import tiny_digits, tiny_study

from hindi_bn.measures import drift, loss_roughness, weight_paths
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import COLUMNS, read_recordings
from hindi_bn.training.run import train_run

DIGITS = tiny_digits()
EVERYTHING = ["weights", "losses", {"kind": "activations", "every": 2, "per_class": 2}]


def trained(out: Path, name: str = "bn", **changes: Any) -> Record:
    captures = changes.pop("recordings", EVERYTHING)
    study = tiny_study(stream="paired", recordings=captures, epochs=4, lr=0.01, **changes)
    return train_run(study, name, DIGITS, out)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return trained(tmp_path_factory.mktemp("record"))


def rewritten(record: Record, rows: list[tuple[Any, ...]], out: Path, **history: Any) -> Record:
    """The record in another folder, with captures and columns of its history made up."""
    out.mkdir()
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(out / "captures.csv", index=False)
    weights = (record.folder / "weights.safetensors").read_bytes()
    (out / "weights.safetensors").write_bytes(weights)
    return replace(record, folder=out, history=pd.DataFrame(history))


def weight_rows(paths: dict[str, list[float]]) -> list[tuple[Any, ...]]:
    return [
        ("weights", "weight", "6", index, epoch, epoch + 1, value)
        for index, path in paths.items()
        for epoch, value in enumerate(path, start=-1)
    ]


def test_paths_of_two_weights_by_hand(record: Record, tmp_path: Path) -> None:
    # Scaled to 0..1 and without the untrained network: (0, 0), (1, 0), (1, 1), loss 1, 0.5, 0
    paths = {"0 0 0 0": [9.0, 2.0, 4.0, 4.0], "0 0 0 1": [9.0, -1.0, -1.0, 0.0]}
    made = rewritten(
        record, weight_rows(paths), tmp_path / "r", epoch=range(3), train_loss=[3.0, 2.0, 1.0]
    )
    values = weight_paths.measure(made, DIGITS)
    assert values["turning_angle_weights"] == pytest.approx(90)
    assert values["tortuosity_weights"] == pytest.approx(2 / math.sqrt(2))
    # Steps (1, 0, -0.5) and (0, 1, -0.5): cosine 0.25 / 1.25; length of each sqrt(1.25)
    assert values["turning_angle"] == pytest.approx(math.degrees(math.acos(0.2)))
    assert values["tortuosity"] == pytest.approx(2 * math.sqrt(1.25) / math.sqrt(3))
    assert values["pairs"] == 1
    assert values["still_weights"] == 0


def test_weights_that_hardly_move_are_counted(record: Record, tmp_path: Path) -> None:
    step = 2.0**-23  # of float32 from 1 to 2
    paths = {
        "0 0 0 0": [1.0, 1.0, 1 + 49 * step, 1.0],
        "0 0 0 1": [1.0, 1.0, 1 + 50 * step, 1.0],
        "0 0 0 2": [1.0, 1.0, 1.0, 1.0],
    }
    made = rewritten(
        record, weight_rows(paths), tmp_path / "r", epoch=range(3), train_loss=[3.0, 2.0, 1.0]
    )
    values = weight_paths.measure(made, DIGITS)
    assert values["still_weights"] == pytest.approx(2 / 3)
    assert values["pairs"] == 3
    assert not math.isnan(values["turning_angle"])


def turning_and_winding(points: list[list[float]]) -> tuple[float, float]:
    """Mean turning angle in degrees and tortuosity of a path, in plain Python."""
    axes = [[(v - min(a)) / (max(a) - min(a)) for v in a] for a in zip(*points, strict=True)]
    scaled = list(zip(*axes, strict=True))
    steps = [[b - a for a, b in zip(*two, strict=True)] for two in pairwise(scaled)]
    lengths = [math.hypot(*step) for step in steps]
    angles = [
        math.degrees(math.acos(sum(a * b for a, b in zip(one, two, strict=True)) / (k * m)))
        for one, two, k, m in zip(steps, steps[1:], lengths, lengths[1:], strict=False)
    ]
    return statistics.mean(angles), sum(lengths) / math.dist(scaled[0], scaled[-1])


def test_all_or_500_pairs_of_recorded_weights(record: Record) -> None:
    values = weight_paths.measure(record, DIGITS)
    assert values["pairs"] == 500  # of the 2016 pairs of 64 weights
    few = record.run.model_copy(
        update={"recordings": tuple(c for c in record.run.recordings if c.kind == "weights")}
    )
    frame = read_recordings(RunFolder(record.folder))
    frame = frame[(frame["name"] == "weights") & (frame["epoch"] >= 0)]
    paths = [group["value"].tolist() for _, group in frame.groupby("index")]
    loss = record.history["train_loss"].tolist()
    every = [
        turning_and_winding([list(point) for point in zip(a, b, loss, strict=True)])
        for a, b in combinations(paths, 2)
    ]
    means = np.mean(every, axis=0)  # over all pairs: 500 of them come near
    errors = np.std(every, axis=0) / math.sqrt(500)
    assert abs(values["turning_angle"] - means[0]) < 4 * errors[0]
    assert abs(values["tortuosity"] - means[1]) < 4 * errors[1]
    assert weight_paths.measure(replace(record, run=few), DIGITS) == values


def test_roughness_by_hand(record: Record, tmp_path: Path) -> None:
    losses = [[1.0, 2.0, 4.0], [2.0, 4.0], [0.0, 1.0]]  # of epochs 0, 1 and 5
    places = [
        (epoch, loss) for epoch, block in zip((0, 1, 5), losses, strict=True) for loss in block
    ]
    rows = [
        ("losses", "loss", "", "", epoch, step, loss)
        for step, (epoch, loss) in enumerate(places, start=1)
    ]
    values = loss_roughness.measure(rewritten(record, rows, tmp_path / "r"), DIGITS)
    two = math.log(2)
    changes = [two, two, -two, two, math.log(2**-24 / 4), math.log(2**24)]
    assert values["log_change_std"] == pytest.approx(statistics.stdev(changes))
    assert values["log_change_std_epoch_1"] == pytest.approx(0)
    assert values["log_change_std_epochs_2_5"] == pytest.approx(statistics.stdev([-two, two]))
    assert values["log_change_std_epochs_6_end"] == pytest.approx(statistics.stdev(changes[4:]))
    assert math.isnan(values["relative_std"])  # shorter than its window


def test_roughness_around_the_running_mean(record: Record, tmp_path: Path) -> None:
    # Losses 3, 1, 3, 1 ...: every window of 50 has the mean 2, so that they are 1.5 and 0.5 of it
    rows = [("losses", "loss", "", "", 0, step, 1.0 + 2 * (step % 2)) for step in range(1, 102)]
    values = loss_roughness.measure(rewritten(record, rows, tmp_path / "r"), DIGITS)
    assert values["relative_std"] == pytest.approx(statistics.stdev([1.5, 0.5] * 26), rel=1e-12)
    assert values["change_std"] == pytest.approx(statistics.stdev([-2.0, 2.0] * 50), rel=1e-12)
    assert values["relative_std_epoch_1"] == values["relative_std"]
    assert math.isnan(values["relative_std_epochs_2_5"])


def test_drift_by_hand(record: Record, tmp_path: Path) -> None:
    # Convolutions are layers 0, 3 and 6; what layer 1 does must not count.
    readings = {
        "0": [(0.0, 2.0), (1.0, 1.0), (1.0, 3.0)],  # mean, std: changes 0.5, 0; 0.5, 2
        "3": [(1.0, 0.0), (5.0, 1.0), (3.0, 1.0)],  # without a unit first; then 2; 0
        "6": [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0)],  # nothing
        "1": [(0.0, 1.0), (9.0, 9.0), (-9.0, 1.0)],
    }
    rows = [
        ("activations", quantity, layer, "", step - 1, step, value)
        for layer, line in readings.items()
        for step, pair in enumerate(line)
        for quantity, value in zip(("mean", "std"), pair, strict=True)
    ]
    values = drift.measure(rewritten(record, rows, tmp_path / "r"), DIGITS)
    assert values["readings"] == 2
    assert values["drift_mean"] == pytest.approx((0.25 + 2 + 0) / 3)
    assert values["drift_std"] == pytest.approx((1.25 + 0 + 0) / 3)
    assert values["distance_mean"] == pytest.approx((0.5 + 2 + 0) / 3)
    assert values["distance_std"] == pytest.approx((2.5 + 0 + 0) / 3)


def test_drift_of_a_run_with_and_without_batch_norm(record: Record, tmp_path: Path) -> None:
    values = drift.measure(record, DIGITS)
    assert values["readings"] == 6  # 12 steps, every 2, and the untrained network
    assert values["distance_mean"] == pytest.approx(6 * values["drift_mean"])
    dense = trained(tmp_path, "no-bn", network="mlp",
                    recordings=[{"kind": "activations", "per_class": 2}])  # fmt: skip
    frame = read_recordings(RunFolder(dense.folder))
    hidden = frame[frame["layer"] == "1"]
    mean = hidden.loc[hidden["quantity"] == "mean", "value"].tolist()
    std = hidden.loc[hidden["quantity"] == "std", "value"].tolist()
    changes = [abs(b - a) / s for a, b, s in zip(mean, mean[1:], std, strict=False)]
    assert drift.measure(dense, DIGITS)["drift_mean"] == pytest.approx(statistics.mean(changes))
