"""What is recorded beside wx and wy while a run trains: the `captures` of a study.

Everything is read between two steps, without drawing from the random stream and without leaving a
trace in the network: a run gives the same weights and history with captures and without them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks import kind_of, norm_of
from hindi_bn.records import RunFolder
from hindi_bn.records.recordings import Row, check_epochs, join_epochs, write_epoch
from hindi_bn.study import Run, batches
from hindi_bn.study.recordings import (
    ActivationsCapture,
    AnyCapture,
    GradientsCapture,
    LossesCapture,
    StatisticsCapture,
    WeightCapture,
    WeightsCapture,
)
from hindi_bn.training.loop import OnStep
from hindi_bn.training.tensors import Tensors
from hindi_bn.training.weights import SampledWeights, SingleWeight

Label = tuple[str, str, str]  # quantity, layer, index
Watched = WeightCapture | WeightsCapture | ActivationsCapture | GradientsCapture | StatisticsCapture


class Recording:
    """The captures of one run, from its first step to `captures.csv`.

    Without captures every method does nothing, and the steps are not even watched.

    Parameters
    ----------
    folder
        The run's folder, where each finished epoch's captures are kept.
    run, network, data
        What is trained; see `Recorder`, also for the errors.
    """

    def __init__(self, folder: RunFolder, run: Run, network: nn.Module, data: Tensors) -> None:
        self._folder, self._run = folder, run
        self._recorder = Recorder(network, run.captures, data)
        self._of_losses = [c.name for c in run.captures if isinstance(c, LossesCapture)]
        self._losses: list[Row] = []
        self._steps = batches(len(data.train_labels), run.batch_size)

    def begin(self, epochs_done: int, on_step: OnStep) -> OnStep:
        """Begin or go on after some epochs; return what is to be called after every step.

        Raises
        ------
        RunError
            When the captures of a finished epoch are missing or damaged.
        """
        if not self._run.captures:
            return on_step
        check_epochs(self._folder, epochs_done)
        self._recorder.begin(epochs_done * self._steps)

        def after_step(done: int, steps: int) -> None:
            self._recorder.step(done, steps)
            on_step(done, steps)

        return after_step

    def losses(self, epoch: int, losses: torch.Tensor) -> None:
        """Take the losses of an epoch's steps, float (steps,) on the CPU."""
        first = epoch * self._steps + 1
        self._losses = [
            (name, "loss", "", "", epoch, step, loss)
            for name in self._of_losses
            for step, loss in enumerate(losses.tolist(), first)
        ]

    def keep(self, epoch: int) -> None:
        """Write what was recorded in a finished epoch; to be called before its checkpoint."""
        if self._run.captures:
            write_epoch(self._folder, epoch, self._recorder.take() + self._losses)

    def finish(self) -> None:
        """Write `captures.csv` from all epochs."""
        if self._run.captures:
            join_epochs(self._folder, self._run.epochs)


@dataclass
class Series:
    """One capture: what its values are, how they are read, and what was read so far.

    Parameters
    ----------
    labels
        Quantity, layer and index of each value.
    read
        Gives the values as they are now: a new tensor (len(labels),) on the network's device.
    """

    name: str
    every: str | int
    labels: list[Label]
    read: Callable[[], torch.Tensor]
    values: list[torch.Tensor] = field(default_factory=list)
    times: list[tuple[int, int]] = field(default_factory=list)  # epoch, step

    def due(self, step: int, last: bool) -> bool:
        """Tell whether to record after `step` steps; `last` when it is an epoch's last."""
        return last if isinstance(self.every, str) else step % self.every == 0

    def record(self, epoch: int, step: int) -> None:
        """Read the values and keep them on their device, so that nothing waits for it."""
        self.values.append(self.read())
        self.times.append((epoch, step))

    def take(self) -> Iterator[Row]:
        """Give the rows that were recorded since the last call, and forget them."""
        lines = torch.stack(self.values).tolist() if self.values else []  # (times, labels)
        for (epoch, step), line in zip(self.times, lines, strict=True):
            for label, value in zip(self.labels, line, strict=True):
                yield (self.name, *label, epoch, step, value)
        self.values.clear()
        self.times.clear()


