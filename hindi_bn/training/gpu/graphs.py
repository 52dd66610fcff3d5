"""Training on CUDA: each step is one replay of a graph, and the host waits once an epoch.

A `Program` (see `hindi_bn.training.gpu.program`) is captured in CUDA graphs: one for the full
batches, one for the smaller last batch, one for the evaluation. The orders of many epochs are drawn
ahead from the random stream, which still stands after each epoch where the plain loop would leave
it. On any device the same code runs without graphs (`eager`), which is how it is tested on a CPU.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from hindi_bn.errors import DivergedError
from hindi_bn.study import Precision, Run
from hindi_bn.training.gpu.program import Learner, Program, Result, SingleLearner
from hindi_bn.training.loop import EpochRow, OnLosses, OnStep, epochs
from hindi_bn.training.rng import draw_ahead
from hindi_bn.training.tensors import Tensors

ORDERS_AT_ONCE = 2**25
"""Indices drawn and uploaded together (256 MiB): 1973 epochs of 17,000 images, or 30 of 65."""

WARM_UP = 3
"""Rounds before a capture, as torch's notes on CUDA graphs ask for."""

Launch = Callable[[], None]


@dataclass(frozen=True)
class Launches:
    """Calls that put a program's work on its device, without waiting for it.

    Parameters
    ----------
    step
        By size of the batch.
    evaluate
        The evaluation after an epoch.
    """

    step: Mapping[int, Launch]
    evaluate: Launch


def eager(program: Program) -> Launches:
    """Launch a program's operations one by one, on any device."""
    return Launches(
        {size: partial(program.step, size) for size in dict.fromkeys(program.sizes)},
        program.evaluate,
    )


def captured(program: Program, stream: torch.cuda.Stream | None = None) -> Launches:
    """Capture a program in CUDA graphs; the learner stays as it is.

    Parameters
    ----------
    stream
        Where to warm up and to capture. cuBLAS keeps a workspace for each stream, which its graphs
        hold on to: programs whose graphs are replayed side by side need streams of their own.

    Raises
    ------
    RuntimeError
        When the network does something that a graph cannot hold.
    """
    learner, works = program.learner, eager(program)
    make_capturable(learner.optimizer)
    stream = stream or torch.cuda.Stream()
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
    """Do all of a program's work a few times, and put its learner back as it was.

    What is made at first use exists afterwards: the optimiser's state and the libraries' handles.
    """
    works = eager(program)
    with unchanged(program.learner), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*capturable=True.*")  # it is captured right after this
        for _ in range(WARM_UP):
            for work in works.step.values():
                program.begin(program.order)
                work()
            works.evaluate()


@contextlib.contextmanager
def unchanged(learner: Learner) -> Iterator[None]:
    """Put a learner's parameters, buffers and optimiser back, in place, when the block ends.

    State that the optimiser makes within the block becomes zeros: for SGD's momentum and for Adam
    this is what the first step starts from.
    """
    optimizer = learner.optimizer
    with torch.no_grad():
        kept = [(t, t.clone()) for t in (*parameters_of(optimizer), *learner.buffers())]
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

    def start(self) -> None:
        """Begin, on the current stream."""
        self._mark(0)

    def stop(self) -> None:
        """End, on the current stream."""
        self._mark(1)

    def seconds(self) -> float:
        """Return the time between; on CUDA the work must be done by now."""
        if self._events:
            return float(self._events[0].elapsed_time(self._events[1])) / 1000
        return self._times[1] - self._times[0]

    def _mark(self, which: int) -> None:
        if self._events:
            self._events[which].record()
        else:
            self._times[which] = time.perf_counter()


