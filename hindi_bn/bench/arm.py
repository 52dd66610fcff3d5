"""One way to train, in a process of its own: its time, its memory and its start are its alone.

The process is sent its task, then a message for each epoch to train (see
`hindi_bn.runners.process`). It answers each (the first when its data are ready), and sends what it
needed when it is to quit.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn.runners.process import Message, Send, serve
from hindi_bn.study import Numerics, Study

if TYPE_CHECKING:
    import torch

    from hindi_bn.digits import Digits

NOTEBOOK, EXACT, FAST = "notebook", "exact", "fast"
WAYS = (NOTEBOOK, EXACT, FAST)


@dataclass(frozen=True)
class Task:
    """What an arm trains, and how.

    Args:
        way: `notebook`, or ours: `exact` or `fast`.
        images: Folder with Train/digit_0 … Test/digit_9, for the notebook's way.
        every: 4 to use every 4th image of both splits; 1 for all.
        epochs: Most epochs that will be asked for.
        spawned: Seconds since 1970 at which the process was started.
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
    """Seconds from a process's start until something was reached, not counting waits."""

    def __init__(self, began: float) -> None:
        self.seconds: dict[str, float] = {}
        self._began = began
        self._waiting_since = 0.0

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
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    from resource import RUSAGE_SELF, getrusage

    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _ours(task: Task, start: Start) -> Iterator[Row]:
    """Give an empty row when ready, then a row per epoch."""
    from hindi_bn.digits import load
    from hindi_bn.networks import build_run
    from hindi_bn.training.device import choose_device, prepare
    from hindi_bn.training.gpu.graphs import engine_of
    from hindi_bn.training.loop import make_optimizer, run_epochs
    from hindi_bn.training.rng import move_to_run
    from hindi_bn.training.tensors import to_tensors

    study = _study(task)
    device, run = choose_device(study.device), study.run(task.run)
    prepare(study.threads, device, study.precision)
    digits = part_of(load(Path(task.data_dir), study.data), task.every)
    move_to_run(study, run.name)
    network = build_run(run, study.image_size).to(device)
    data = to_tensors(digits, run.scaling, device)
    yield {}
    numerics: Numerics = "fast" if task.way == FAST else "exact"
    optimizer = make_optimizer(run, network)
    engine = engine_of(run, network, optimizer, data, study.precision, numerics)
    images = len(data.train_labels)
    rows = run_epochs(run, engine, images, on_step=lambda done, steps: start.reached("step"))
    before, began = 0.0, time.perf_counter()
    for row in rows:
        seconds = {
            "train_seconds": row.seconds - before, "seconds": time.perf_counter() - began,
        }  # fmt: skip
        yield {key: getattr(row, key) for key in COMPARED} | seconds
        before, began = row.seconds, time.perf_counter()


def _notebook(task: Task, start: Start) -> Iterator[Row]:
    """Give an empty row when ready, then a row per epoch."""
    import torch

    from hindi_bn.bench.notebook_way import NotebookWay
    from hindi_bn.networks import build_run
    from hindi_bn.training.device import choose_device
    from hindi_bn.training.rng import move_to_run

    study = _study(task)
    device, run = choose_device(study.device), study.run(task.run)
    if study.threads is not None:
        torch.set_num_threads(study.threads)
    move_to_run(study, run.name)
    network = build_run(run, study.image_size).to(device)
    way = NotebookWay(Path(task.images), run, network, every=task.every)
    yield {}
    for _ in range(run.epochs):
        yield way.epoch(lambda done, steps: start.reached("step"))


def _study(task: Task) -> Study:
    """Return the task's study with enough epochs in the run that is trained."""
    study = Study.model_validate(task.study)
    runs = [
        run.model_copy(update={"epochs": task.epochs}) if run.name == task.run else run
        for run in study.runs
    ]
    return study.model_copy(update={"runs": tuple(runs)})


def part_of(digits: Digits, every: int) -> Digits:
    """Return every 4th image of both splits, where `every` is 4."""
    from dataclasses import replace

    chosen: dict[str, torch.Tensor] = {
        key: getattr(digits, key)[::every]
        for key in ("train_images", "train_labels", "test_images", "test_labels")
    }
    return replace(digits, **chosen)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(serve(work))
