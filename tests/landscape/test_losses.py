"""Losses at any weights, against torch's own layers in float64, and at many points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch.nn import functional

from hindi_bn.errors import HindiBnError
from hindi_bn.landscape import grid
from hindi_bn.landscape.grid import Plane, Work, losses, on_plane
from hindi_bn.landscape.losses import by_engine, loss_at, statistics_of
from hindi_bn.landscape.subset import Subset, subset_of
from hindi_bn.landscape.weights import state_of
from hindi_bn.records import Record
from hindi_bn.training.run import load_network, train_run

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    study = tiny_study(epochs=1, stream="paired", lr=0.05)
    return train_run(study, "bn", tiny_digits(), tmp_path_factory.mktemp("out"))


def by_hand(record: Record, subset: Subset, statistics: str) -> tuple[float, float]:
    """Loss and accuracy by torch's layers, batch by batch of 32 or of all images, in float64."""
    size = {"batch": 32}.get(statistics, len(subset.labels))
    network = load_network(record).double().train(statistics in {"batch", "reestimated"})
    loss = right = 0.0
    for place in range(0, len(subset.labels), size):
        labels = subset.labels[place : place + size]
        logits = network(subset.images[place : place + size].double())
        loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        right += (logits.argmax(1) == labels).sum().item()
    return loss / len(subset.labels), right / len(subset.labels)


@pytest.mark.parametrize("network", ["three_convs", "lenet"])
def test_each_statistics_has_the_loss_of_torchs_layers(tmp_path: Path, network: str) -> None:
    study = tiny_study(epochs=1, network=network, lr=0.05, recordings=[])
    record = train_run(study, "bn", tiny_digits(), tmp_path)
    assert by_engine(record, CPU) == (network == "three_convs")
    subset, state = subset_of(record, tiny_digits(), 50), state_of(load_network(record))
    found = {}
    for statistics in ("batch", "running", "reestimated"):
        at = loss_at(record, subset, statistics, CPU, at_once=7)
        found[statistics] = at(state)
        assert found[statistics] == pytest.approx(by_hand(record, subset, statistics), rel=1e-5)
        at(2 * state)
        assert at(state) == found[statistics]  # nothing is left of the point before
    assert len(set(found.values())) == 3


def test_a_network_without_batch_norm_has_one_surface(tmp_path: Path) -> None:
    record = train_run(tiny_study(epochs=1), "no-bn", tiny_digits(), tmp_path)
    assert statistics_of(record) == ("none",)
    subset, state = subset_of(record, tiny_digits(), 50), state_of(load_network(record))
    found = loss_at(record, subset, "none", CPU)(state)
    assert found == pytest.approx(by_hand(record, subset, "none"), rel=1e-5)


@pytest.mark.parametrize("norm", ["batch-noisy", "batch-renorm"])
def test_noise_and_dropout_are_off(tmp_path: Path, norm: str) -> None:
    study = tiny_study(epochs=1, norm=norm, dropout=0.5)
    record = train_run(study, "bn", tiny_digits(), tmp_path)
    subset, state = subset_of(record, tiny_digits(), 50), state_of(load_network(record))
    at = loss_at(record, subset, "batch", CPU)
    assert at(state) == at(state)


# ---- many points: a quadratic in place of a network -------------------------------------------

CURVATURES = torch.tensor([1.0, 4.0, 9.0])
AXIS = np.linspace(-1, 1, 13)
PLACES = np.stack([each.ravel() for each in np.meshgrid(AXIS, AXIS)], axis=1)  # 169 points
PLANE = Plane(torch.tensor([0.0, 0.0, 0.5]), torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
CLOSED = 0.5 * (PLACES[:, 0] ** 2 + 4 * PLACES[:, 1] ** 2 + 9 * 0.25)


class Quadratic:
    """Half the sum of curvature times weight squared; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.made: list[int] = []
        self.wrong: Callable[[int], None] = lambda asked: None

    def __call__(self, *arguments: Any) -> Any:
        self.made.append(arguments[-1])

        def at(state: torch.Tensor) -> tuple[float, float]:
            self.asked += 1
            self.wrong(self.asked)
            return float(0.5 * (CURVATURES * state**2).sum()), 0.25

        return at


@pytest.fixture
def quadratic(monkeypatch: pytest.MonkeyPatch) -> Quadratic:
    made = Quadratic()
    monkeypatch.setattr(grid, "loss_at", made)
    return made


def surface(record: Record, folder: Path, workers: int = 1, plane: Plane = PLANE) -> Any:
    subset = subset_of(record, tiny_digits(), 20)
    return losses(record, subset, "batch", on_plane(plane, PLACES), Work(CPU, workers, folder), "")


@pytest.mark.parametrize("workers", [1, 3])
def test_a_quadratics_surface(
    record: Record, tmp_path: Path, quadratic: Quadratic, workers: int
) -> None:
    found = surface(record, tmp_path, workers)
    np.testing.assert_allclose(found[:, 0], CLOSED, rtol=1e-6)
    assert set(found[:, 1]) == {0.25}


def test_a_stopped_call_goes_on_and_another_one_does_not(
    record: Record, tmp_path: Path, quadratic: Quadratic
) -> None:
    def stop(asked: int) -> None:
        if asked == 100:
            raise KeyboardInterrupt

    quadratic.wrong = stop
    with pytest.raises(KeyboardInterrupt):
        surface(record, tmp_path)
    quadratic.asked, quadratic.wrong = 0, lambda asked: None
    np.testing.assert_allclose(surface(record, tmp_path)[:, 0], CLOSED, rtol=1e-6)
    assert quadratic.asked == 169 - 64  # a block was kept
    surface(record, tmp_path, plane=Plane(PLANE.origin + 1, PLANE.directions))
    assert quadratic.asked == 169 - 64 + 169
    for file in tmp_path.glob("*.npy"):
        file.write_text("damaged")
    with pytest.raises(HindiBnError, match="delete it"):
        surface(record, tmp_path)


def test_losses_that_are_not_finite_stand_as_such(
    record: Record, tmp_path: Path, quadratic: Quadratic
) -> None:
    origin = torch.tensor([0.0, 0.0, float("nan")])
    found = surface(record, tmp_path, plane=Plane(origin, PLANE.directions))
    assert np.isnan(found[:, 0]).all()


def test_less_memory_is_taken_by_itself_until_there_is_none(
    record: Record, tmp_path: Path, quadratic: Quadratic
) -> None:
    def little(asked: int) -> None:
        if quadratic.made[-1] > 40:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 64 bytes")

    quadratic.wrong = little
    np.testing.assert_allclose(surface(record, tmp_path, 2)[:, 0], CLOSED, rtol=1e-6)
    assert quadratic.made == [125, 125, 125, 62, 31]  # two threads, one, then smaller parts

    def none(asked: int) -> None:
        raise MemoryError

    quadratic.wrong = none
    with pytest.raises(HindiBnError, match="not enough memory"):
        surface(record, tmp_path / "other")
