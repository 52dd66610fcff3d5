"""Noise of batches, layers left out, eigenvalues of inputs: against numpy and torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch import nn

import hindi_bn
from hindi_bn.measures import batch_noise, input_condition, measure, without_norm
from hindi_bn.records import Record, RunFolder
from hindi_bn.training.run import load_network, train_run

DIGITS = tiny_digits()
GREY = DIGITS.train_images[:, None].double() / 255


def trained(out: Path, name: str = "bn", **changes: Any) -> Record:
    return train_run(tiny_study(**({"stream": "paired"} | changes)), name, DIGITS, out)


@pytest.fixture(scope="module")
def bn(tmp_path_factory: pytest.TempPathFactory) -> Record:
    torch.set_num_threads(1)
    return trained(tmp_path_factory.mktemp("bn"), lr=0.005)


def noise_by_hand(outputs: list[np.ndarray], size: int) -> tuple[float, float]:
    """Noise of means and of variances, from layers' outputs (images, channels, values)."""
    means, variances = [], []
    for maps in outputs:
        for channel in maps.swapaxes(0, 1):  # (images, values)
            if not channel.var() > 0:
                continue
            count = len(channel) // size
            batches = channel[: count * size].reshape(count, -1)
            far = (batches.mean(1) - channel.mean()) / channel.std()
            means.append((len(maps[0]), np.sqrt((far**2).mean())))
            ratio = batches.var(1) / channel.var() - 1
            variances.append((len(maps[0]), np.sqrt((ratio**2).mean())))
    return float(np.mean([m for _, m in means])), float(np.mean([v for _, v in variances]))


def test_noise_of_batches_is_that_of_numpys_means_and_variances(bn: Record) -> None:
    """All three convolutions have 16 channels, so that a mean over all is one over layers."""
    network = load_network(bn).double().eval()
    order = torch.randperm(70, generator=torch.Generator().manual_seed(0))
    outputs, x = [], GREY[order]
    with torch.no_grad():
        for layer in network.children():
            x = layer(x)
            if isinstance(layer, nn.Conv2d):
                outputs.append(x.flatten(2).numpy())
    assert len(outputs) == 3
    values = measure(RunFolder(bn.folder), "batch-noise", DIGITS)
    for size in (1, 2, 4, 8, 16, 32, 64):
        mean, variance = noise_by_hand(outputs, size)
        assert values[f"mean_at_{size}"] == pytest.approx(mean, rel=1e-4)
        assert values[f"variance_at_{size}"] == pytest.approx(variance, rel=1e-4)
    assert "mean_at_128" not in values  # there are 70 images
    assert set(values) < set(batch_noise.VALUES)


def test_one_value_of_a_hidden_unit_has_no_variance(tmp_path: Path) -> None:
    record = trained(tmp_path, "no-bn", network="mlp", recordings=[], epochs=1)
    values = measure(RunFolder(record.folder), "batch-noise", DIGITS)
    assert values["variance_at_1"] == pytest.approx(1, rel=1e-6)
    hidden = next(m for m in load_network(record).modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        units = hidden(GREY.float().flatten(1)).double().numpy()  # (70, units)
    far = (units - units.mean(0)) / units.std(0)
    assert values["mean_at_1"] == pytest.approx(np.sqrt((far**2).mean(0)).mean(), rel=1e-4)


def test_without_norm_each_layer_of_it_is_the_identity(bn: Record, tmp_path: Path) -> None:
    network = load_network(bn).eval()
    for place, layer in enumerate(network):
        if isinstance(layer, nn.BatchNorm2d):
            network[place] = nn.Identity()
    with torch.no_grad():
        answers = network(DIGITS.test_images[:, None].float() / 255).argmax(1)
    right = (answers == DIGITS.test_labels).double().mean().item()
    values = measure(RunFolder(bn.folder), "without-norm", DIGITS)
    whole = bn.history["test_accuracy"].iloc[-1]
    assert values == {
        "test_accuracy": whole, "accuracy": right, "lost": whole - right, "layers": 3,
    }  # fmt: skip
    assert right != whole
    plain = trained(tmp_path, "no-bn", epochs=1)
    values = measure(RunFolder(plain.folder), "without-norm", DIGITS)
    assert (values["lost"], values["layers"]) == (0, 0)
    assert set(values) == set(without_norm.VALUES)


@pytest.mark.parametrize("scaling", ["unit", "half", "standard"])
def test_the_condition_is_that_of_numpys_eigenvalues_of_patches(
    tmp_path: Path, scaling: str
) -> None:
    record = trained(tmp_path, "no-bn", epochs=1, scaling=scaling)
    grey = GREY[:, 0].numpy()
    shift, divisor = {
        "unit": (0.0, 1.0), "half": (0.5, 0.5), "standard": (grey.mean(), grey.std()),
    }[scaling]  # fmt: skip
    windows = np.lib.stride_tricks.sliding_window_view((grey - shift) / divisor, (3, 3), (1, 2))
    patches = windows.reshape(-1, 9)
    seen = np.column_stack([patches, np.ones(len(patches))])
    eigenvalues = np.linalg.eigvalsh(seen.T @ seen / len(seen))
    values = measure(RunFolder(record.folder), "input-condition", DIGITS)
    expected = {
        "condition": eigenvalues[-1] / eigenvalues[0],
        "largest_over_mean": eigenvalues[-1] / eigenvalues.mean(),
        "largest": eigenvalues[-1],
    }
    assert values == pytest.approx(expected, rel=1e-3)
    assert set(values) == set(input_condition.VALUES)


def test_whole_images_with_fewer_images_than_pixels_have_no_condition(tmp_path: Path) -> None:
    record = trained(tmp_path, "no-bn", network="mlp", recordings=[], epochs=1)
    values = measure(RunFolder(record.folder), "input-condition", DIGITS)
    assert "condition" not in values
    seen = np.column_stack([GREY.flatten(1).numpy(), np.ones(70)])
    largest = np.linalg.svd(seen, compute_uv=False)[0] ** 2 / 70
    assert values["largest"] == pytest.approx(largest, rel=1e-4)


def test_python_shows_values_with_their_version(bn: Record) -> None:
    table = hindi_bn.measure(bn, "without-norm", DIGITS)
    assert table.loc["test_accuracy", "value"] == 100 * bn.history["test_accuracy"].iloc[-1]
    assert table.loc["lost", ["unit", "version"]].tolist() == ["points", 1]
    assert list(table.index) == list(without_norm.VALUES)
