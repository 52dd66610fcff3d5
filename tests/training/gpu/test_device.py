"""On a machine with a CUDA device: graphs, ensembles and the article's numbers there.

Run by `make gpu`; everywhere else these tests are skipped. The tests of the article's numbers and
of speed also need the real digits.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from test_fidelity import FINAL, published
from tiny import epochs, graphed_epochs, members_of, tiny_digits, tiny_study

from hindi_bn.digits import Digits, load
from hindi_bn.networks import build_run
from hindi_bn.study import Study
from hindi_bn.study.files import load_study
from hindi_bn.training.device import prepare
from hindi_bn.training.gpu.ensemble import train_ensemble
from hindi_bn.training.gpu.graphs import captured, eager
from hindi_bn.training.loop import make_optimizer
from hindi_bn.training.run import train_run
from hindi_bn.training.tensors import to_tensors

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

CUDA = torch.device("cuda")


def rows_of(loop: Any, study: Study, name: str = "bn", **more: Any) -> list[dict[str, Any]]:
    """Rows without seconds, from the same initial weights and orders."""
    prepare(None, CUDA, study.precision)
    run = study.run(name)
    torch.manual_seed(7)
    network = build_run(run).to(CUDA)
    data = to_tensors(tiny_digits(), run.scaling, CUDA)
    optimizer = make_optimizer(run, network)
    rows = [
        asdict(row)
        for row in loop(run, network, optimizer, data, precision=study.precision, **more)
    ]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def assert_close(rows: list[dict[str, Any]], others: list[dict[str, Any]], within: float) -> None:
    for row, other in zip(rows, others, strict=True):
        for key, value in row.items():
            assert value == pytest.approx(other[key], abs=within), key


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.9},
        {"optimizer": "adam", "lr": 1e-4},
        {"norm": "none", "recordings__pair__layer": "last-conv"},
        {"norm": "batch-renorm", "dropout": 0.3},
        {"norm": "batch-noisy"},
        {"augment": "crop-rotate"},
        {"norm": "group"},
        {"norm": "spectral", "recordings__pair__layer": "last-conv"},
        {"batch_size": 35},
        {"precision": "tf32"},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_captured_steps_agree_with_the_same_steps_uncaptured(settings: dict[str, Any]) -> None:
    """The same kernels in the same order: equal bits, but where a library picks another one."""
    study = tiny_study(epochs=3, device="cuda", **settings)
    graphed = rows_of(graphed_epochs, study, launch=captured)
    assert_close(graphed, rows_of(graphed_epochs, study, launch=eager), 1e-6)
    assert_close(graphed, rows_of(epochs, study), 1e-5)


def test_two_captured_runs_give_the_same_bytes(tmp_path: Path) -> None:
    study = tiny_study(device="cuda", epochs=3)
    weights = [
        (train_run(study, "bn", tiny_digits(), tmp_path / out).folder / "weights.safetensors")
        for out in ("one", "two")
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_recordings_are_made_between_captured_steps(tmp_path: Path) -> None:
    recordings = ["gradients", "statistics", "activations"]
    kept = []
    for device in ("cpu", "cuda"):
        settings = {"recordings": [{"kind": kind, "every": 1} for kind in recordings]}
        settings["recordings"][2]["per_class"] = 2
        study = tiny_study(device=device, **settings)
        folder = train_run(study, "bn", tiny_digits(), tmp_path / device).folder
        kept.append((folder / "captures.csv").read_text().splitlines())
    assert len(kept[0]) == len(kept[1])
    for cpu, cuda in zip(kept[0][1:], kept[1][1:], strict=True):
        assert cpu.split(",")[:6] == cuda.split(",")[:6]
        value = float(cpu.split(",")[6])
        assert float(cuda.split(",")[6]) == pytest.approx(value, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize(("norm", "method"), [("batch", "vmap"), ("spectral", "single")])
def test_members_agree_with_their_single_runs(tmp_path: Path, norm: str, method: str) -> None:
    notes: list[str] = []
    study = tiny_study(device="cuda", runs__bn__norm=norm, recordings__pair__layer="last-conv")
    members = members_of(study, ["no-bn", "bn"], range(4))
    every = train_ensemble(members, tiny_digits(), note=notes.append)
    assert every[1].method == method
    assert not any("step by step" in note for note in notes)
    for place, trained in enumerate(every):
        member = trained.member
        alone = train_run(member.study, member.name, tiny_digits(), tmp_path / str(place))
        losses = [row.train_loss for row in trained.rows]
        assert losses == pytest.approx(alone.history["train_loss"].tolist(), abs=2e-4)


# on the real digits


@pytest.fixture(scope="module")
def digits(real_data_dir: Path) -> Digits:
    return load(real_data_dir)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "loss_within", "accuracy_within"),
    [("no-bn", 1e-4, 3 / 3000), ("bn", 1e-3, 3 / 3000)],
)
def test_the_articles_first_epochs_and_last_accuracy(
    digits: Digits, tmp_path: Path, name: str, loss_within: float, accuracy_within: float
) -> None:
    """Wider than on the CPU: the kernels add in another order, and SGD amplifies it."""
    history = train_run(load_study("article", {"device": "cuda"}), name, digits, tmp_path).history
    for epoch, row in enumerate(published(name)):
        ours = history.iloc[epoch]
        assert ours["train_loss"] == pytest.approx(row["train_loss"], abs=loss_within)
        assert ours["test_accuracy"] == pytest.approx(row["test_accuracy"], abs=accuracy_within)
    assert history["test_accuracy"].iloc[-1] == pytest.approx(FINAL[name], abs=0.005)


@pytest.mark.real
def test_the_articles_study_takes_seconds(digits: Digits, tmp_path: Path) -> None:
    """On an H200: under 5 s for both networks, 30 epochs each, evaluation included."""
    study = load_study("article", {"device": "cuda"})
    train_run(study.model_copy(update={"name": "first"}), "bn", digits, tmp_path)  # start-up
    began = time.perf_counter()
    records = [train_run(study, name, digits, tmp_path) for name in ("no-bn", "bn")]
    whole = time.perf_counter() - began
    training = [float(record.history["seconds"].iloc[-1]) for record in records]
    print(f"\nthe article's study: {whole:.2f} s; training passes {training} s")
    if "H200" in torch.cuda.get_device_name():
        assert whole < 5


@pytest.mark.real
def test_the_cost_of_seeds(digits: Digits) -> None:
    """Seconds and memory for 1 to 64 seeds of both networks, one epoch; printed."""
    for seeds in (1, 4, 16, 64):
        torch.cuda.reset_peak_memory_stats()
        study = load_study("article", {"epochs": 1, "device": "cuda"})
        members = members_of(study, ["no-bn", "bn"], range(seeds))
        torch.cuda.synchronize()
        began = time.perf_counter()
        every = train_ensemble(members, digits)
        whole = time.perf_counter() - began
        peak = torch.cuda.max_memory_allocated() / 1e9
        training = sum(trained.rows[-1].seconds for trained in every)
        print(
            f"\n{2 * seeds} networks, {whole:.2f} s with start-up, "
            f"training {training:.2f} s, {peak:.1f} GB"
        )
        assert all(trained.rows for trained in every)
