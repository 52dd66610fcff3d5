"""Ensembles on the CPU: each member against its own single run, and their folders."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import members_of, tiny_digits, tiny_study

from hindi_bn.errors import RunError, StudyError
from hindi_bn.networks import build
from hindi_bn.records import RunFolder
from hindi_bn.training.gpu import ensemble
from hindi_bn.training.gpu.ensemble import Member, train_ensemble
from hindi_bn.training.gpu.ensemble_record import record_ensemble
from hindi_bn.training.gpu.ensemble_size import bytes_per_member, free_bytes, members_that_fit
from hindi_bn.training.run import load_network, train_run

pytestmark = pytest.mark.slow  # many small networks, side by side and alone

CPU = torch.device("cpu")
COLUMNS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


# many runs, whichever way


def histories_alone(members: list[Member], out: Path) -> list[Any]:
    return [
        train_run(member.study, member.name, tiny_digits(), out / str(place)).history
        for place, member in enumerate(members)
    ]


@pytest.mark.parametrize(
    ("norm", "method", "stream"),
    [("batch", "vmap", "continued"), ("batch", "vmap", "paired"), ("spectral", "single", "paired")],
)
def test_an_ensemble_gives_what_its_runs_give_alone(
    tmp_path: Path, norm: str, method: str, stream: str
) -> None:
    """Sums in another order differ by 1e-7, and by 1e-4 once a ReLU falls on its other side.

    By itself every bit agrees but for the test loss, whose batches are evaluated together.
    """
    study = tiny_study(stream=stream, runs__bn__norm=norm, recordings__pair__layer="last-conv")
    members = members_of(study, ["no-bn", "bn"], [1, 2])
    told: list[tuple[str, str, int]] = []
    stream_before = torch.get_rng_state()
    every = train_ensemble(
        members, tiny_digits(),
        on_epoch=lambda member, row: told.append((member.study.name, member.name, row.epoch)),
    )  # fmt: skip
    assert torch.equal(torch.get_rng_state(), stream_before)
    for trained, member, alone in zip(
        every, members, histories_alone(members, tmp_path), strict=True
    ):
        assert trained.member is member
        for column in (*COLUMNS, "wx", "wy"):
            rows = trained.columns if column in ("wx", "wy") else map(asdict, trained.rows)
            ours = [row[column] for row in rows]
            assert ours == pytest.approx(alone[column].tolist(), abs=2e-4), column
            if trained.method == "single" and column != "test_loss":
                assert ours == alone[column].tolist()
        assert 0 < trained.rows[0].seconds < trained.rows[1].seconds
    assert [trained.method for trained in every] == ["vmap", method] * 2
    assert [trained.together for trained in every] == [2, 1 if method == "single" else 2] * 2
    assert len(told) == len(set(told)) == 8


def test_each_run_is_trained_as_its_layers_allow() -> None:
    notes: list[str] = []
    small = {"epochs": 1, "network": "one_conv", "recordings": []}
    study = tiny_study(**small, runs__bn__norm="batch-by-hand")
    spectral = tiny_study(**small, norm="spectral")
    members = [Member(study, "no-bn"), Member(study, "bn"), Member(spectral, "bn")]
    every = train_ensemble(members, tiny_digits(), note=notes.append)
    assert [trained.method for trained in every] == ["vmap", "vmap", "single"]
    assert notes == [f"Training 1 runs together ({m})." for m in ("vmap", "vmap", "single")]


def test_an_ensemble_of_nothing_is_nothing(tmp_path: Path) -> None:
    assert train_ensemble([], tiny_digits()) == []
    assert record_ensemble([], tiny_digits(), tmp_path) == []


def test_members_beyond_what_fits_are_trained_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    members = members_of(tiny_study(epochs=1), ["bn"], range(5))
    study = members[0].study
    each = bytes_per_member(build("three_convs", "batch"), study.run("bn"), 70)
    monkeypatch.setattr(ensemble, "free_bytes", lambda device: int(3.5 * each / 0.6))
    every = train_ensemble(members, tiny_digits())
    assert sorted(trained.together for trained in every) == [2, 2, 3, 3, 3]


def poisoned(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Let the member with this seed begin with a weight that is not a number."""
    start = ensemble._start

    def poisoning(member: Member) -> Any:
        network, stream = start(member)
        if member.study.seed == seed:
            with torch.no_grad():
                network.get_parameter("0.bias")[0] = torch.nan
        return network, stream

    monkeypatch.setattr(ensemble, "_start", poisoning)


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_a_diverged_member_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, norm: str
) -> None:
    members = members_of(tiny_study(norm=norm, recordings=[]), ["bn"], [1, 2, 3])
    expected = histories_alone(members, tmp_path)
    poisoned(monkeypatch, seed=2)
    first, second, third = record_ensemble(members, tiny_digits(), tmp_path / "out")
    assert second.diverged is not None
    assert (second.diverged.run, second.diverged.epoch, second.diverged.step) == ("bn", 0, 0)
    assert (second.rows, second.weights) == ([], None)
    for trained, alone in ((first, expected[0]), (third, expected[2])):
        assert trained.diverged is None
        assert [row.train_loss for row in trained.rows] == pytest.approx(
            alone["train_loss"].tolist(), abs=2e-4
        )
    folder = RunFolder(tmp_path / "out" / "article-seed-2" / "bn")
    assert (folder.exists, folder.finished) == (True, False)
    told = json.loads((folder.path / "environment.json").read_text())
    assert told["diverged"] == {"epoch": 0, "step": 0}
    assert len(folder.read().history) == 0


