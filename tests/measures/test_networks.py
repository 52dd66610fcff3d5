"""Measures of trained networks, against torch's own layers and torchvision's own transforms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch import nn
from torchvision.transforms.v2 import InterpolationMode, functional

from hindi_bn.digits import Digits
from hindi_bn.errors import RunError, StudyError
from hindi_bn.measures import batch_statistics, measure, metric_named, shifted_digits
from hindi_bn.networks.norms.batch_noisy import NoisyBatchNormalisation
from hindi_bn.records import Record, RunFolder
from hindi_bn.training.run import load_network, train_run

DIGITS = tiny_digits()
MLP: dict[str, Any] = {
    "network": "mlp",
    "recordings": [],
}


def trained(out: Path, name: str = "bn", **changes: Any) -> Record:
    return train_run(tiny_study(**({"stream": "paired"} | changes)), name, DIGITS, out)


def folder_of(record: Record) -> RunFolder:
    return RunFolder(record.folder)


@pytest.fixture(scope="module")
def bn(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return trained(tmp_path_factory.mktemp("bn"), scaling="half", lr=0.02)


def images(record: Record) -> torch.Tensor:
    assert record.run.scaling == "half"
    return (DIGITS.test_images[:, None].float() / 255 - 0.5) / 0.5


def share_right(network: nn.Module, batches: list[torch.Tensor], x: torch.Tensor) -> float:
    with torch.no_grad():
        right = [network(x[b]).argmax(1) == DIGITS.test_labels[b] for b in batches]
    return float(torch.cat(right).double().mean())


def test_batch_statistics_are_those_of_torchs_train_mode(bn: Record) -> None:
    values = measure(folder_of(bn), "batch-statistics", DIGITS)
    x, order = images(bn), torch.randperm(40, generator=torch.Generator().manual_seed(0))
    network = load_network(bn)
    running = share_right(network, [torch.arange(40)], x)
    assert values["running_accuracy"] == running == bn.history["test_accuracy"].iloc[-1]
    network.train()  # no dropout here: batch norm alone changes
    for size in (1, 2, 8, 32, 256):
        expected = share_right(network, list(order.split(size)), x)
        assert values[f"accuracy_at_{size}"] == expected
        assert values[f"loss_at_{size}"] == pytest.approx(running - expected)
    assert values["refusing_layers_at_1"] == 0
    by_digit = [torch.arange(digit, 40, 10) for digit in range(10)]  # four of each
    for size in (2, 8, 32, 256):
        batches = [batch for part in by_digit for batch in part.split(size)]
        expected = share_right(network, batches, x)
        assert values[f"sorted_accuracy_at_{size}"] == expected
        assert values[f"sorted_loss_at_{size}"] == pytest.approx(running - expected)

    other = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    answers = []
    for batches in (list(order.split(32)), list(other.split(32)), by_digit):
        answer = torch.empty(40, dtype=torch.int64)
        for batch in batches:
            answer[batch] = network(x[batch]).argmax(1)
        answers.append(answer)
    assert values["changed_answers"] == float((answers[0] != answers[1]).double().mean())
    assert values["changed_answers_sorted"] == float((answers[0] != answers[2]).double().mean())


def test_a_network_without_batch_norm_gives_one_answer(tmp_path: Path) -> None:
    record = trained(tmp_path, "no-bn", dropout=0.5)
    values = measure(folder_of(record), "batch-statistics", DIGITS)
    accuracy = record.history["test_accuracy"].iloc[-1]
    assert all(v == accuracy for k, v in values.items() if "accuracy" in k)
    assert values["changed_answers"] == 0


def test_layers_that_cannot_normalise_one_image_are_counted(tmp_path: Path) -> None:
    record = trained(tmp_path, **MLP)
    digits = tiny_digits(test=33)  # in batches of 32 one is left over
    digits = replace(digits, digests=DIGITS.digests)
    values = measure(folder_of(record), "batch-statistics", digits)
    assert values["refusing_layers_at_1"] == 1
    assert "accuracy_at_1" not in values
    assert "loss_at_1" not in values
    assert "accuracy_at_2" in values
    # BatchNorm1d among images of one digit: each of them is far from what it is in the data
    network = load_network(record).train()
    by_digit = [places for digit in range(10) for places in torch.arange(digit, 33, 10).split(2)]
    joined = []
    for batch in by_digit:  # of one image there is no variance: it joins the two before it
        joined.append(torch.cat([joined.pop(), batch]) if len(batch) == 1 else batch)
    images = digits.test_images[:, None].float() / 255
    with torch.no_grad():
        right = [network(images[b]).argmax(1) == digits.test_labels[b] for b in joined]
    assert values["sorted_accuracy_at_2"] == float(torch.cat(right).double().mean())


def test_noise_behind_batch_norm_is_left_away(tmp_path: Path) -> None:
    noise = {"name": "batch-noisy", "noise_shift": 50.0, "noise_spread": 10.0}
    record = trained(tmp_path, runs__bn__norm=noise, epochs=1)
    values = measure(folder_of(record), "batch-statistics", DIGITS)
    network = load_network(record)
    quiet = {"noise_shift": 0.0, "noise_scale": 1.0, "noise_spread": 0.0}
    for layer in network.modules():
        if isinstance(layer, NoisyBatchNormalisation):
            layer.settings = layer.settings.model_copy(update=quiet)
    network.train()
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    x = DIGITS.test_images[:, None].float() / 255
    assert values["accuracy_at_8"] == share_right(network, list(order.split(8)), x)


def test_shifted_digits_are_torchvisions(bn: Record) -> None:
    values = measure(folder_of(bn), "shifted-digits", DIGITS)
    network, every = load_network(bn), [torch.arange(40)]
    assert values["upright_accuracy"] == bn.history["test_accuracy"].iloc[-1]
    bilinear = InterpolationMode.BILINEAR
    rotated = {}
    for angle in (-45, -30, -15, 15, 30, 45):  # rotate counts the other way round
        moved = functional.rotate(DIGITS.test_images[:, None], -angle, bilinear)
        rotated[f"rotated_{angle}"] = share_right(network, every, (moved / 255 - 0.5) / 0.5)
    scaled = {}
    for factor in (0.5, 0.7, 1.3, 1.25, 1.5):
        moved = functional.affine(DIGITS.test_images[:, None], 0, [0, 0], factor, [0, 0], bilinear)
        name = "enlarged" if factor in (1.25, 1.5) else "scaled"
        scaled[f"{name}_{factor}"] = share_right(network, every, (moved / 255 - 0.5) / 0.5)
    for name, accuracy in (rotated | scaled).items():
        assert values[name] == pytest.approx(accuracy, abs=0.026), name  # an image at most
    assert values["rotated_accuracy"] == pytest.approx(
        sum(values[name] for name in rotated) / 6, abs=1e-12
    )
    for mean, names in (
        ("scaled_accuracy", ["scaled_0.5", "scaled_0.7", "scaled_1.3"]),
        ("enlarged_accuracy", ["enlarged_1.25", "enlarged_1.5"]),
        ("rotated_up_to_30", [f"rotated_{angle}" for angle in (-30, -15, 15, 30)]),
    ):
        expected = sum(values[name] for name in names) / len(names)
        assert values[mean] == pytest.approx(expected, abs=1e-12)


def test_a_measure_is_taken_once_and_gives_the_same_bytes(
    bn: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(bn)
    first = measure(folder, "shifted-digits", DIGITS)
    file = bn.folder / "measures" / "shifted-digits.json"
    kept = file.read_bytes()
    assert (
        json.loads(kept).items()
        >= {"measure": "shifted-digits", "version": 2, "values": first}.items()
    )
    file.unlink()
    assert measure(folder, "shifted-digits", DIGITS) == first
    assert file.read_bytes() == kept

    def once(record: Record, digits: Digits) -> dict[str, float]:
        return {"asked": 2.0, "nothing": float("nan")}

    monkeypatch.setattr(shifted_digits, "measure", once)
    monkeypatch.setattr(shifted_digits, "VERSION", 3)
    assert measure(folder, "shifted-digits", DIGITS) == {"asked": 2.0}
    file.write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        measure(folder, "shifted-digits", DIGITS)


def test_every_value_has_a_label_and_a_unit(bn: Record) -> None:
    for name, module in (
        ("batch-statistics", batch_statistics),
        ("shifted-digits", shifted_digits),
    ):
        (bn.folder / "measures" / f"{name}.json").unlink(missing_ok=True)
        assert set(measure(folder_of(bn), name, DIGITS)) == set(module.VALUES)
    assert metric_named("generalisation.gap").axis == "Generalisation gap, in eval mode (points)"
    assert metric_named("final_test_accuracy").axis == "Final test accuracy (%)"
    with pytest.raises(StudyError, match="no value 'joy'"):
        metric_named("drift.joy")


def test_what_cannot_be_measured_is_refused(bn: Record, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="batch-statistics, "):
        measure(folder_of(bn), "beauty", DIGITS)
    with pytest.raises(RunError, match="no finished run"):
        measure(RunFolder(tmp_path / "nothing"), "shifted-digits", DIGITS)
    other = tiny_digits(seed=1)
    (bn.folder / "measures" / "shifted-digits.json").unlink(missing_ok=True)
    with pytest.raises(RunError, match="other data"):
        measure(folder_of(bn), "shifted-digits", other)
    for name, kind in (("weight-paths", "weights"), ("loss-roughness", "losses"),
                       ("drift", "activations")):  # fmt: skip
        with pytest.raises(RunError, match=f"has not recorded {kind}"):
            measure(folder_of(bn), name, DIGITS)
