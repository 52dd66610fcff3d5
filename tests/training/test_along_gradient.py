"""Loss and gradient along the gradient: closed forms, an independent step, rescaling, no trace."""

from __future__ import annotations

import copy
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

from hindi_bn.engine.library import why_not
from hindi_bn.errors import StudyError
from hindi_bn.networks import build
from hindi_bn.records import RunFolder
from hindi_bn.records.recordings import read_recordings
from hindi_bn.study import Run
from hindi_bn.training.recordings.along_gradient import AlongGradient, along
from hindi_bn.training.run import Reporter, RunInterrupted, train_run
from hindi_bn.training.tensors import Tensors

KIND: dict[str, Any] = {
    "kind": "along-gradient", "every": 1, "multiples": [1, 2], "relative": [0.1, 0.2],
}  # fmt: skip
SMALL: dict[str, Any] = {"network": "fully_connected", "options": {"width": 8}}
DIGITS = tiny_digits()
IMAGES, LABELS = DIGITS.train_images[:, None].float() / 255, DIGITS.train_labels


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_quadratic_gives_its_range_its_change_and_its_curvature_along_the_gradient() -> None:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(5, 5))
    curvature, start = root @ root.T, rng.normal(size=5)
    matrix = torch.from_numpy(curvature)

    def at(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return weights @ matrix @ weights / 2, matrix @ weights

    steps = [0.1, 0.5, 2.0]
    weights = torch.from_numpy(start)
    found = along(at, weights, matrix @ weights, steps).numpy()
    gradient = curvature @ start
    for step, (loss, change) in zip(steps, found, strict=True):
        there = start - step * gradient
        assert loss == pytest.approx(there @ curvature @ there / 2)
        assert change == pytest.approx(step * np.linalg.norm(curvature @ gradient))
    values, vectors = np.linalg.eigh(curvature)
    start = 3 * vectors[:, -1]  # where the gradient points along the sharpest direction
    weights = torch.from_numpy(start.copy())
    found = along(at, weights, matrix @ weights, steps).numpy()
    distances = np.array(steps) * np.linalg.norm(curvature @ start)
    np.testing.assert_allclose(found[:, 1] / distances, values[-1])
    np.testing.assert_allclose(
        found[:, 0], 4.5 * values[-1] * (1 - np.array(steps) * values[-1]) ** 2
    )


def test_units_measure_as_if_the_weights_were_divided_by_them() -> None:
    """A quadratic in w is another one in w / units, whose steps and gradients are plain."""
    rng = np.random.default_rng(4)
    root, start, units = rng.normal(size=(4, 4)), rng.normal(size=4), np.array([1.0, 2, 5, 0.1])
    curvature = root @ root.T
    inner = units[:, None] * curvature * units
    matrix = torch.from_numpy(curvature)
    weights = torch.from_numpy(start)
    found = along(
        lambda w: (w @ matrix @ w / 2, matrix @ w), weights, matrix @ weights, [0.3],
        torch.from_numpy(units),
    ).numpy()  # fmt: skip
    gradient = inner @ (start / units)
    there = start / units - 0.3 * gradient
    expected = [there @ inner @ there / 2, 0.3 * np.linalg.norm(inner @ gradient)]
    np.testing.assert_allclose(found, [expected])


def small(norm: Any) -> nn.Sequential:
    return build("fully_connected", norm, options=SMALL["options"])


def reading(network: nn.Module, lr: float, **settings: Any) -> dict[tuple[str, str], float]:
    """What is recorded of a network's first step on the tiny images."""
    run = Run(name="run", lr=lr)
    images = IMAGES.to(next(network.parameters()).dtype)
    reader = AlongGradient(**settings).reader(network, Tensors(images, LABELS, images, LABELS), run)
    reader.before_step(0, 1, False, images, LABELS)
    return {(row[1], row[3]): row[6] for row in reader.rows()}


def stepped(network: nn.Module, steps: list[float]) -> tuple[float, list[torch.Tensor]]:
    """Loss and gradients by tensor, after each tensor made a step of its own size by SGD."""
    moved = copy.deepcopy(network).train()
    parameters = list(moved.parameters())
    groups: list[Any] = [{"params": [p], "lr": s} for p, s in zip(parameters, steps, strict=True)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    images = IMAGES.to(parameters[0].dtype)
    functional.cross_entropy(moved(images), LABELS).backward()
    optimizer.step()
    loss = functional.cross_entropy(moved(images), LABELS)
    return loss.item(), list(torch.autograd.grad(loss, parameters))


def length(tensors: list[torch.Tensor]) -> float:
    return float(torch.cat([each.flatten() for each in tensors]).norm())


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_reading_is_what_steps_of_torchs_sgd_give(norm: str) -> None:
    torch.manual_seed(5)
    network = small(norm).double()
    found = reading(network, 0.05, multiples=(1.0, 3.0), relative=(0.2, 0.4))
    parameters = [each.detach() for each in network.parameters()]
    loss, gradients = stepped(network, [0.0] * len(parameters))
    norms = [float(each.norm()) for each in parameters]
    relative = [n * g for n, g in zip(norms, gradients, strict=True)]
    assert found["loss", ""] == pytest.approx(loss)
    assert found["norm", "lr"] == pytest.approx(length(gradients))
    assert found["norm", "relative"] == pytest.approx(length(relative))
    sizes = {f"lr {m}": [0.05 * m] * len(norms) for m in (1, 3)}
    sizes |= {f"relative {r}": [r * n**2 / length(relative) for n in norms] for r in (0.2, 0.4)}
    for label, steps in sizes.items():
        loss, after = stepped(network, steps)
        units = norms if "relative" in label else [1.0] * len(norms)
        changes = [u * (a - b) for u, a, b in zip(units, after, gradients, strict=True)]
        assert found["loss", label] == pytest.approx(loss)
        assert found["change", label] == pytest.approx(length(changes))
        if "relative" in label:  # the tensors' changes, in units of their norms, are of this length
            moved = [s * g / n for s, g, n in zip(steps, gradients, norms, strict=True) if n]
            assert length(moved) == pytest.approx(float(label.split()[1]))


def test_weights_scaled_before_bn_change_steps_of_the_rate_as_theory_says_and_no_relative_one() -> (
    None
):
    """The same function: the scaled tensor's gradient shrinks, and its step counts less still."""
    torch.manual_seed(6)
    network, factor, lr = small({"name": "batch", "eps": 1e-12}).double(), 4.0, 0.05
    scaled = copy.deepcopy(network)
    with torch.no_grad():
        scaled[4].weight.mul_(factor)  # the second hidden layer
        scaled[4].bias.mul_(factor)
    names = [name for name, _ in network.named_parameters()]
    factors = [factor if name.startswith("4.") else 1.0 for name in names]
    before, after = (reading(each, lr) for each in (network, scaled))
    assert after["loss", ""] == pytest.approx(before["loss", ""])
    for key in before:
        if "relative" in key[1]:
            assert after[key] == pytest.approx(before[key], rel=1e-6), key
    _, gradients = stepped(network, [0.0] * len(names))
    shrunk = [g / f for g, f in zip(gradients, factors, strict=True)]
    assert after["norm", "lr"] == pytest.approx(length(shrunk), rel=1e-6)
    assert after["norm", "lr"] < 0.999 * before["norm", "lr"]
    for multiple in (0.5, 4):
        steps = [multiple * lr / f**2 for f in factors]
        loss, there = stepped(network, steps)
        changes = [(t - g) / f for t, g, f in zip(there, gradients, factors, strict=True)]
        assert after["loss", f"lr {multiple:g}"] == pytest.approx(loss, rel=1e-6)
        assert after["change", f"lr {multiple:g}"] == pytest.approx(length(changes), rel=1e-6)
        assert after["loss", f"lr {multiple:g}"] != pytest.approx(
            before["loss", f"lr {multiple:g}"], rel=1e-4
        )


def test_where_there_is_no_gradient_nothing_moves() -> None:
    network = small("none").double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    found = reading(network, 0.1)
    assert found["loss", "relative 0.1"] == pytest.approx(np.log(10))
    assert found["norm", "relative"] == found["change", "relative 0.1"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "batch"},
        {"norm": "batch", "numerics": "fast", "momentum": 0.9},
        {"norm": "batch", "numerics": "engine", "stream": "continued"},
        {"norm": "batch-renorm", "dropout": 0.5, "optimizer": "adam"},
        {"norm": "spectral", "augment": "rotate"},
    ],
)
def test_it_reads_the_step_s_own_batch_and_leaves_no_trace(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """The loss before the step, in train mode and with the same masks, is that of the step."""
    if changes.get("numerics") == "engine" and why_not():
        pytest.skip("the engine is not there")
    folders = [
        trained(tmp_path / str(len(recordings)), recordings=recordings, epochs=1, **changes).folder
        for recordings in ([KIND, "losses"], ["losses"])
    ]
    watched, plain = ((folder / "weights.safetensors").read_bytes() for folder in folders)
    assert watched == plain
    histories = [
        pd.read_csv(folder / "history.csv", dtype=str).drop(columns="seconds") for folder in folders
    ]
    pd.testing.assert_frame_equal(*histories)
    frame = read_recordings(RunFolder(folders[0]))
    before = frame[frame["quantity"].eq("loss") & frame["index"].eq("")]
    ours, losses = (before[before["name"] == name] for name in ("along-gradient", "losses"))
    assert ours["step"].tolist() == losses["step"].tolist() == [1, 2, 3]
    assert ours["epoch"].tolist() == [0, 0, 0]
    np.testing.assert_allclose(ours["value"], losses["value"], rtol=1e-4)


@pytest.mark.parametrize(("every", "steps"), [(2, [1, 2, 4, 6]), ("epoch", [1, 3, 6]), (100, [1])])
def test_the_first_step_and_those_due_are_read(
    tmp_path: Path, every: Any, steps: list[int]
) -> None:
    record = trained(tmp_path, recordings=[KIND | {"every": every}], **SMALL)
    assert sorted(captured(record)["step"].unique()) == steps


def test_a_resumed_run_has_the_same_readings(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", recordings=[KIND], **SMALL)

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    study = tiny_study(recordings=[KIND], stream="paired", **SMALL)
    with pytest.raises(RunInterrupted):
        train_run(study, "bn", DIGITS, tmp_path / "cut", reporter=Reporter(epoch=stop))
    cut = trained(tmp_path / "cut", recordings=[KIND], resume=True, **SMALL)
    first, second = ((each.folder / "captures.csv").read_bytes() for each in (whole, cut))
    assert first == second


@pytest.mark.parametrize("lengths", [[0.5], [2.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
@pytest.mark.parametrize("key", ["multiples", "relative"])
def test_lengths_that_give_no_range_are_refused(key: str, lengths: list[float]) -> None:
    with pytest.raises(StudyError, match=key):
        tiny_study(recordings=[KIND | {key: lengths}])
