"""Training on CUDA: each step is one replay of a graph, and the host waits once an epoch.

A `Program` (see `hindi_bn.training.gpu.program`) is captured in CUDA graphs: one for the full
batches, one for the smaller last batch, one for the evaluation. On any device the same code runs
without graphs (`eager`), which is how it is tested on a CPU.
"""

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from hindi_bn.study import Run
from hindi_bn.training.gpu.program import Program
from hindi_bn.training.loop import Learner, OnStep, PlainTrainer, Result, TorchLearner, Trainer
from hindi_bn.training.tensors import Tensors

WARM_UP = 3  # rounds before a capture, as torch's notes on CUDA graphs ask for

Launch = Callable[[], None]


@dataclass(frozen=True)
class Launches:
    """Calls that put a program's steps, by batch size, and its evaluation on the device."""

    step: Mapping[int, Launch]
    evaluate: Launch


def eager(program: Program) -> Launches:
    """Launch a program's operations one by one, on any device."""
    return Launches(
        {size: partial(program.step, size) for size in dict.fromkeys(program.sizes)},
        program.evaluate,
    )


def captured(program: Program) -> Launches:
    """Capture a program in CUDA graphs; RuntimeError for what a graph cannot hold."""
    learner, works = program.learner, eager(program)
    make_capturable(learner.optimizer)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        warm_up(program)
    torch.cuda.current_stream().wait_stream(stream)
    pool = torch.cuda.graph_pool_handle()  # shared: a program's graphs never run side by side
    parameters = parameters_of(learner.optimizer)
    steps = {size: _Graph(work, parameters, pool, stream) for size, work in works.step.items()}
    return Launches(steps, _Graph(works.evaluate, [], pool, stream))


class _Graph:
    """A piece of work as a CUDA graph; calling it replays the graph on the current stream.

    The gradients are the graph's own tensors: they are put on the parameters again at each replay,
    for whoever looks at them between two steps.
    """

    def __init__(
        self, work: Launch, parameters: list[torch.Tensor], pool: Any, stream: torch.cuda.Stream
    ) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, stream=stream):
            work()
        self._gradients = [(parameter, parameter.grad) for parameter in parameters]

    def __call__(self) -> None:
        self._graph.replay()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient


def warm_up(program: Program) -> None:
    """Make state and handles by a few rounds of a program's work; the learner stays as it was."""
    works = eager(program)
    with unchanged(program.learner), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*capturable=True.*")  # it is captured right after this
        for _ in range(WARM_UP):
            for work in works.step.values():
                program.begin(program.order)
                work()
            works.evaluate()


@contextlib.contextmanager
def unchanged(learner: TorchLearner) -> Iterator[None]:
    """Put a learner's parameters, buffers and optimiser back, in place, when the block ends.

    New state of the optimiser becomes zeros, which SGD's momentum and Adam start from.
    """
    optimizer = learner.optimizer
    with torch.no_grad():
        kept = [(t, t.clone()) for t in (*parameters_of(optimizer), *learner.layers.buffers())]
        state = {id(tensor): tensor.clone() for tensor in _state_of(optimizer)}
    try:
        yield
    finally:
        optimizer.zero_grad()
        with torch.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)
            for tensor in _state_of(optimizer):
                tensor.copy_(state.get(id(tensor), torch.zeros_like(tensor)))


def make_capturable(optimizer: torch.optim.Optimizer) -> None:
    """Let an optimiser keep all its state on the parameters' device, as a graph needs it."""
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = all(p.is_cuda for p in group["params"])  # torch can there only
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                state[key] = value.to(parameter.device)


def parameters_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Return all parameters that an optimiser changes."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def _state_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    values = [value for state in optimizer.state.values() for value in state.values()]
    return [value for value in values if isinstance(value, torch.Tensor)]


class Stopwatch:
    """Times work on a device without waiting for it: by events on CUDA, else by the clock."""

    def __init__(self, device: torch.device) -> None:
        self._events = None
        if device.type == "cuda":
            self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        self._times = [0.0, 0.0]

    def seconds(self) -> float:
        """Return the time between both marks; on CUDA the work must be done by now."""
        if self._events:
            return float(self._events[0].elapsed_time(self._events[1])) / 1000
        return self._times[1] - self._times[0]

    def mark(self, which: int) -> None:
        """Mark the beginning (0) or the end (1)."""
        if self._events:
            self._events[which].record()
        else:
            self._times[which] = time.perf_counter()


class GraphTrainer:
    """Runs a program, launched as `eager` or `captured` say; a `hindi_bn.training.loop.Trainer`."""

    def __init__(self, program: Program, launches: Launches) -> None:
        self._program, self._launches = program, launches
        self._stopwatch = Stopwatch(program.device)

    def train(self, order: torch.Tensor, epoch: int, on_step: OnStep) -> None:
        """Launch an epoch; steps are counted when they are launched, ahead of the device."""
        self._stopwatch.mark(0)
        self._program.begin(order, epoch)
        sizes = self._program.sizes
        for done, size in enumerate(sizes, start=1):
            self._launches.step[size]()
            on_step(done, len(sizes))
        self._stopwatch.mark(1)

    def results(self) -> tuple[list[Result], float]:
        """Launch the evaluation and wait for the epoch."""
        self._launches.evaluate()
        results = self._program.results()
        return results, self._stopwatch.seconds()


def graph_trainer(
    learner: TorchLearner,
    data: Tensors,
    run: Run,
    seed: int,
    *,
    launch: Callable[[Program], Launches] | None = None,
) -> Trainer:
    """Return what trains a learner in CUDA graphs (see `captured`); elsewhere, step by step."""
    program = Program(learner, data, run, seed=seed)
    launch = launch or (captured if program.device.type == "cuda" else eager)
    return GraphTrainer(program, launch(program))


def trainer_of(
    learner: Learner, data: Tensors, run: Run, note: Callable[[str], None] = lambda text: None
) -> Trainer:
    """Return what trains one network: CUDA graphs on CUDA, or the plain loop and a `note` why."""
    if data.train_labels.device.type == "cuda" and isinstance(learner, TorchLearner):
        try:
            return graph_trainer(learner, data, run, torch.initial_seed())
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            note(f"Training step by step: the steps of {run.name!r} cannot be captured ({reason}).")
    return PlainTrainer(learner, data, run)
