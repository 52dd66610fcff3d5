"""How the gradient grows with depth: torch's own gradients, and numbers by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny import tiny_digits
from tiny_recordings import trained
from torch import nn
from torch.nn import functional

from hindi_bn.errors import RunError
from hindi_bn.measures import gradient_growth
from hindi_bn.records import Record
from hindi_bn.records.recordings import COLUMNS
from hindi_bn.training.run import initial_network

DIGITS = tiny_digits()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("record")
    wide = {"batch_size": 70, "epochs": 1}  # all images in one step
    return trained(out, recordings=[{"kind": "gradients", "every": 1}], **wide)


def test_the_first_reading_is_of_the_unload_network(record: Record) -> None:
    network = initial_network(record).train()
    images = DIGITS.train_images[:, None].float() / 255
    functional.cross_entropy(network(images), DIGITS.train_labels).backward()
    norms = [layer.weight.grad.norm().item() for layer in network if isinstance(layer, nn.Conv2d)]
    found = gradient_growth.measure(record, DIGITS)
    assert found["ratio"] == pytest.approx(norms[1] / norms[2], rel=1e-4)
    assert found["departure"] == pytest.approx(abs(math.log2(norms[1] / norms[2])), rel=1e-3)


def test_readings_by_hand(record: Record, tmp_path: Path) -> None:
    norms = {1: (5.0, 8.0, 2.0), 2: (5.0, 0.0, 1.0), 3: (1.0, 1.0, 4.0)}
    rows = [
        ("gradients", quantity, layer, "", 0, step, value)
        for step, three in norms.items()
        for layer, value in zip(("0", "3", "6"), three, strict=True)
        for quantity in ("weight", "bias")
    ]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "captures.csv", index=False)
    (tmp_path / "weights.safetensors").write_bytes(
        (record.folder / "weights.safetensors").read_bytes()
    )
    made = replace(record, folder=tmp_path)
    expected = {"ratio": 4, "departure": 2, "ratio_later": 0.25, "departure_later": 2}
    assert gradient_growth.measure(made, DIGITS) == expected
    assert set(gradient_growth.VALUES) == set(expected)


def test_two_layers_are_too_few(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    shallow = {"options__convolutions": 2, "epochs": 1}
    record = trained(tmp_path, recordings=["gradients"], **shallow)
    with pytest.raises(RunError, match="no gradient that could grow"):
        gradient_growth.measure(record, DIGITS)
