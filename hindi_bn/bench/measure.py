"""Ways to train side by side: one epoch each in turn, so that a machine's moods meet all of them.

Each way runs in a process of its own (`hindi_bn.bench.arm`) and waits while another one trains.
"""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hindi_bn.bench.arm import COMPARED, ENGINE, EXACT, FAST, NOTEBOOK, Row, Task
from hindi_bn.bench.peak import Peak, measure_peak
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.errors import HindiBnError
from hindi_bn.runners.process import QUIT, Child, Message

if TYPE_CHECKING:
    from torch import nn

    from hindi_bn.study import Run, Study


@dataclass(frozen=True)
class Bench:
    """What is measured, and where, with every 4th of the `available` images if `every` is 4.

    `pictures` is the folder of PNG images for the notebook's way.
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
        """Return the same with every 4th of these images, where `every` is 4."""
        return replace(self, every=self.every * every)


@dataclass
class Measured:
    """What one way gave.

    Args:
        rows: For each epoch losses, accuracies, `train_seconds` and `seconds` (with evaluation).
        start: Seconds from the start of the process until `torch`, `data` and the first `step`.
        memory, torch_memory, gpu_memory: Peaks in MiB: resident, when torch was imported, on a GPU.
    """

    way: str
    rows: list[Row] = field(default_factory=list)
    start: dict[str, float] = field(default_factory=dict)
    memory: float = 0.0
    torch_memory: float = 0.0
    gpu_memory: float = 0.0

    def spread(self, key: str) -> dict[str, float]:
        """Return median, least and most of a column of the rows."""
        return spread([row[key] for row in self.rows])


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the least and the most of some values."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


@dataclass(frozen=True)
class LayerWork:
    """What one layer computes for one image, in floating-point operations.

    A multiplication and the addition that follows it are two. Products of matrices and convolutions
    are counted, without biases: the other layers compute a few operations per value. Those of a
    training step include the gradients of weights and inputs.
    """

    name: str
    kind: str
    forward: int
    training: int


@dataclass
class NetworkBench:
    """All ways for a run, the work of an image, and the peak before each round of epochs."""

    run: Run
    work: list[LayerWork]
    images: int
    ways: dict[str, Measured]
    peaks: list[Peak]

    def ratio(self, way: str) -> dict[str, float]:
        """Return how many times as fast as the notebook's a way is: median, least, most."""
        pairs = zip(self.ways[NOTEBOOK].rows, self.ways[way].rows, strict=True)
        return spread([notebook["seconds"] / ours["seconds"] for notebook, ours in pairs])

    def rate(self, way: str) -> float:
        """Return the floating-point operations per second of a way's training pass."""
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
        self.child = Child("hindi_bn.bench.arm")

    def __enter__(self) -> Self:
        """Give the task, and wait until the process has its data."""
        try:
            self._ask(asdict(self._task))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.child.process.kill()
        self.child.wait()

    def epoch(self) -> Row:
        """Train an epoch, and wait for its row."""
        row = self._ask({"epoch": len(self.measured.rows)})
        self.measured.rows.append(row)
        return row

    def end(self) -> None:
        """End the process, and take down what it needed."""
        for key, value in self._ask(QUIT).items():
            setattr(self.measured, key, value)

    def _ask(self, message: Message) -> Message:
        answer = self.child.receive() if self.child.send(message) else None
        if answer is not None:
            return answer
        how = self.child.how_it_ended()
        raise HindiBnError(
            f"The benchmark's process {self.measured.way!r} failed.",
            (self.child.last_words.splitlines() or [how])[-1],
            "correct what it names, or bench another study with --config",
        )


def measure(bench: Bench, run: Run, ways: Sequence[str] = (), note: Note = no_note) -> NetworkBench:
    """Train a run in several ways, an epoch each in turn, all from the same initial weights.

    `ways` are by default those that can train it.
    """
    from hindi_bn.networks import build_run
    from hindi_bn.networks.preserved import preserved
    from hindi_bn.training.device import choose_device

    study, peaks = bench.study, []
    device = choose_device(study.device)
    with preserved():
        work = work_of(build_run(run, study.image_size), study.image_size)
    with ExitStack() as processes:
        arms = [
            processes.enter_context(Arm(bench, run, way)) for way in ways or ways_of(study, run)
        ]
        for epoch in range(bench.epochs):
            peaks.append(measure_peak(device))
            for arm in arms:
                row = arm.epoch()
                note(
                    f"{run.name:>8}  {arm.measured.way:<8}  epoch {epoch + 1}  "
                    f"{row['seconds']:6.2f} s  train loss {row['train_loss']:.6f}  "
                    f"test loss {row['test_loss']:.6f}"
                )
        for arm in arms:
            arm.end()
    measured = {arm.measured.way: arm.measured for arm in arms}
    return NetworkBench(run, work, bench.images, measured, peaks)


def ways_of(study: Study, run: Run) -> list[str]:
    """Return the notebook's way and every numerics that can train a run here."""
    from hindi_bn.engine import numerics_of

    auto = study.model_copy(update={"numerics": "auto"})
    return [NOTEBOOK, EXACT, FAST] + [ENGINE] * (numerics_of(auto, run) == ENGINE)


def work_of(network: nn.Module, image_size: int) -> list[LayerWork]:
    """Count a network's work for an image of image_size x image_size pixels, in layer order."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network = copy.deepcopy(network).eval()
    image = torch.zeros(1, 1, image_size, image_size)
    with torch.no_grad(), FlopCounterMode(display=False) as forward:
        network(image)
    with FlopCounterMode(display=False) as training:
        network(image).sum().backward()
    layers = []
    for name, layer in network.named_modules():
        path = f"{type(network).__name__}.{name}"
        one = sum(forward.get_flop_counts().get(path, {}).values())
        if one and not any(path + "." in inner for inner in forward.get_flop_counts()):
            kind = type(layer).__name__.removeprefix("Parametrized")
            step = sum(training.get_flop_counts()[path].values())
            layers.append(LayerWork(name, kind, one, step))
    return layers


def disagreement(one: Measured, other: Measured) -> list[dict[str, float]]:
    """Return, for each epoch, how far two ways' losses and accuracies are apart."""
    return [
        {key: abs(first[key] - second[key]) for key in COMPARED}
        for first, second in zip(one.rows, other.rows, strict=True)
    ]
