"""The training loop: an epoch, an evaluation, and a run as a sequence of epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from hindi_bn.errors import DivergedError
from hindi_bn.study import Numerics, Precision, Run, batches
from hindi_bn.training.augment import Augmenter
from hindi_bn.training.device import autocast
from hindi_bn.training.numerics import arrange, on_cpu
from hindi_bn.training.rng import EpochStream
from hindi_bn.training.sgd import PlainSGD
from hindi_bn.training.tensors import Tensors
from hindi_bn.training.weights import WeightPair

OnStep = Callable[[int, int], None]
OnLosses = Callable[[int, torch.Tensor], None]


@dataclass(frozen=True)
class EpochRow:
    """One row of history.csv; `seconds` is the cumulative time of the training passes."""

    epoch: int
    seconds: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    wx: float
    wy: float


def make_optimizer(run: Run, network: nn.Module) -> torch.optim.Optimizer:
    """Return the run's optimiser over all parameters of the network."""
    if run.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), lr=run.lr)
    if on_cpu(network):
        return PlainSGD(network.parameters(), lr=run.lr, momentum=run.momentum)
    return torch.optim.SGD(network.parameters(), lr=run.lr, momentum=run.momentum)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Tensors,
    order: torch.Tensor,
    batch_size: int,
    on_step: OnStep,
    precision: Precision = "float32",
) -> tuple[torch.Tensor, float]:
    """Train for one pass over the images in the given order.

    Parameters
    ----------
    order
        int64 (images,), on the data's device.
    on_step
        Called with (steps done, steps in all) after every step; it must not wait for the device.

    Returns
    -------
    The mean loss of each batch, float32 (steps,) on the CPU, and the accuracy over all images of
    the running epoch: train mode, each batch before its update.
    """
    network.train()
    steps = batches(len(order), batch_size)
    losses = torch.empty(steps, device=order.device)
    correct = torch.zeros((), dtype=torch.int64, device=order.device)
    for step, batch in enumerate(order.split(batch_size)):
        images, labels = data.train_images[batch], data.train_labels[batch]
        optimizer.zero_grad()
        with autocast(precision, images.device):
            logits = network(images)
            loss = functional.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        losses[step] = loss.detach()
        correct += (logits.argmax(1) == labels).sum()
        on_step(step + 1, steps)
    return losses.cpu(), int(correct) / len(order)


@torch.no_grad()
def evaluate(
    network: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    batch_size: int,
    precision: Precision = "float32",
) -> tuple[float, float]:
    """Evaluate in eval mode.

    Returns
    -------
    The loss, a plain mean over batches of each batch's mean loss (the last batch may be smaller,
    and counts as much as the others), and the accuracy over all images.
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


def first_not_finite(losses: torch.Tensor) -> int | None:
    """Return the place of the first loss that is not finite; None if all are."""
    wrong = (~torch.isfinite(losses)).nonzero()
    return int(wrong[0]) if len(wrong) else None


def mean_loss(losses: torch.Tensor) -> float:
    """Mean of float32 batch losses (batches,), added up in float64."""
    return float(losses.double().mean())


def epochs(
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
    numerics: Numerics = "exact",
) -> Iterator[EpochRow]:
    """Train from epoch `first` to the run's last one, giving a row after each epoch.

    Augmentation takes its seed from torch's default generator as it was last seeded.

    Parameters
    ----------
    first, seconds
        Where a resumed run goes on: the number of finished epochs and their training time.
    on_losses
        Called before each row with its epoch and the losses of its steps, float (steps,).
    numerics
        How the layers are computed on the CPU; see `hindi_bn.training.numerics`.

    Raises
    ------
    DivergedError
        When a loss is not finite; the rows before that epoch have been given.
    """
    pair, stream = WeightPair(network, run.capture), EpochStream()
    layers = arrange(network, numerics)
    augmenter = Augmenter(data, run.augment, torch.initial_seed())
    for epoch in range(first, run.epochs):
        order = stream.begin(len(data.train_labels)).to(data.train_labels.device)
        start = time.perf_counter()
        losses, accuracy = train_epoch(
            layers, optimizer, augmenter.tensors(epoch), order, run.batch_size, on_step, precision
        )
        seconds += time.perf_counter() - start
        if (step := first_not_finite(losses)) is not None:
            raise DivergedError(run.name, epoch, step)
        on_losses(epoch, losses)
        wx, wy = pair.read()
        stream.end()
        test_loss, test_accuracy = evaluate(
            layers, data.test_images, data.test_labels, run.test_batch_size, precision
        )
        if not math.isfinite(test_loss):
            raise DivergedError(run.name, epoch, len(losses) - 1)
        yield EpochRow(
            epoch, seconds, mean_loss(losses), accuracy, test_loss, test_accuracy, wx, wy
        )
