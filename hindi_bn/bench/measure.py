"""Ways to train side by side: one epoch each in turn, so that a machine's moods meet all of them.

Each way runs in a process of its own (`hindi_bn.bench.arm`) and waits while another one trains.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hindi_bn.bench.arm import NOTEBOOK, WAYS, Row, Task
from hindi_bn.bench.flops import LayerWork, work_of
from hindi_bn.bench.peak import Peak, measure_peak
from hindi_bn.errors import HindiBnError

if TYPE_CHECKING:
    from hindi_bn.study import Run, Study

Note = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """What is measured, and where.

    Parameters
    ----------
    study
        Its runs are trained, on its device and with its threads.
    data_dir, pictures
        The data folder, and the folder of PNG images for the notebook's way.
    available
        Training images that there are.
    epochs
        Epochs of each way.
    every
        Use every so-manieth image; 1 for all.
    """

    study: Study
    data_dir: Path
    pictures: Path
    available: int
    epochs: int = 3
    every: int = 1

    @property
    def images(self) -> int:
        """Training images that are used."""
        return math.ceil(self.available / self.every)

    def part(self, every: int) -> Bench:
        """Return the same with every so-manieth of these images."""
        return replace(self, every=self.every * every)


@dataclass
class Measured:
    """What one way gave: a row an epoch, and when its process came how far.

    Parameters
    ----------
    rows
        Losses, accuracies, `train_seconds` (the training pass) and `seconds` (with evaluation).
    start
        Seconds from the start of the process until torch was imported (`torch`), the data was
        ready (`data`) and the first step was done (`step`).
    memory, torch_memory, gpu_memory
        Peak resident memory, that of importing torch alone, and torch's peak on the GPU, in MiB.
    """

    way: str
    rows: list[Row] = field(default_factory=list)
    start: dict[str, float] = field(default_factory=dict)
    memory: float = 0.0
    torch_memory: float = 0.0
    gpu_memory: float = 0.0

    def spread(self, key: str = "seconds") -> dict[str, float]:
        """Return median, least and most of a column of the rows."""
        values = [row[key] for row in self.rows]
        return {"median": statistics.median(values), "min": min(values), "max": max(values)}


@dataclass
class NetworkBench:
    """All ways for one of the study's runs.

    Parameters
    ----------
    work
        Floating-point operations an image, by layer.
    images
        Training images an epoch.
    peaks
        The machine's peak, measured before each round of epochs.
    """

    run: Run
    work: list[LayerWork]
    images: int
    ways: dict[str, Measured]
    peaks: list[Peak]

    def ratio(self, way: str) -> dict[str, float]:
        """Return how many times as fast as the notebook's a way is: median, least, most."""
        pairs = zip(self.ways[NOTEBOOK].rows, self.ways[way].rows, strict=True)
        ratios = [notebook["seconds"] / ours["seconds"] for notebook, ours in pairs]
        return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}

    def rate(self, way: str) -> float:
        """Return the floating-point operations a second of a way's training pass."""
        seconds = self.ways[way].spread("train_seconds")["median"]
        return self.images * sum(layer.training for layer in self.work) / seconds

    def peak(self) -> Peak:
        """Return the median of the measured peaks."""
        products = statistics.median(peak.product for peak in self.peaks)
        return Peak(products, statistics.median(peak.convolution for peak in self.peaks))


class Arm:
    """One way in its process, which lives as long as the `with` block.

    Every method raises HindiBnError when the process fails.
    """

    def __init__(self, bench: Bench, run: Run, way: str) -> None:
        self.measured = Measured(way)
        self._task = Task(
            way, bench.study.model_dump(mode="json"), run.name, str(bench.data_dir),
            str(bench.pictures), bench.every, bench.epochs, time.time(),
        )  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hindi_bn.bench.arm"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Give the task, and wait until the process has its data."""
        try:
            self._tell(json.dumps(asdict(self._task)))
            self._answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def epoch(self) -> None:
        """Train an epoch, and wait for it."""
        self._tell("epoch")
        self.measured.rows.append(self._answer())

    def end(self) -> None:
        """End the process, and take down what it needed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        for key, value in self._answer().items():
            setattr(self.measured, key, value)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failed() from error

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failed()
        return dict(json.loads(line))

    def _failed(self) -> HindiBnError:
        assert self._process.stderr is not None
        said = self._process.stderr.read().strip().splitlines()
        return HindiBnError(
            f"The benchmark's process {self.measured.way!r} failed.",
            said[-1] if said else f"It ended with exit code {self._process.wait()}.",
            "mend what it names, or bench another study with --config",
        )


def measure(
    bench: Bench, run: Run, ways: Sequence[str] = WAYS, note: Note = lambda text: None
) -> NetworkBench:
    """Train a run in several ways, an epoch each in turn, all from the same initial weights.

    Raises
    ------
    HindiBnError
        When one of the processes fails; the message says why.
    """
    import torch

    from hindi_bn.networks import build_run
    from hindi_bn.training.device import choose_device

    study, peaks = bench.study, []
    device = choose_device(study.device)
    with torch.random.fork_rng(devices=[]):
        work = work_of(build_run(run, study.image_size), study.image_size)
    with ExitStack() as processes:
        arms = [processes.enter_context(Arm(bench, run, way)) for way in ways]
        for epoch in range(bench.epochs):
            peaks.append(measure_peak(device))
            for arm in arms:
                arm.epoch()
                note(_line(run, arm.measured, epoch))
        for arm in arms:
            arm.end()
    measured = {arm.measured.way: arm.measured for arm in arms}
    return NetworkBench(run, work, bench.images, measured, peaks)


def _line(run: Run, measured: Measured, epoch: int) -> str:
    row = measured.rows[-1]
    return (
        f"{run.name:>8}  {measured.way:<8}  epoch {epoch + 1}  {row['seconds']:6.2f} s  "
        f"train loss {row['train_loss']:.6f}  test loss {row['test_loss']:.6f}"
    )


def disagreement(one: Measured, other: Measured) -> list[dict[str, float]]:
    """Return, for each epoch, how far two ways' losses and accuracies are apart."""
    keys = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
    return [
        {key: abs(first[key] - second[key]) for key in keys}
        for first, second in zip(one.rows, other.rows, strict=True)
    ]
