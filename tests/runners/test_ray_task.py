"""A run as a node of a Ray cluster does it: what it sends back, and what it refuses."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

import pytest
import torch
from ray_jobs import Outbox, assert_same, job
from tiny import tiny_digits

from hindi_bn.errors import RunError
from hindi_bn.records import RunFolder
from hindi_bn.runners import ray_task
from hindi_bn.runners.jobs import Job
from hindi_bn.runners.ray_task import Delivery, Order, pack, unpack
from hindi_bn.runners.shared_digits import arrays_of, digits_of
from hindi_bn.training.run import train_run


def train(
    given: Job, outbox: Outbox, *, ship_seconds: float = 1e9, **other_versions: str
) -> Delivery:
    """Do the job as a node does it, in this process."""
    wanted = ray_task.versions() | other_versions
    order = Order(1, given.as_json(), pack(given.folder), wanted, ship_seconds)
    return ray_task.train(order, arrays_of(tiny_digits()), "a node", outbox)


def test_a_node_gives_back_what_a_run_here_would_write(tmp_path: Path) -> None:
    captures = [{"kind": "weight", "name": "a", "layer": "last-conv", "index": [3, 4, 1, 0]}]
    given, outbox = job(tmp_path / "home", recordings=captures), Outbox()
    result = train(given, outbox)
    assert result.failure is None
    assert not given.out.exists()  # the node writes elsewhere
    unpack(given.folder, result.files)
    own = train_run(given.study, given.run, tiny_digits(), tmp_path / "own")
    assert_same(given.folder, own.folder)
    assert RunFolder(given.folder).finished
    assert outbox.kinds() == ["started", "epoch", "epoch"]
    assert [m.content["epoch"] for m in outbox.messages[1:]] == [0, 1]


def test_a_cancelled_run_sends_its_checkpoint_and_goes_on_from_it(tmp_path: Path) -> None:
    given, outbox = job(tmp_path / "home", epochs=3, resume=True), Outbox(epochs=2)
    with pytest.raises(KeyboardInterrupt):
        train(given, outbox, ship_seconds=0)
    assert outbox.kinds() == ["started", "epoch", "files", "epoch", "files"]
    for message in outbox.messages:
        if message.kind == "files":
            unpack(given.folder, message.content)
    tensors = [file.name for file in (given.folder / "checkpoint").glob("*.safetensors")]
    assert tensors == ["epoch-2.safetensors"]  # the older one has gone
    after = Outbox()
    unpack(given.folder, train(given, after).files)
    assert [m.content for m in after.messages if m.kind == "note"] == [
        f"Resuming {given.folder} after 2 epochs."
    ]
    assert after.kinds().count("epoch") == 1
    own = train_run(given.study, given.run, tiny_digits(), tmp_path / "own")
    assert_same(given.folder, own.folder)


def test_a_runs_own_error_is_its_result_and_keeps_what_it_has(tmp_path: Path) -> None:
    wild = job(tmp_path, "no-bn", lr=1e9)
    result = train(wild, Outbox())
    assert result.failure is not None
    assert result.failure.diverged
    assert (result.failure.epoch, result.failure.step) == (0, 2)
    unpack(wild.folder, result.files)
    assert RunFolder(wild.folder).resumable
    assert not RunFolder(wild.folder).finished
    assert train(wild, Outbox()).failure == result.failure  # no epoch was saved: it begins again


@pytest.mark.parametrize("finished", [False, True])
def test_files_that_come_home_leave_a_usable_folder_wherever_a_kill_ends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    """The checkpoint after one epoch is at home; a newer one, or the finished run, arrives."""
    given, outbox = job(tmp_path / "home", epochs=2, resume=True), Outbox()
    delivered = train(given, outbox, ship_seconds=0).files
    first, second = (m.content for m in outbox.messages if m.kind == "files")
    arriving = delivered if finished else second
    replace, left = Path.replace, 0

    def killed(temporary: Path, file: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return replace(temporary, file)

    monkeypatch.setattr(Path, "replace", killed)
    done = kills = 0
    folder = RunFolder(given.folder)
    while not done:
        left = 1000
        folder.clear()
        unpack(given.folder, first)
        left = kills
        with contextlib.suppress(KeyboardInterrupt):
            unpack(given.folder, arriving)
            done = 1
        if folder.finished:
            assert done == finished == 1
            folder.read_weights()
        else:
            assert len(folder.read_checkpoint().rows) == 1 + done
        kills += not done
    assert kills >= 3
    assert pack(given.folder) == arriving


def test_a_node_with_another_torch_refuses(tmp_path: Path) -> None:
    given, outbox = job(tmp_path), Outbox()
    train_run(given.study, given.run, tiny_digits(), tmp_path)
    result = train(given, outbox, torch="1.0")
    assert result.failure is not None
    assert "not 1.0" in result.failure.why
    assert result.files == pack(given.folder)  # and leaves what there is
    assert outbox.messages == []


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/x",
        "a/../../x",
        "a//b",
        "",
        ".lock",
        "a\x1b[2J",
        "a\nb",
        "c:\\x",
        "a\\..\\x",
        ".",
    ],
)
def test_a_nodes_file_names_stay_in_the_runs_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    with pytest.raises(RunError, match="that no run has") as caught:
        unpack(folder, {"history.csv": b"1", name: b"2"})
    assert "\x1b" not in str(caught.value)
    assert list(tmp_path.rglob("*")) == []


def test_the_digits_are_not_copied() -> None:
    digits = tiny_digits()
    arrays = arrays_of(digits)
    for value in arrays.values():
        if hasattr(value, "flags"):
            value.flags.writeable = False  # as memory of the object store is
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        there = digits_of(arrays)
    assert printed == []
    assert there.train_images.data_ptr() == digits.train_images.data_ptr()
    assert torch.equal(there.test_labels, digits.test_labels)
    assert (there.name, there.source, there.digests) == (
        digits.name, digits.source, digits.digests,
    )  # fmt: skip
