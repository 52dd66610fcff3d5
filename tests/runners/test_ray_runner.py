"""Giving out and taking in, on a stand-in for Ray: tasks one by one in this process.

Sweeps on real clusters are in test_ray_cluster.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray_jobs import Outbox, assert_same, job
from tiny import tiny_digits

from hindi_bn.errors import HindiBnError, StudyError
from hindi_bn.records import RunFolder
from hindi_bn.runners import ray_runner, ray_task
from hindi_bn.runners.ray_runner import RayRunner
from hindi_bn.runners.ray_task import Message, Order
from hindi_bn.runners.workers import Event
from hindi_bn.training.run import train_run

ray = pytest.importorskip("ray")


@pytest.mark.parametrize("wrong", [{"cpus_per_run": -1}, {"cpus_per_run": 0}, {"max_retries": -1}])
def test_reservations_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StudyError):
        RayRunner(**wrong)  # type: ignore[arg-type]


def test_no_jobs_need_no_cluster() -> None:
    assert list(RayRunner("nowhere:1").run([], tiny_digits())) == []


class Inbox(Outbox):
    """Stands in for Ray's queue, and for an inbox that the driver reads."""

    def __init__(self, actor_options: dict[str, Any]) -> None:
        super().__init__()
        assert actor_options["num_cpus"] == 0

    def qsize(self) -> int:
        return len(self.messages)

    def get_nowait_batch(self, count: int) -> list[Message]:
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken

    def shutdown(self, *, force: bool) -> None:
        assert force