def test_an_ensemble_whose_members_all_diverge_ends() -> None:
    steps: list[int] = []
    every = train_ensemble(
        members_of(tiny_study(lr=1e20, epochs=50), ["no-bn"], [1, 2]),
        tiny_digits(),
        on_epoch=lambda member, row: steps.append(row.epoch),
    )
    assert [trained.diverged is not None for trained in every] == [True, True]
    assert steps == []


# what is refused


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"recordings": ["gradients"]}, "recordings, which are made by single runs only"),
        ({"precision": "tf32"}, "'tf32' cannot be used"),
        ({"recordings__pair__layer": "40"}, "no such layer"),
        ({"batch_size": 69, "network": "mlp", "recordings": []}, "one value to normalise"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        train_ensemble(members_of(tiny_study(**settings), ["bn"], [1]), tiny_digits())


# folders


def test_every_member_becomes_an_ordinary_runs_folder(tmp_path: Path) -> None:
    members = members_of(tiny_study(), ["no-bn", "bn"], [1, 2])
    every = record_ensemble(members, tiny_digits(), tmp_path, command="hindi-bn something")
    for trained, member in zip(every, members, strict=True):
        folder = RunFolder(tmp_path / member.study.name / member.name)
        assert folder.finished
        record = folder.read()
        assert (record.study, record.run) == (member.study, member.run)
        assert record.history["test_loss"].tolist() == [row.test_loss for row in trained.rows]
        assert record.environment["ensemble"] == {"method": "vmap", "members": 2}
        assert record.environment["seconds"] == {"training": trained.rows[-1].seconds}
        assert record.environment["command"] == "hindi-bn something"
        network = load_network(record)
        images = tiny_digits().test_images[:, None].float() / 255
        right = (network(images).argmax(1) == tiny_digits().test_labels).float().mean()
        assert trained.rows[-1].test_accuracy == pytest.approx(float(right))
    again = train_run(members[0].study, "no-bn", tiny_digits(), tmp_path, resume=True)
    assert len(again.history) == 2  # finished, as a single run would be


def test_a_folder_is_replaced_only_when_asked_and_never_shared(tmp_path: Path) -> None:
    members = members_of(tiny_study(epochs=1), ["bn"], [1])
    record_ensemble(members, tiny_digits(), tmp_path)
    with pytest.raises(RunError, match="already holds a run"):
        record_ensemble(members, tiny_digits(), tmp_path)
    kept = (tmp_path / "article-seed-1" / "bn" / "history.csv").read_text()
    record_ensemble(members_of(tiny_study(epochs=2), ["bn"], [1]), tiny_digits(), tmp_path,
                    overwrite=True)  # fmt: skip
    assert (tmp_path / "article-seed-1" / "bn" / "history.csv").read_text() != kept
    with pytest.raises(RunError, match="Two members of the ensemble have the folder"):
        record_ensemble(members * 2, tiny_digits(), tmp_path, overwrite=True)
    with RunFolder(tmp_path / "article-seed-1" / "bn").locked():
        pass  # given back


def test_an_interrupted_ensemble_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(member: Member, row: object) -> None:
        raise KeyboardInterrupt

    members = members_of(tiny_study(), ["bn"], [1, 2])
    with pytest.raises(KeyboardInterrupt):
        record_ensemble(members, tiny_digits(), tmp_path, on_epoch=interrupt)
    assert [path.name for path in tmp_path.rglob("*.csv")] == []


# memory


def test_the_memory_of_a_member_by_hand() -> None:
    """Three convolutions with batch norm, batches of 32 of 17,000 images, 30 epochs."""
    network = build("three_convs", "batch")
    run = tiny_study(epochs=30).run("bn")
    parameters = 160 + 2320 + 2320 + 3 * 32 + 40970
    values = 1024 + 9 * 16384 + 4096 + 4096 + 10  # input, convolutions to ReLUs, pool, flat, logits
    plain = 4 * parameters * 3 + 4 * 32 * values * 2 + 8 * 17000
    assert plain == 40_796_984
    assert bytes_per_member(network, run, 17000) == plain
    for changes, tensors in (({"momentum": 0.9}, 1), ({"optimizer": "adam"}, 2)):
        other = run.model_copy(update=changes)
        assert bytes_per_member(network, other, 17000) == plain + 4 * parameters * tensors


@pytest.mark.parametrize(
    ("free", "members"),
    [
        (10_000_000_000, 147),  # 6e9 / 40,796,984 = 147.07
        (67_997_000, 1),  # 40,798,200 / 40,796,984
        (150_000_000_000, 2206),
        (10**15, 4095),  # (2**31 - 1) / (32 * 16384)
    ],
)
def test_as_many_members_as_fit_into_the_free_memory(free: int, members: int) -> None:
    run = tiny_study(epochs=30).run("bn")
    assert members_that_fit(free, build("three_convs", "batch"), run, 17000) == members


def test_a_member_that_does_not_fit_is_refused() -> None:
    run = tiny_study(epochs=30).run("bn")
    with pytest.raises(StudyError, match="does not fit") as caught:
        members_that_fit(67_990_000, build("three_convs", "batch"), run, 17000)
    assert caught.value.why == "It needs about 41 MB; 41 MB are to be had."


def test_only_a_cuda_device_tells_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (123, 456))
    assert free_bytes(CPU) is None
    assert free_bytes(torch.device("cuda")) == 123


# capturing


def test_what_cannot_be_captured_is_launched_step_by_step_with_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def graph_trainer(*given: Any, launch: Any = None) -> Any:
        if launch is None:
            raise RuntimeError("capture failed\nand more")
        return real(*given, launch=launch)

    notes: list[str] = []
    real = ensemble.graph_trainer
    monkeypatch.setattr(ensemble, "graph_trainer", graph_trainer)
    (trained,) = train_ensemble(
        members_of(tiny_study(epochs=1), ["bn"], [1]), tiny_digits(), note=notes.append
    )
    assert len(trained.rows) == 1
    reason = "Training step by step: the steps cannot be captured (capture failed)."
    assert notes == ["Training 1 runs together (vmap).", reason]