class Recorder:
    """Reads a run's captures from its network while it trains.

    Parameters
    ----------
    network
        The network on its device: layers one after the other, known by their names in it.
    captures
        What to record. Statistics of a network without normalisation layers are nothing.
    data
        The run's tensors; activations are those of some of its test images.

    Raises
    ------
    StudyError
        At once, when a weight does not exist or there are too few test images.
    """

    def __init__(
        self,
        network: nn.Module,
        captures: tuple[AnyCapture, ...],
        data: Tensors,
    ) -> None:
        watched = [c for c in captures if not isinstance(c, LossesCapture)]  # see `Recording`
        every = [_series(capture, network, data) for capture in watched]
        self._series = [series for series in every if series.labels]
        self._later = {c.name for c in captures if isinstance(c, GradientsCapture)}
        self._steps_done = 0

    def begin(self, steps_done: int) -> None:
        """Begin after `steps_done` steps; at 0 the untrained network is recorded as step 0.

        There are no gradients yet then.
        """
        self._steps_done = steps_done
        for series in self._series:
            if steps_done == 0 and series.name not in self._later:
                series.record(epoch=-1, step=0)

    def step(self, done: int, steps: int) -> None:
        """Record what is due after a step, `done` of the `steps` of its epoch."""
        epoch = self._steps_done // steps
        self._steps_done += 1
        for series in self._series:
            if series.due(self._steps_done, last=done == steps):
                series.record(epoch, self._steps_done)

    def take(self) -> list[Row]:
        """Give what was recorded since the last call, capture by capture."""
        return [row for series in self._series for row in series.take()]


def _series(capture: Watched, network: nn.Module, data: Tensors) -> Series:
    if isinstance(capture, WeightCapture):
        labels, read = _weight(capture, network)
    elif isinstance(capture, WeightsCapture):
        labels, read = _weights(capture, network)
    elif isinstance(capture, ActivationsCapture):
        labels, read = _activations(capture, network, _first_of_each(data, capture))
    elif isinstance(capture, GradientsCapture):
        labels, read = _gradients(network)
    else:
        labels, read = _statistics(network)
    return Series(capture.name, capture.every, labels, read)


Reading = tuple[list[Label], Callable[[], torch.Tensor]]


def _weight(capture: WeightCapture, network: nn.Module) -> Reading:
    key = f"captures.{capture.name}"
    weight = SingleWeight(network, capture.layer, capture.index, f"{key}.layer", f"{key}.index")
    index = " ".join(map(str, capture.index))
    return [("weight", weight.layer, index)], lambda: weight.read().clone().view(1)


def _weights(capture: WeightsCapture, network: nn.Module) -> Reading:
    key = f"captures.{capture.name}.layer"
    sample = SampledWeights(network, capture.layer, capture.count, capture.seed, key)
    places = [" ".join(map(str, index)) for index in sample.indices]
    return [("weight", sample.layer, place) for place in places], sample.read


def _gradients(network: nn.Module) -> Reading:
    parameters = dict(network.named_parameters())
    labels = []
    for name in parameters:
        layer, _, quantity = name.partition(".")
        labels.append((quantity, layer, ""))

    def read() -> torch.Tensor:
        gradients = [parameter.grad for parameter in parameters.values()]
        return torch.stack([torch.linalg.vector_norm(g) for g in gradients if g is not None])

    return labels, read


def _statistics(network: nn.Module) -> Reading:
    labels: list[Label] = []
    tensors: list[torch.Tensor] = []
    for layer, module in network.named_children():
        if kind_of(module) == "normalisation" and (norm := norm_of(module)):
            for quantity, tensor in norm.statistics(module).items():
                labels += [(quantity, layer, str(channel)) for channel in range(len(tensor))]
                tensors.append(tensor)
    return labels, lambda: torch.cat([tensor.detach() for tensor in tensors])


def _activations(capture: ActivationsCapture, network: nn.Module, images: torch.Tensor) -> Reading:
    layers = {
        name: layer for name, layer in network.named_children() if not isinstance(layer, nn.Flatten)
    }
    labels = [(quantity, layer, "") for layer in layers for quantity in ("mean", "std")]

    def read() -> torch.Tensor:
        values: list[torch.Tensor] = []
        x = images
        with torch.no_grad(), untouched(network, train=capture.mode == "train"):
            for name, layer in network.named_children():
                x = layer(x)
                if name in layers:
                    mean = x.mean()
                    values += [mean, (x - mean).square_().mean().sqrt()]
        return torch.stack(values)

    return labels, read


def _first_of_each(data: Tensors, capture: ActivationsCapture) -> torch.Tensor:
    """Take the first test images of each digit: (per_class * classes, 1, height, width)."""
    labels = data.test_labels
    fewest = int(torch.bincount(labels).min())
    if fewest < capture.per_class:
        raise StudyError(
            f"Cannot record activations on {capture.per_class} test images of each digit.",
            f"Of one digit there are {fewest}.",
            f"set captures.{capture.name}.per_class to {fewest} or less",
        )
    chosen = [
        (labels == digit).nonzero().flatten()[: capture.per_class] for digit in labels.unique()
    ]
    return data.test_images[torch.cat(chosen)]


@contextlib.contextmanager
def untouched(network: nn.Module, *, train: bool) -> Iterator[None]:
    """Put a network into train or eval mode for a while; afterwards everything is as it was.

    In train mode layers change what they remember (running averages, steps, singular vectors) and
    might draw from the random stream: buffers and the CPU's stream are put back.
    """
    modes = [(module, module.training) for module in network.modules()]
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()] if train else []
    with torch.random.fork_rng(devices=[], enabled=train):
        network.train(train)
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for buffer, value in kept:
                buffer.copy_(value)