class OneByOne:
    """Stands in for Ray: a task is done when it is waited for; `deaths` end the first ones."""

    exceptions = ray.exceptions

    def __init__(self, *deaths: BaseException, after_epochs: int = 2) -> None:
        self.deaths, self.after_epochs = list(deaths), after_epochs
        self.orders: list[Order] = []
        self.cancelled: list[tuple[int, bool]] = []
        self.options_given: dict[str, Any] = {}

    def nodes(self) -> list[dict[str, Any]]:
        dead = {"Alive": False, "Resources": {"CPU": 64.0}}
        return [{"Alive": True, "Resources": {"CPU": 1.0, "GPU": 1.0}}, dead]

    def get_runtime_context(self) -> SimpleNamespace:
        return SimpleNamespace(get_node_id=lambda: "00" * 28)

    def put(self, value: Any) -> Any:
        return value

    def remote(self, function: Any) -> Any:
        return SimpleNamespace(options=self.options)

    def options(self, **given: Any) -> Any:
        self.options_given = given
        return SimpleNamespace(remote=self.begin)

    def begin(self, order: Order, arrays: Any, outbox: Inbox) -> int:
        self.orders.append(order)
        self.arrays, self.outbox = arrays, outbox
        return len(self.orders) - 1

    def wait(self, references: list[int], **_: Any) -> tuple[list[int], list[int]]:
        self.result: Any = None
        order = self.orders[references[0]]
        if self.deaths:
            self.result = self.deaths.pop(0)
            self.outbox._left = self.after_epochs
            with contextlib.suppress(KeyboardInterrupt):
                ray_task.train(order, self.arrays, "one", self.outbox)
            self.outbox._left = None
            self.outbox.messages.pop()  # the dead send no checkpoint
        else:
            self.result = ray_task.train(order, self.arrays, "two", self.outbox)
        return references[:1], references[1:]

    def get(self, reference: int) -> Any:
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def cancel(self, reference: int, *, force: bool = False) -> None:
        self.cancelled.append((reference, force))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a stand-in for Ray in its place."""
    monkeypatch.setattr("ray.util.queue.Queue", Inbox)

    def use(cluster: OneByOne) -> OneByOne:
        @contextlib.contextmanager
        def connected(address: str | None) -> Iterator[OneByOne]:
            yield cluster

        monkeypatch.setattr(ray_runner, "connected", connected)
        return cluster

    return use


def task_error(cause: Exception) -> Exception:
    return ray.exceptions.RayTaskError("train", "where it happened", cause)  # type: ignore[no-any-return]


def test_a_run_whose_worker_dies_goes_on_from_what_it_had_sent(
    tmp_path: Path, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_runner, "SHIP_SECONDS", 0.0)
    died = [ray.exceptions.WorkerCrashedError(), ray.exceptions.NodeDiedError("node gone")]
    cluster = stand_in(OneByOne(*died, after_epochs=2))
    given, events = job(tmp_path / "home", epochs=4), list[Event]()
    (result,) = RayRunner().run([given], tiny_digits(), on_event=events.append)
    assert result.failure is None
    assert [order.job["resume"] for order in cluster.orders] == [False, True, True]
    seen = [e.row.epoch if e.row else e.kind for e in events if e.job]
    again = ["note", "started", "note"]
    assert seen == ["started", 0, 1, *again, 1, 2, *again, 2, 3]
    notes = [event.text for event in events if event.kind == "note"]
    assert notes[0] == "WorkerCrashedError: given out again (1 of 3)."
    resumed = [text for text in notes if text.startswith("Resuming")]
    assert resumed == [f"Resuming {given.folder} after {n}." for n in ("1 epoch", "2 epochs")]
    assert [e.worker for e in events if e.kind == "started"] == [0, 0, 1]
    own = train_run(result.job.study, "bn", tiny_digits(), tmp_path / "own")
    assert_same(given.folder, own.folder)


def test_a_run_is_given_up_after_its_retries_and_the_next_one_done(
    tmp_path: Path, stand_in: Any
) -> None:
    cluster = stand_in(OneByOne(*[ray.exceptions.OutOfMemoryError("too much")] * 2, after_epochs=1))
    jobs = [job(tmp_path, name="heavy"), job(tmp_path, name="light")]
    heavy, light = RayRunner(max_retries=1).run(jobs, tiny_digits())
    assert heavy.failure is not None
    assert heavy.failure.kind == "WorkerDied"
    assert "OutOfMemoryError, 2 times" in heavy.failure.why
    assert light.failure is None
    assert [order.job["resume"] for order in cluster.orders] == [False, False, False]
    assert cluster.options_given == {"num_cpus": 1, "num_gpus": 0, "max_retries": 0}


def test_what_a_node_cannot_begin_is_a_failure(tmp_path: Path, stand_in: Any) -> None:
    stand_in(OneByOne(task_error(ModuleNotFoundError("No module named 'hindi_bn'"))))
    (result,) = RayRunner().run([job(tmp_path)], tiny_digits())
    assert result.failure is not None
    assert result.failure.kind == "ModuleNotFoundError"
    assert result.failure.next_step.startswith("install hindi-bn on every node")
    with RunFolder(job(tmp_path).folder).locked():
        pass


def test_a_folder_in_use_or_unwritable_is_a_failure(
    tmp_path: Path, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = stand_in(OneByOne())
    held = job(tmp_path, name="held")
    with RunFolder(held.folder).locked():
        (result,) = RayRunner().run([held], tiny_digits())
    assert result.failure is not None
    assert "is in use" in result.failure.what
    assert cluster.orders == []

    def full(folder: Path, files: dict[str, bytes]) -> None:
        raise HindiBnError("The disk is full.")

    monkeypatch.setattr(ray_runner, "unpack", full)
    (result,) = RayRunner().run([held], tiny_digits())
    assert result.failure is not None
    assert result.failure.what == "The disk is full."


def test_overwriting_begins_anew(tmp_path: Path, stand_in: Any) -> None:
    cluster = stand_in(OneByOne())
    old = job(tmp_path)
    train_run(old.study, "bn", tiny_digits(), tmp_path)
    new = job(tmp_path, overwrite=True, lr=0.05)
    (result,) = RayRunner().run([new], tiny_digits())
    assert result.failure is None
    assert cluster.orders[0].files == {}
    assert RunFolder(new.folder).read().run.lr == 0.05


def test_late_words_of_a_worker_that_was_given_up_are_ignored(
    tmp_path: Path, stand_in: Any
) -> None:
    cluster = stand_in(OneByOne())
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(event)
        if event.kind == "started":
            cluster.outbox.put(Message(99, "files", {"run.yaml": b"of another attempt"}))

    list(RayRunner().run([job(tmp_path / str(n)) for n in (1, 2)], tiny_digits(), on_event=hear))
    for n in (1, 2):
        assert RunFolder(job(tmp_path / str(n)).folder).read().run.name == "bn"


def test_stopping_cancels_and_keeps_what_is_sent(
    tmp_path: Path, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_runner, "SHIP_SECONDS", 1e9)  # however slow, none is sent but this one
    cluster = stand_in(OneByOne(ray.exceptions.TaskCancelledError(), after_epochs=1))
    given = job(tmp_path, epochs=5)

    def enough(event: Event) -> None:
        if event.kind == "started":
            cluster.outbox.messages.append(Message(0, "files", {"history.csv": b"a checkpoint"}))
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        list(RayRunner().run([given], tiny_digits(), on_event=enough))
    assert cluster.cancelled == [(0, False)]
    assert (given.folder / "history.csv").read_bytes() == b"a checkpoint"
    with RunFolder(given.folder).locked():
        pass


def test_a_lost_cluster_is_one_clear_error(
    tmp_path: Path, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(OneByOne())

    def gone(self: Inbox) -> int:
        raise ray.exceptions.RaySystemError("the head is gone")

    monkeypatch.setattr(Inbox, "qsize", gone)
    with pytest.raises(HindiBnError, match="The Ray cluster was lost") as caught:
        list(RayRunner().run([job(tmp_path)], tiny_digits()))
    assert "the head is gone" in caught.value.why


def test_gpus_are_reserved_in_parts(tmp_path: Path, stand_in: Any) -> None:
    cluster = stand_in(OneByOne())
    given, events = job(tmp_path, device="auto"), list[Event]()
    runner = RayRunner(cpus_per_run=0, gpus_per_run=0.25)
    (result,) = runner.run([given], tiny_digits(), on_event=events.append)
    assert result.job.study.device == "cuda"
    assert events[0].text == (
        "1 run on a Ray cluster of 1 node: 4 at once with 0 CPU and 0.25 GPU and 1 thread each"
    )
    assert cluster.options_given["num_gpus"] == 0.25
