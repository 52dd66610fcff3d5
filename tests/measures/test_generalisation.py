"""The fit of a trained network, against accuracies and losses taken by torch's own layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch import nn

from hindi_bn.measures import measure
from hindi_bn.records import RunFolder
from hindi_bn.training.run import load_network, train_run


@pytest.mark.parametrize("train_images", [None, 20])
def test_the_gap_is_taken_in_eval_mode_on_the_images_that_were_used(
    tmp_path: Path, train_images: int | None
) -> None:
    torch.set_num_threads(1)
    digits = tiny_digits()
    changes = {"train_images": train_images, "dropout": 0.5, "scaling": "half", "lr": 0.01}
    record = train_run(tiny_study(stream="paired", **changes), "bn", digits, tmp_path)
    network = load_network(record)
    turns = range(7) if train_images is None else (0, 3)  # labels count 0 to 9 seven times
    used = [10 * turn + digit for turn in turns for digit in range(10)]
    expected = {}
    for split, images, labels in (
        ("train", digits.train_images[used], digits.train_labels[used]),
        ("test", digits.test_images, digits.test_labels),
    ):
        with torch.no_grad():
            logits = network((images[:, None].float() / 255 - 0.5) / 0.5)
        expected[f"{split}_accuracy"] = (logits.argmax(1) == labels).float().mean().item()
        expected[f"{split}_loss"] = nn.CrossEntropyLoss()(logits, labels).item()
    found = measure(RunFolder(record.folder), "generalisation", digits)
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert found["gap"] == found["train_accuracy"] - found["test_accuracy"]
    assert found["loss_gap"] == found["test_loss"] - found["train_loss"]
