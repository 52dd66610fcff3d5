"""The training loop: one step, an epoch, an evaluation, and a run as a sequence of epochs.

Everything that trains goes through `step` and `train_epochs`: one network in the plain loop here,
and one or many in CUDA graphs (`hindi_bn.training.gpu`).
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from hindi_bn.engine import EngineLearner
from hindi_bn.errors import DivergedError
from hindi_bn.study import Numerics, Precision, Run, batches
from hindi_bn.training.augment import Augmenter
from hindi_bn.training.device import autocast
from hindi_bn.training.numerics import arrange, on_cpu
from hindi_bn.training.rng import EpochRng, EpochRngs
from hindi_bn.training.sgd import PlainSGD
from hindi_bn.training.tensors import Tensors

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class EpochRow:
    """One row of history.csv; `seconds` is the cumulative time of the training passes."""

    epoch: int
    seconds: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Result:
    """What an epoch of one network gave; `losses` are those of its steps, (steps,) on the CPU."""

    losses: torch.Tensor
    train_accuracy: float
    test_loss: float
    test_accuracy: float

    def row(self, run: str, epoch: int, seconds: float) -> EpochRow:
        """Return the row of history.csv; DivergedError at the first step with no finite loss."""
        wrong = (~torch.isfinite(self.losses)).nonzero()
        if len(wrong) or not math.isfinite(self.test_loss):
            step = int(wrong[0]) if len(wrong) else len(self.losses) - 1
            raise DivergedError(run, epoch, step)
        return EpochRow(
            epoch, seconds, mean_loss(self.losses), self.train_accuracy,
            self.test_loss, self.test_accuracy,
        )  # fmt: skip


class Learner(Protocol):
    """One network that learns: by torch, or by the engine (`hindi_bn.engine.EngineLearner`)."""

    @property
    def layers(self) -> nn.Module:
        """The network as it is trained."""

    def step(
        self, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor | float, torch.Tensor | int]:
        """Make a step on images (batch, 1, height, width); give loss and number of right answers.

        The loss is the mean before the step.
        """

    def evaluate(
        self, images: torch.Tensor, labels: torch.Tensor, batch_size: int
    ) -> tuple[float, float]:
        """Return loss and accuracy over all images in eval mode; see the function `evaluate`."""


@dataclass(frozen=True)
class TorchLearner:
    """What learns by torch: one network, or several of one architecture, stacked.

    The layers map images (*lead, batch, 1, height, width) to logits (*lead, batch, classes); `lead`
    is () for one network, (members,) for a stack.
    """

    layers: nn.Module
    optimizer: torch.optim.Optimizer
    precision: Precision = "float32"
    lead: tuple[int, ...] = ()

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Make a step with one network; see `Learner`."""
        loss, logits = step(self, images, labels)
        return loss, (logits.argmax(1) == labels).sum()

    def evaluate(
        self, images: torch.Tensor, labels: torch.Tensor, batch_size: int
    ) -> tuple[float, float]:
        """Evaluate one network; see `Learner`."""
        return evaluate(self.layers, images, labels, batch_size, self.precision)


def make_optimizer(run: Run, network: nn.Module) -> torch.optim.Optimizer:
    """Return the run's optimiser over all parameters of the network."""
    if run.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), lr=run.lr)
    if on_cpu(network):
        return PlainSGD(network.parameters(), lr=run.lr, momentum=run.momentum)
    return torch.optim.SGD(network.parameters(), lr=run.lr, momentum=run.momentum)


