"""Runs on a Ray cluster: each as by itself. Sweeps on real clusters are in test_ray_cluster.py."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from ray_jobs import assert_same, job
from tiny import tiny_digits

from hindi_bn.errors import HindiBnError, StudyError
from hindi_bn.records import RunFolder
from hindi_bn.runners import ray_cluster, ray_runner, ray_task
from hindi_bn.runners.jobs import Job
from hindi_bn.runners.ray_runner import RayRunner
from hindi_bn.runners.ray_task import Delivery, Message, Order, pack, unpack
from hindi_bn.runners.shared_digits import arrays_of, digits_of
from hindi_bn.runners.workers import Event
from hindi_bn.training.run import train_run

ray = pytest.importorskip("ray")


class Outbox:
    """Keeps messages; interrupts the run after so many epochs, as a cancelled task is."""

    def __init__(self, epochs: int | None = None) -> None:
        self.messages: list[Message] = []
        self._left = epochs

    def put(self, item: Message) -> None:
        self.messages.append(item)
        if item.kind == "epoch" and self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt

    def kinds(self) -> list[str]:
        return [message.kind for message in self.messages]


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
    refused = train(wild, Outbox())
    assert refused.failure is not None
    assert refused.failure.what == f"{wild.folder} already holds an unfinished run."
    assert refused.files == result.files


def test_a_node_with_another_torch_refuses(tmp_path: Path) -> None:
    given, outbox = job(tmp_path), Outbox()
    train_run(given.study, given.run, tiny_digits(), tmp_path)
    result = train(given, outbox, torch="1.0")
    assert result.failure is not None
    assert "not 1.0" in result.failure.why
    assert result.files == pack(given.folder)  # and leaves what there is
    assert outbox.messages == []


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


# ---- reaching a cluster


def runner_error(address: str | None = None) -> HindiBnError:
    with pytest.raises(HindiBnError) as caught:
        list(RayRunner(address).run([job(Path("nowhere"))], tiny_digits()))
    return caught.value


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert runner_error().next_step == "pip install 'hindi-bn[cluster]'"


@pytest.fixture
def port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_an_address_without_a_cluster_is_refused_soon(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 0.6)
    silent = runner_error(f"127.0.0.1:{port}")
    assert silent.what == f"The Ray cluster at '127.0.0.1:{port}' cannot be reached."
    assert silent.why == "It has not answered within 0.6 seconds."
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    assert "Nothing listens there" in runner_error(f"127.0.0.1:{number}").why
    monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 30.0)
    monkeypatch.setattr(ray_cluster, "_PROBE", "raise ConnectionError('no cluster runs here')")
    assert runner_error("auto").why == "ConnectionError: no cluster runs here"


class Connection(ModuleType):
    """Stands in for Ray: keeps what it was started with, and where it is connected."""

    def __init__(self, here: str | None = None) -> None:
        super().__init__("ray")
        self.here, self.given, self.ended = here, dict[str, Any](), 0
        self.environment: dict[str, str] = {}

    def is_initialized(self) -> bool:
        return self.here is not None

    def get_runtime_context(self) -> SimpleNamespace:
        return SimpleNamespace(gcs_address=self.here)

    def init(self, **given: Any) -> None:
        self.given, self.environment = given, dict(os.environ)

    def shutdown(self) -> None:
        self.ended += 1


def test_a_cluster_is_started_quietly_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection()
    monkeypatch.setitem(sys.modules, "ray", connection)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setattr(ray_cluster, "available_cores", lambda: 3)
    with ray_cluster.connected(None) as module:
        assert module is connection
        folder = Path(connection.given["_temp_dir"])
        assert folder.is_dir()
        assert len(str(folder)) < 40  # Ray puts sockets with long names into it
        assert os.environ["OMP_NUM_THREADS"] == "2"
    assert not folder.exists()
    assert connection.ended == 1
    assert connection.given["address"] == "local"
    assert connection.given["num_cpus"] == 3
    assert connection.given["include_dashboard"] is False
    assert connection.environment["OMP_NUM_THREADS"] == "1"
    assert connection.environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ


def test_a_cluster_that_answers_is_joined(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, address = Connection(), f"127.0.0.1:{port}"
    monkeypatch.setitem(sys.modules, "ray", connection)
    monkeypatch.setattr(ray_cluster, "_PROBE", "import sys; assert sys.argv[1].count(':') == 1")
    with ray_cluster.connected(address):
        assert connection.given["address"] == address
        assert "num_cpus" not in connection.given
    assert connection.ended == 1


def test_a_connection_that_is_there_is_used_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection("10.0.0.1:6379")
    monkeypatch.setitem(sys.modules, "ray", connection)
    for address in (None, "auto", "10.0.0.1:6379"):
        with ray_cluster.connected(address):
            assert connection.given == {}
    with pytest.raises(HindiBnError, match=r"not '10\.0\.0\.2:6379'"):
        ray_cluster.connected("10.0.0.2:6379").__enter__()
    assert connection.ended == 0


@pytest.mark.parametrize("wrong", [{"cpus_per_run": -1}, {"cpus_per_run": 0}, {"max_retries": -1}])
def test_reservations_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StudyError):
        RayRunner(**wrong)  # type: ignore[arg-type]


def test_no_jobs_need_no_cluster() -> None:
    assert list(RayRunner("nowhere:1").run([], tiny_digits())) == []


# ---- giving out and taking in, on a stand-in for Ray: tasks one by one in this process


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
    assert resumed == [f"Resuming {given.folder} after {n} epochs." for n in (1, 2)]
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


def test_stopping_cancels_and_keeps_what_is_sent(tmp_path: Path, stand_in: Any) -> None:
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
