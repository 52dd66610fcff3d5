"""One way to train, in a process of its own: its time, its memory and its start are its alone.

The process is sent its task, then a message for each epoch to train (see
`hindi_bn.runners.process`). It answers each (the first when its data are ready), and sends what it
needed when it is to quit.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hindi_bn.environment import linux_fact
from hindi_bn.runners.process import Message, Send, serve
from hindi_bn.study import Numerics, Run, Study

if TYPE_CHECKING:
    from hindi_bn.digits import Digits

NOTEBOOK, EXACT, FAST, ENGINE = "notebook", "exact", "fast", "engine"


@dataclass(frozen=True)
class Task:
    """What an arm trains: every 4th image of both splits if `every` is 4, `epochs` at the most.

    `images` is the folder of PNG images for the notebook's way; `spawned` is when the process was
    started, in seconds since 1970.
    """

    way: str
    study: dict[str, Any]
    run: str
    data_dir: str
    images: str
    every: int
    epochs: int
    spawned: float


Row = dict[str, float]
COMPARED = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def work(messages: Iterator[Message], send: Send) -> None:
    """Carry out a task, an epoch for each further message."""
    task = Task(**next(messages))
    import torch

    start = Start(task.spawned)
    start.reached("torch")
    memory = peak_memory()
    epochs = _notebook(task, start) if task.way == NOTEBOOK else _ours(task, start)
    send(next(epochs))
    start.reached("data")
    start.wait()
    for _ in messages:
        start.go_on()
        send(next(epochs))
    on_gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
    needed = {"memory": peak_memory(), "torch_memory": memory, "gpu_memory": on_gpu}
    send({"start": start.seconds, **needed})


class Start:
    """Seconds from a process's start until something was first reached, not counting waits."""

    def __init__(self, began: float) -> None:
        self.seconds: dict[str, float] = {}
        self._began, self._waiting_since = began, 0.0

    def reached(self, what: str) -> None:
        """Note when something was reached for the first time."""
        self.seconds.setdefault(what, time.time() - self._began)

    def wait(self) -> None:
        """Stop the clock."""
        self._waiting_since = time.time()

    def go_on(self) -> None:
        """Let the clock go on, if it was stopped."""
        if self._waiting_since:
            self._began += time.time() - self._waiting_since
            self._waiting_since = 0.0


def peak_memory() -> float:
    """Return this process's peak resident memory so far, in MiB.

    On Linux from /proc: what `getrusage` gives begins with the memory of the process's parent.
    """
    kibibytes = linux_fact(Path("/proc/self/status"), "VmHWM")
    if kibibytes:
        return int(kibibytes.split()[0]) / 2**10
    from resource import RUSAGE_SELF, getrusage

    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _ours(task: Task, start: Start) -> Iterator[Row]:
    """Give an empty row when ready, then a row per epoch."""
    from hindi_bn.digits import load
    from hindi_bn.networks import build_run
    from hindi_bn.training.device import choose_device, prepare
    from hindi_bn.training.gpu.graphs import trainer_of
    from hindi_bn.training.loop import learner_of, make_optimizer, run_epochs
    from hindi_bn.training.rng import move_to_run
    from hindi_bn.training.tensors import run_tensors

    study, run = _study_and_run(task)
    device = choose_device(study.device)
    prepare(study.threads, device, study.precision)
    digits = part_of(load(Path(task.data_dir), study.data), task.every)
    move_to_run(study, run.name)
    network = build_run(run, study.image_size).to(device)
    data = run_tensors(digits, run, device)
    yield {}
    numerics, optimizer = cast(Numerics, task.way), make_optimizer(run, network)
    learner = learner_of(run, network, optimizer, study.precision, numerics)
    trainer, images = trainer_of(learner, data, run), len(data.train_labels)
    before, began = 0.0, time.perf_counter()
    for row in run_epochs(run, trainer, images, on_step=lambda *_: start.reached("step")):
        now = time.perf_counter()
        seconds = {"train_seconds": row.seconds - before, "seconds": now - began}
        yield {key: getattr(row, key) for key in COMPARED} | seconds
        before, began = row.seconds, time.perf_counter()


def _notebook(task: Task, start: Start) -> Iterator[Row]:
    """Give an empty row when ready, then a row per epoch."""
    import torch

    from hindi_bn.bench.notebook_way import NotebookWay
    from hindi_bn.networks import build_run
    from hindi_bn.training.device import choose_device
    from hindi_bn.training.rng import move_to_run

    study, run = _study_and_run(task)
    device = choose_device(study.device)
    if study.threads is not None:
        torch.set_num_threads(study.threads)
    move_to_run(study, run.name)
    network = build_run(run, study.image_size).to(device)
    way = NotebookWay(Path(task.images), run, network, every=task.every)
    yield {}
    for _ in range(run.epochs):
        yield way.epoch(lambda *_: start.reached("step"))


def _study_and_run(task: Task) -> tuple[Study, Run]:
    """Return the task's study, and the run that is trained, with enough epochs."""
    study = Study.model_validate(task.study)
    return study, study.run(task.run).model_copy(update={"epochs": task.epochs})


def part_of(digits: Digits, every: int) -> Digits:
    """Return every 4th image of both splits, where `every` is 4."""
    from hindi_bn.runners.shared_digits import TENSORS

    chosen: dict[str, Any] = {key: getattr(digits, key)[::every] for key in TENSORS}
    return replace(digits, **chosen)


if __name__ == "__main__":
    sys.exit(serve(work))