class Engine:
    """Runs a program epoch by epoch.

    Parameters
    ----------
    launches
        How its work is launched: `eager` or `captured`.
    stream
        CUDA stream to work on; the current one unless given.
    """

    def __init__(
        self, program: Program, launches: Launches, stream: torch.cuda.Stream | None = None
    ) -> None:
        self._program, self._launches, self._stream = program, launches, stream
        self._stopwatch = Stopwatch(program.device)
        self.steps = len(program.sizes)

    def epoch(self, order: torch.Tensor, epoch: int = 0) -> Iterator[int]:
        """Launch an epoch and its evaluation; gives the number of steps launched after each.

        Parameters
        ----------
        order
            Order of the training images, int64 (*lead, images), on the device.
        epoch
            Its number, for augmentation.
        """
        with self._on_stream():
            self._stopwatch.start()
            self._program.begin(order, epoch)
        for done, size in enumerate(self._program.sizes, start=1):
            with self._on_stream():
                self._launches.step[size]()
            yield done
        with self._on_stream():
            self._stopwatch.stop()
            self._launches.evaluate()

    def results(self) -> tuple[list[Result], float]:
        """Wait for the launched epoch; its result for each network, and the training's seconds."""
        with self._on_stream():
            results = self._program.results()
        return results, self._stopwatch.seconds()

    def _on_stream(self) -> contextlib.AbstractContextManager[object]:
        if self._stream is None:
            return contextlib.nullcontext()
        return torch.cuda.stream(self._stream)


def orders_of(
    states: Sequence[torch.Tensor], epochs: range, images: int, device: torch.device
) -> Iterator[tuple[int, torch.Tensor, list[torch.Tensor]]]:
    """Draw the orders of epochs from several random streams, many epochs ahead.

    Parameters
    ----------
    states
        State of each stream where the first epoch begins.

    Yields
    ------
    The epoch's number, its orders (streams, images) on the device, and each stream's state after
    the epoch.
    """
    at_once = max(1, ORDERS_AT_ONCE // (images * len(states)))
    for start in range(epochs.start, epochs.stop, at_once):
        block = range(start, min(start + at_once, epochs.stop))
        drawn = [draw_ahead(state, images, len(block)) for state in states]
        orders = torch.stack([orders for orders, _ in drawn], 1).to(device)
        for epoch, order, after in zip(
            block, orders, zip(*(later for _, later in drawn), strict=True), strict=True
        ):
            yield epoch, order, list(after)
        states = [later[-1] for _, later in drawn]


def graphed_epochs(
    run: Run,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Tensors,
    *,
    first: int = 0,
    seconds: float = 0.0,
    on_step: OnStep = lambda done, steps: None,
    on_losses: OnLosses = lambda epoch, losses: None,
    precision: Precision = "float32",
    note: Callable[[str], None] = lambda text: None,
    launch: Callable[[Program], Launches] = captured,
) -> Iterator[EpochRow]:
    """Train as `hindi_bn.training.loop.epochs` does, with captured steps.

    What cannot be captured is trained by the plain loop, and `note` is told.

    Parameters
    ----------
    first, seconds, on_step, on_losses, precision
        As in `epochs`; steps are counted when they are launched, ahead of the device.
    launch
        How the work is launched.

    Raises
    ------
    DivergedError
        When a loss is not finite; the rows before that epoch have been given.
    """
    try:
        learner = SingleLearner(run, network, optimizer, precision)
        program = Program(learner, data, run, seed=torch.initial_seed())
        engine = Engine(program, launch(program))
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        note(f"Training step by step: the steps of {run.name!r} cannot be captured ({reason}).")
        yield from epochs(
            run, network, optimizer, data,
            first=first, seconds=seconds, on_step=on_step, on_losses=on_losses,
            precision=precision,
        )  # fmt: skip
        return
    states, images = [torch.get_rng_state()], len(data.train_labels)
    for epoch, order, (after,) in orders_of(
        states, range(first, run.epochs), images, program.device
    ):
        for done in engine.epoch(order, epoch):
            on_step(done, engine.steps)
        (result,), took = engine.results()
        if result.diverged_at is not None:
            raise DivergedError(run.name, epoch, result.diverged_at)
        seconds += took
        on_losses(epoch, result.losses)
        torch.set_rng_state(after)
        yield result.row(epoch, seconds)
