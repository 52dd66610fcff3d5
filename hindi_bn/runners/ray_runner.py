"""Many runs on a Ray cluster: each a task with one thread on whatever node has a core free.

The digits go into the object store once and are read there by all tasks of a node without a copy.
A run's files come back as bytes and are written here, so that no file system need be shared. A run
gives the bits that it would give here with one thread.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hindi_bn.errors import HindiBnError, StudyError
from hindi_bn.files import one_line
from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Failure, Job, JobResult
from hindi_bn.runners.ray_cluster import connected
from hindi_bn.runners.ray_task import Delivery, Message, Order, pack, train, unpack, versions
from hindi_bn.runners.workers import Event, OnEvent, nothing

if TYPE_CHECKING:
    from hindi_bn.digits import Digits

POLL_SECONDS = 0.2

SHIP_SECONDS = 30.0
"""How often a run sends its checkpoint home; what a dead node had done since is done again."""

STOP_SECONDS = 30.0
"""How long cancelled runs may take to send home what they have before they are killed."""


@dataclass(frozen=True)
class RayRunner:
    """Trains runs on a Ray cluster.

    Args:
        address: As in `hindi_bn.runners.ray_cluster.connected`.
        cpus_per_run, gpus_per_run: What a run reserves; 0.25 GPUs let four runs share one. Without
            GPUs runs that do not name a device are trained on the CPU, otherwise on CUDA.
        max_retries: How often a run is given out again when its worker or node died. A run's own
            error is its result and is not tried again.
    """

    address: str | None = None
    cpus_per_run: float = 1
    gpus_per_run: float = 0
    max_retries: int = 3

    def __post_init__(self) -> None:
        if self.cpus_per_run < 0 or self.gpus_per_run < 0 or self.max_retries < 0:
            raise StudyError(
                f"A run cannot reserve {self.cpus_per_run:g} CPUs and {self.gpus_per_run:g} GPUs, "
                f"and be tried again {self.max_retries} times.",
                "None of these can be negative.",
            )
        if not self.cpus_per_run + self.gpus_per_run:
            what = "A run must reserve some CPU or GPU."
            raise StudyError(what, "", "reserve one CPU, the default")

    def run(
        self, jobs: Sequence[Job], digits: Digits, *, on_event: OnEvent = nothing
    ) -> Iterator[JobResult]:
        """Train the jobs on the cluster; the `worker` of an event is the number of the node.

        Raises HindiBnError when Ray is not installed, or the cluster cannot be reached, has no node
        that a run fits on, or is lost.
        """
        if not jobs:
            return
        with connected(self.address) as ray:
            try:
                dispatch = _Dispatch(ray, self, jobs, digits, on_event)
                try:
                    yield from dispatch.results()
                finally:
                    dispatch.stop()
            except ray.exceptions.RayError as error:
                raise HindiBnError(
                    "The Ray cluster was lost.",
                    one_line(error),
                    "start the same command again: finished runs are kept",
                ) from error


@dataclass(frozen=True)
class _Task:
    """A run that has been given out; `resume` is set once it has sent a checkpoint home."""

    number: int
    job: Job
    lock: ExitStack
    began: float
    resume: bool
    attempt: int = 0


class _Dispatch:
    """Gives jobs out as there is room for them, and takes in what comes back."""

    def __init__(
        self, ray: ModuleType, runner: RayRunner, jobs: Sequence[Job], digits: Digits,
        on_event: OnEvent,
    ) -> None:  # fmt: skip
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from hindi_bn.runners.shared_digits import arrays_of

        self._ray, self._runner, self._on_event = ray, runner, on_event
        self._waiting = deque(job.on("cuda" if runner.gpus_per_run else "cpu", 1) for job in jobs)
        self._tasks: dict[Any, _Task] = {}
        self._numbers, self._nodes = itertools.count(), dict[str, int]()
        room = self._room()
        if room == 0:
            raise HindiBnError(
                "No run fits on any node of the Ray cluster.",
                f"A run reserves {runner.cpus_per_run:g} CPU and {runner.gpus_per_run:g} GPU.",
                "reserve less, or add nodes",
            )
        on_event(Event("plan", text=self._plan(len(jobs), room)))
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._inbox = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        self._digits = ray.put(arrays_of(digits))
        self._versions = versions()
        self._train = ray.remote(_train_on_node).options(
            num_cpus=runner.cpus_per_run, num_gpus=runner.gpus_per_run,
            max_retries=0,  # given out again by this class, from the newest checkpoint
        )  # fmt: skip

    def results(self) -> Iterator[JobResult]:
        while self._waiting or self._tasks:
            while self._waiting and len(self._tasks) < max(1, self._room()):
                yield from self._begin(self._waiting.popleft())
            if not self._tasks:
                continue
            done, _ = self._ray.wait(list(self._tasks), timeout=POLL_SECONDS)
            for message in self._messages():
                self._take(message)
            for reference in done:
                yield from self._collect(reference)

    def stop(self) -> None:
        """Cancel what is in progress; keep what it sends home."""
        left = list(self._tasks)
        try:
            for reference in left:
                self._ray.cancel(reference)
            if left:
                _, left = self._ray.wait(left, num_returns=len(left), timeout=STOP_SECONDS)
                for message in self._messages():
                    if message.kind == "files":
                        self._take(message)
            for reference in left:
                self._ray.cancel(reference, force=True)
            self._inbox.shutdown(force=True)
        finally:
            for task in self._tasks.values():
                task.lock.close()
            self._tasks.clear()

    def _begin(self, job: Job) -> Iterator[JobResult]:
        """Lock the run's folder and give the run out; give its result when it is refused."""
        began, lock = time.perf_counter(), ExitStack()
        try:
            lock.enter_context(RunFolder(job.folder).locked())
            if job.overwrite:
                RunFolder(job.folder).clear()
            self._give_out(_Task(next(self._numbers), job, lock, began, job.resume))
        except HindiBnError as error:
            lock.close()
            yield JobResult(job, time.perf_counter() - began, Failure.of(error))

    def _give_out(self, task: _Task) -> None:
        job = replace(task.job, resume=task.resume, overwrite=False)
        order = Order(task.number, job.as_json(), pack(job.folder), self._versions, SHIP_SECONDS)
        self._tasks[self._train.remote(order, self._digits, self._inbox)] = task

    def _messages(self) -> list[Message]:
        waiting = self._inbox.qsize()
        return list(self._inbox.get_nowait_batch(waiting)) if waiting else []

    def _take(self, message: Message) -> None:
        from hindi_bn.training.loop import EpochRow

        found = [(r, task) for r, task in self._tasks.items() if task.number == message.task]
        if not found:  # it is of a worker that was given up
            return
        reference, task = found[0]
        if message.kind == "files":
            unpack(task.job.folder, message.content)
            self._tasks[reference] = replace(task, resume=True)
        elif message.kind == "epoch":
            self._on_event(Event("epoch", task.job, row=EpochRow(**message.content)))
        elif message.kind == "note":
            self._on_event(Event("note", task.job, text=message.content))
        else:
            node = self._nodes.setdefault(message.content, len(self._nodes))
            self._on_event(Event("started", task.job, node))

    def _collect(self, reference: Any) -> Iterator[JobResult]:
        """Give the result of a task that ended; none when its run has been given out again."""
        task = self._tasks.pop(reference)
        try:
            result: Delivery = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            failed = f"The node could not carry out run {task.job.run!r}."
            mend = "install hindi-bn on every node, in the same version as here"
            kind, why = type(error.cause).__name__, str(error.cause)
            yield self._ended(task, Failure(kind, failed, why, mend, details=str(error)))
        except self._ray.exceptions.RayError as error:  # the worker, its node or its memory
            yield from self._again(task, error)
        else:
            failure = result.failure
            try:
                unpack(task.job.folder, result.files)
            except HindiBnError as error:
                failure = Failure.of(error)
            yield replace(self._ended(task, failure), seconds=result.seconds)

    def _again(self, task: _Task, error: Exception) -> Iterator[JobResult]:
        why = one_line(error)
        if task.attempt == self._runner.max_retries:
            times = f"{type(error).__name__}, {task.attempt + 1} times in all; the last: {why}"
            yield self._ended(task, Failure.worker_died(task.job, times, "what it had sent"))
            return
        next_one = replace(task, number=next(self._numbers), attempt=task.attempt + 1)
        which = f"{next_one.attempt} of {self._runner.max_retries}"
        text = f"{type(error).__name__}: given out again ({which})."
        self._on_event(Event("note", task.job, text=text))
        self._give_out(next_one)

    def _ended(self, task: _Task, failure: Failure | None) -> JobResult:
        task.lock.close()
        return JobResult(task.job, time.perf_counter() - task.began, failure)

    def _room(self) -> int:
        """Count the runs that the cluster holds at once."""
        shares = {"CPU": self._runner.cpus_per_run, "GPU": self._runner.gpus_per_run}
        needs = {name: share for name, share in shares.items() if share}
        return sum(
            min(math.floor(node.get(name, 0.0) / need + 1e-9) for name, need in needs.items())
            for node in self._alive()
        )

    def _alive(self) -> list[dict[str, Any]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _plan(self, jobs: int, room: int) -> str:
        nodes, share = len(self._alive()), self._runner
        needs = f"{share.cpus_per_run:g} CPU"
        if share.gpus_per_run:
            needs += f" and {share.gpus_per_run:g} GPU"
        return (
            f"{jobs} run{'s' * (jobs != 1)} on a Ray cluster of {nodes} node{'s' * (nodes != 1)}: "
            f"{room} at once with {needs} and 1 thread each"
        )


def _train_on_node(order: Order, arrays: dict[str, Any], outbox: Any) -> Delivery:
    import ray

    return train(order, arrays, ray.get_runtime_context().get_node_id(), outbox)