def step(
    learner: TorchLearner, images: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make a step on images (*lead, batch, 1, height, width) and labels (*lead, batch).

    Gives the mean loss before the step (*lead), and the logits (*lead, batch, classes).
    """
    learner.optimizer.zero_grad()
    with autocast(learner.precision, images.device):
        logits = learner.layers(images)
        loss = _loss(logits, labels)
    (loss.sum() if learner.lead else loss).backward()  # a member's weights reach its own loss only
    learner.optimizer.step()
    return loss.detach(), logits.detach()


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    if labels.dim() == 1:
        return functional.cross_entropy(logits, labels)
    each = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(1)


def train_epoch(
    learner: Learner, data: Tensors, order: torch.Tensor, batch_size: int, on_step: OnStep
) -> tuple[torch.Tensor, float]:
    """Train one network for one pass over the images in the given order.

    `on_step` is called with (steps done, steps in all); it must not wait for the device. Gives the
    mean loss of each batch, float32 (steps,) on the CPU, and the accuracy over all images of the
    running epoch: train mode, each batch before its update.
    """
    learner.layers.train()
    steps = batches(len(order), batch_size)
    losses = torch.empty(steps, device=order.device)
    correct = torch.zeros((), dtype=torch.int64, device=order.device)
    for place, batch in enumerate(order.split(batch_size)):
        labels = data.train_labels[batch]
        losses[place], right = learner.step(data.training_batch(batch), labels)
        correct += right
        on_step(place + 1, steps)
    return losses.cpu(), int(correct) / len(order)


@torch.no_grad()
def evaluate(
    network: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    batch_size: int,
    precision: Precision = "float32",
) -> tuple[float, float]:
    """Return loss and accuracy over all images in eval mode.

    The loss is a plain mean over batches: the last may be smaller, and counts as the others do.
    """
    network.eval()
    losses, correct = [], torch.zeros((), dtype=torch.int64, device=labels.device)
    for batch, expected in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        with autocast(precision, batch.device):
            logits = network(batch)
            losses.append(functional.cross_entropy(logits, expected))
        correct += (logits.argmax(1) == expected).sum()
    return mean_loss(torch.stack(losses)), int(correct) / len(labels)


@torch.no_grad()
def predict(network: nn.Module, images: torch.Tensor, batch_size: int = 500) -> torch.Tensor:
    """Return class probabilities, float32 (images, classes) on the CPU, in eval mode."""
    network.eval()
    logits = [network(batch) for batch in images.split(batch_size)]
    return torch.cat(logits).softmax(1).cpu()


def mean_loss(losses: torch.Tensor) -> float:
    """Mean of float32 batch losses (batches,), added up in float64."""
    return float(losses.double().mean())


class Trainer(Protocol):
    """Trains a learner epoch by epoch."""

    def train(self, order: torch.Tensor, epoch: int, on_step: OnStep) -> None:
        """Train for an epoch in the given order of the images, int64 (*lead, images)."""

    def results(self) -> tuple[list[Result], float]:
        """Evaluate; return the epoch's result for each network, and the training's seconds."""


class PlainTrainer:
    """Trains one network step by step."""

    def __init__(self, learner: Learner, data: Tensors, run: Run) -> None:
        self._learner, self._data, self._run = learner, data, run
        self._augmenter = Augmenter(data, run.augment, torch.initial_seed())

    def train(self, order: torch.Tensor, epoch: int, on_step: OnStep) -> None:
        """Train for an epoch; see `Trainer`."""
        order = order.to(self._data.train_labels.device)
        start = time.perf_counter()
        self._losses, self._accuracy = train_epoch(
            self._learner, self._augmenter.tensors(epoch), order, self._run.batch_size, on_step
        )
        self._seconds = time.perf_counter() - start

    def results(self) -> tuple[list[Result], float]:
        """Evaluate; see `Trainer`."""
        data = self._data
        loss, accuracy = self._learner.evaluate(
            data.test_images, data.test_labels, self._run.test_batch_size
        )
        return [Result(self._losses, self._accuracy, loss, accuracy)], self._seconds


def train_epochs(
    trainer: Trainer,
    rng: EpochRng | EpochRngs,
    images: int,
    numbers: range,
    on_step: OnStep = lambda done, steps: None,
) -> Iterator[tuple[int, list[Result], float]]:
    """Train epoch by epoch in the orders that `rng` draws; give number, results and seconds."""
    for epoch in numbers:
        trainer.train(rng.begin(images), epoch, on_step)
        rng.end()
        yield epoch, *trainer.results()


def run_epochs(
    run: Run,
    trainer: Trainer,
    images: int,
    *,
    first: int = 0,
    seconds: float = 0.0,
    on_step: OnStep = lambda done, steps: None,
    on_losses: Callable[[int, torch.Tensor], None] = lambda epoch, losses: None,
) -> Iterator[EpochRow]:
    """Train one run from epoch `first` to its last one, giving a row after each epoch.

    `first` and `seconds` say where a resumed run goes on: the number of finished epochs and their
    training time. `on_losses` is called before each row with its epoch and the losses of its steps,
    float (steps,). DivergedError when a loss is not finite, after the rows before that epoch.
    """
    numbers = range(first, run.epochs)
    for epoch, (result,), took in train_epochs(trainer, EpochRng(), images, numbers, on_step):
        seconds += took
        row = result.row(run.name, epoch, seconds)
        on_losses(epoch, result.losses)
        yield row


def learner_of(
    run: Run,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    precision: Precision = "float32",
    numerics: Numerics = "exact",
) -> Learner:
    """Return what learns by the given numerics; StudyError where the engine is not there."""
    if numerics == "engine":
        assert isinstance(network, nn.Sequential)
        return EngineLearner(run, network, optimizer, threads=torch.get_num_threads())
    return TorchLearner(arrange(network, numerics), optimizer, precision)
