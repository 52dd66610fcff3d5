"""Fit, percentiles and gradient shift: recorded values and measures against torch and by hand."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import tiny_digits, tiny_study
from tiny_recordings import captured, trained
from torch import nn
from torch.nn import functional

from hindi_bn.errors import StudyError
from hindi_bn.measures import covariate_shift, distribution_change, matched_fit, measure
from hindi_bn.networks import build_run
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import COLUMNS
from hindi_bn.training.run import load_network, train_run

NEW: list[Any] = [
    "fit",
    {"kind": "percentiles", "per_class": 2},
    {"kind": "gradient-shift", "images": 20},
]
DIGITS = tiny_digits()
TRAIN, TEST = (x[:, None].float() / 255 for x in (DIGITS.train_images, DIGITS.test_images))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    torch.set_num_threads(1)
    return trained(tmp_path_factory.mktemp("record"), recordings=NEW, lr=0.02)


def value(frame: pd.DataFrame, **where: Any) -> float:
    for column, wanted in where.items():
        frame = frame[frame[column] == wanted]
    assert len(frame) == 1
    return float(frame["value"].iloc[0])


def rewritten(record: Record, rows: list[tuple[Any, ...]], out: Path, **history: Any) -> Record:
    out.mkdir()
    (out / "weights.safetensors").touch()  # a finished run
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(out / "captures.csv", index=False)
    return replace(record, folder=out, history=pd.DataFrame(history))


def test_fit_is_in_eval_mode_on_the_training_images(record: Record) -> None:
    frame, network = captured(record), load_network(record).eval()
    with torch.no_grad():
        logits = network(TRAIN)
    loss = functional.cross_entropy(logits, DIGITS.train_labels).item()
    right = (logits.argmax(1) == DIGITS.train_labels).double().mean().item()
    assert value(frame, name="fit", quantity="loss", epoch=1) == pytest.approx(loss, rel=1e-5)
    assert value(frame, name="fit", quantity="accuracy", epoch=1) == pytest.approx(right)


def test_fewer_images_are_spread_evenly(tmp_path: Path) -> None:
    recordings = [{"kind": "fit", "images": 7}]
    record = trained(tmp_path, recordings=recordings, epochs=1)
    with torch.no_grad():
        logits = load_network(record).eval()(TRAIN[::10])
    loss = functional.cross_entropy(logits, DIGITS.train_labels[::10]).item()
    assert value(captured(record), quantity="loss", epoch=0) == pytest.approx(loss, rel=1e-5)


def test_percentiles_are_numpys_of_what_goes_into_relu(record: Record) -> None:
    frame, network = captured(record), load_network(record).eval()
    places = [digit + 10 * turn for digit in range(10) for turn in range(2)]
    seen: dict[str, np.ndarray] = {}
    for name, layer in network.named_children():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(
                lambda _, given, __, name=name: seen.update({name: given[0].numpy()})
            )
    with torch.no_grad():
        network(TEST[places])
    assert len(seen) == 3
    rows = frame[(frame["name"] == "percentiles") & (frame["epoch"] == 1)]
    assert len(rows) == 3 * 16 * 5
    for layer, maps in seen.items():
        for channel in (0, 15):
            expected = np.percentile(maps[:, channel], (5, 15, 50, 85, 95))
            found = [
                value(rows, layer=layer, index=str(channel), quantity=quantity)
                for quantity in ("p5", "p15", "p50", "p85", "p95")
            ]
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def gradient(network: nn.Module, layer: str, places: torch.Tensor) -> torch.Tensor:
    loss = functional.cross_entropy(network(TRAIN[places]), DIGITS.train_labels[places])
    own = list(network.get_submodule(layer).parameters())
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, own)])


@pytest.mark.parametrize("name", ["bn", "no-bn"])
def test_gradient_shift_is_that_of_a_step_of_the_layers_before(tmp_path: Path, name: str) -> None:
    """By a copy of the untrained network, whose earlier layers torch's own SGD moves."""
    lr, kind = 0.5, {"kind": "gradient-shift", "images": 20}
    record = trained(tmp_path, name, recordings=[kind], lr=lr, epochs=1)
    frame = captured(record)
    torch.manual_seed(record.study.seed)
    network = build_run(record.run, 32).train()
    places = torch.randperm(70, generator=torch.Generator().manual_seed(0))[:20]
    layers = [n for n, m in network.named_children() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sorted(frame["layer"].unique()) == sorted(layers[1:])
    for layer in layers[1:]:
        moved = copy.deepcopy(network)
        before = gradient(network, layer, places)
        earlier = [
            parameter
            for child, module in moved.named_children()
            if int(child) < int(layer)
            for parameter in module.parameters()
        ]
        optimizer = torch.optim.SGD(earlier, lr=lr)
        logits = moved(TRAIN[places])
        functional.cross_entropy(logits, DIGITS.train_labels[places]).backward()
        optimizer.step()
        after = gradient(moved, layer, places)
        expected = {
            "difference": (before - after).norm().item(),
            "norm": before.norm().item(),
            "cosine": (before @ after / before.norm() / after.norm()).item(),
        }
        for quantity, wanted in expected.items():
            found = value(frame, layer=layer, quantity=quantity, step=0)
            assert found == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "batch-noisy", "dropout": 0.5},
        {"norm": "spectral"},
        {"norm": "none", "augment": "rotate"},
    ],
)
def test_these_recordings_leave_no_trace(tmp_path: Path, changes: dict[str, Any]) -> None:
    watched = [
        {"kind": "fit", "every": 2, "images": 10},
        {"kind": "percentiles", "every": 2, "per_class": 1, "mode": "train"},
        {"kind": "gradient-shift", "every": 2, "images": 10},
    ]
    weights = [
        trained(tmp_path / str(len(recordings)), recordings=recordings, epochs=1, **changes).folder
        / "weights.safetensors"
        for recordings in (watched, [])
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize("changes", [{"optimizer": "adam"}, {"momentum": 0.9}])
def test_gradient_shift_is_refused_where_steps_are_others(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    study = tiny_study(stream="paired", recordings=["gradient-shift"], **changes)
    with pytest.raises(StudyError, match="plain SGD without momentum"):
        train_run(study, "bn", DIGITS, tmp_path)


def test_fit_is_matched_by_hand(record: Record, tmp_path: Path) -> None:
    losses, right = [2.3, 0.6, 0.15, 0.2, 0.01], [0.1, 0.8, 0.9, 0.9, 1.0]
    rows = [
        ("fit", quantity, "", "", epoch, epoch + 1, number)
        for quantity, series in (("loss", losses), ("accuracy", right))
        for epoch, number in enumerate(series, start=-1)
    ]
    made = rewritten(
        record, rows, tmp_path / "r",
        epoch=range(4), test_accuracy=[0.7, 0.85, 0.8, 0.95], test_loss=[0.8, 0.4, 0.5, 0.2],
    )  # fmt: skip
    found = matched_fit.measure(made, DIGITS)
    late = math.log(0.2 / 0.1) / math.log(0.2 / 0.01)  # of the way from epoch 3 to epoch 4
    expected = {
        "test_accuracy_at_loss_0_3": 0.775,  # 0.6 to 0.15 is two halvings, 0.3 one of them
        "test_loss_at_loss_0_3": 0.6,
        "gap_at_loss_0_3": 0.075,
        "test_accuracy_at_loss_0_1": 0.8 + 0.15 * late,
        "test_loss_at_loss_0_1": 0.5 - 0.3 * late,
        "gap_at_loss_0_1": 0.1 - 0.05 * late,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert set(found) == set(matched_fit.VALUES)
    low = [(*row[:-1], 0.01) for row in rows]  # from the first epoch on
    made = rewritten(record, low, tmp_path / "low", **made.history.to_dict("list"))
    assert all(math.isnan(number) for number in matched_fit.measure(made, DIGITS).values())


def test_changes_of_percentiles_by_hand(record: Record, tmp_path: Path) -> None:
    readings = {  # of epochs -1, 0 and 1: percentiles 5, 50 and 95
        ("2", "0"): [(-1, 0, 1), (-1, 0, 3), (-1, 2, 3)],  # changes 2/3 / 2, then 2/3 / 4
        ("2", "1"): [(0, 0, 0), (0, 1, 2), (0, 1, 2)],  # without a span first; then 0
        ("5", "0"): [(0, 1, 2), (1, 2, 3), (1, 2, 3)],  # 1 / 2, 0
    }
    rows = [
        ("percentiles", quantity, *place, step - 1, 10 * step, number)
        for place, series in readings.items()
        for step, triple in enumerate(series)
        for quantity, number in zip(("p5", "p50", "p95"), triple, strict=True)
    ]
    found = distribution_change.measure(rewritten(record, rows, tmp_path / "r"), DIGITS)
    first, second = (1 / 3 + 1 / 2) / 2, (1 / 12 + 0) / 2
    assert found == pytest.approx({
        "per_reading": (first + second) / 2,
        "per_reading_later": second,
        "over_the_run": (4 / 3 / 2 + 1 / 2) / 2,
        "after_one_epoch": second,
        "readings": 2,
    })  # fmt: skip
    assert set(found) == set(distribution_change.VALUES)
    between = [(row[0], "p15", *row[2:6], 99.0) for row in rows if row[1] == "p5"]
    more = rewritten(record, rows + between, tmp_path / "more")
    assert distribution_change.measure(more, DIGITS) == found


def test_gradient_shift_is_averaged_by_hand(record: Record, tmp_path: Path) -> None:
    numbers = {  # step: difference, norm, cosine of layers 3 and 6; the untrained network is none
        0: ((9.0, 9.0, -1.0), (9.0, 9.0, -1.0)),
        5: ((1.0, 2.0, 0.5), (3.0, 3.0, 0.0)),
        10: ((2.0, 1.0, 1.0), (0.0, 0.0, 0.0)),  # no gradient: no direction
    }
    rows = [
        ("gradient-shift", quantity, layer, "", 0, step, number)
        for step, layers in numbers.items()
        for layer, triple in zip(("3", "6"), layers, strict=True)
        for quantity, number in zip(("difference", "norm", "cosine"), triple, strict=True)
    ]
    found = covariate_shift.measure(rewritten(record, rows, tmp_path / "r"), DIGITS)
    assert found == pytest.approx(
        {"difference": 1.5, "relative_difference": 3.5 / 3, "cosine": 0.5, "readings": 2}
    )


def test_measures_are_taken_from_a_run_s_own_recordings(record: Record) -> None:
    for name, module in (
        ("covariate-shift", covariate_shift), ("distribution-change", distribution_change),
    ):  # fmt: skip
        values = measure(RunFolder(record.folder), name, DIGITS)
        assert set(values) == set(module.VALUES)
        assert values["readings"] == 2
