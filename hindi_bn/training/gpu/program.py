"""Epochs as work on a device's buffers alone, so that a CUDA graph can hold a whole step.

A step reads its place in the epoch from the device and leaves its loss and its count of right
answers there: nothing goes from or to the host between an epoch's first step and its last. The
same code runs step by step on any device; there it gives the bits of `hindi_bn.training.loop`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from hindi_bn.study import Precision, Run
from hindi_bn.training.augment import Augmenter
from hindi_bn.training.device import autocast
from hindi_bn.training.loop import EpochRow, first_not_finite, mean_loss
from hindi_bn.training.tensors import Tensors
from hindi_bn.training.weights import WeightPair

IMAGES_AT_ONCE = 4096
"""Test images (times networks) in one forward pass: enough to fill a GPU."""


class Learner(Protocol):
    """What learns in a program: one network, or several at once.

    Attributes
    ----------
    lead
        Leading shape of all its results: () for one network, (members,) for several.
    optimizer
        Changes its parameters.
    """

    lead: tuple[int, ...]
    optimizer: torch.optim.Optimizer

    def learn(
        self, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make a step on images (*lead, batch, 1, height, width) and labels (*lead, batch).

        Returns
        -------
        The mean loss before the step (*lead), and the logits (*lead, batch, classes).
        """
        ...

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Evaluate images (batch, 1, height, width): (*lead, batch, classes), in eval mode."""
        ...

    def pair(self) -> torch.Tensor:
        """Return wx and wy as they are now: (*lead, 2)."""
        ...

    def buffers(self) -> list[torch.Tensor]:
        """Return what a step changes beside the optimiser's parameters and state."""
        ...


class SingleLearner:
    """One network with its optimiser; see `Learner`."""

    lead: tuple[int, ...] = ()

    def __init__(
        self,
        run: Run,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: Precision = "float32",
    ) -> None:
        self.network, self.optimizer, self._precision = network, optimizer, precision
        self._pair = WeightPair(network, run.capture)

    def learn(
        self, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make a step; the loss (), and the logits (batch, classes)."""
        self.network.train()
        self.optimizer.zero_grad()
        with autocast(self._precision, images.device):
            logits = self.network(images)
            loss = functional.cross_entropy(logits, labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), logits.detach()

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Evaluate: (batch, classes)."""
        self.network.eval()
        with autocast(self._precision, images.device):
            logits: torch.Tensor = self.network(images)
        return logits

    def pair(self) -> torch.Tensor:
        """Return wx and wy: (2,)."""
        return self._pair.values()

    def buffers(self) -> list[torch.Tensor]:
        """Return the network's buffers."""
        return list(self.network.buffers())


@dataclass(frozen=True)
class Result:
    """What an epoch of one network gave.

    Parameters
    ----------
    losses
        Mean loss of each training batch, (steps,) on the CPU.
    train_accuracy, test_loss, test_accuracy, wx, wy
        As in `EpochRow`.
    """

    losses: torch.Tensor
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    wx: float
    wy: float

    @property
    def diverged_at(self) -> int | None:
        """The first step whose loss is not finite, or the last if the test loss is not.

        None if all are finite.
        """
        first = first_not_finite(self.losses)
        if first is None and not math.isfinite(self.test_loss):
            return len(self.losses) - 1
        return first

    def row(self, epoch: int, seconds: float) -> EpochRow:
        """Return the epoch's row of history.csv."""
        return EpochRow(
            epoch, seconds, mean_loss(self.losses), self.train_accuracy,
            self.test_loss, self.test_accuracy, self.wx, self.wy,
        )  # fmt: skip


class Program:
    """The epochs of a learner as work on buffers; nothing but `results` waits for the device.

    Parameters
    ----------
    data
        Images and labels on the device.
    run
        Gives the batch sizes.
    images_at_once
        Test images (times networks) in one forward pass; whole test batches, at least one.
    seed
        Of the augmentation, if the run has one; all networks then see the same images.

    Attributes
    ----------
    sizes
        Images of each step of an epoch; the last may be smaller.
    order
        The epoch's order of the training images: int64 (*lead, images).
    device
        Where the buffers are.
    """

    def __init__(
        self,
        learner: Learner,
        data: Tensors,
        run: Run,
        images_at_once: int = IMAGES_AT_ONCE,
        seed: int = 0,
    ) -> None:
        self.learner, self._data, lead = learner, data, learner.lead
        images, self.device = len(data.train_labels), data.train_labels.device
        device = self.device
        batch = min(run.batch_size, images)
        self.sizes = [batch] * (images // batch) + [images % batch] * (images % batch > 0)
        self._test_batch = run.test_batch_size
        whole = images_at_once // (math.prod(lead) * run.test_batch_size)
        self._chunk = max(1, whole) * run.test_batch_size
        floats = data.train_images.dtype
        self._augmenter = Augmenter(data, run.augment, seed)
        self._images = data.train_images if run.augment == "none" else data.train_images.clone()
        self._starts = torch.arange(0, images, batch, device=device)  # first place of each step
        self._places = torch.arange(batch, device=device)  # of the next step's images in the order
        self.order = torch.zeros(*lead, images, dtype=torch.int64, device=device)
        self._losses = torch.zeros(*lead, len(self.sizes), dtype=floats, device=device)
        self._hits = torch.zeros(*lead, batch, dtype=torch.int64, device=device)  # by place
        self._each_test_loss = torch.zeros(
            *lead, len(data.test_labels), dtype=floats, device=device
        )
        self._test_hits = torch.zeros(lead, dtype=torch.int64, device=device)

    def begin(self, order: torch.Tensor, epoch: int = 0) -> None:
        """Begin an epoch in the given order of the training images: int64 (*lead, images)."""
        images = self._augmenter.images(epoch)
        if images is not self._images:
            self._images.copy_(images)
        self.order.copy_(order.view_as(self.order))
        torch.arange(len(self._places), out=self._places)
        self._hits.zero_()

    def step(self, size: int) -> None:
        """Make the epoch's next step, on `size` images."""
        batch = self.order.index_select(-1, self._places[:size])  # (*lead, size)
        labels = self._data.train_labels[batch]
        loss, logits = self.learner.learn(self._images[batch], labels)
        here = self._starts == self._places[0]  # (steps,), true at this step
        self._losses.copy_(torch.where(here, loss.unsqueeze(-1), self._losses))
        self._hits[..., :size].add_(logits.argmax(-1) == labels)
        self._places += len(self._places)

    @torch.no_grad()
    def evaluate(self) -> None:
        """Evaluate on all test images: each one's loss, and the number of right answers."""
        self._test_hits.zero_()
        for first in range(0, len(self._data.test_labels), self._chunk):
            here = slice(first, first + self._chunk)
            labels = self._data.test_labels[here]
            logits = self.learner.logits(self._data.test_images[here]).to(self._losses.dtype)
            losses = functional.cross_entropy(
                logits.flatten(0, -2),
                labels.expand(logits.shape[:-1]).flatten(),
                reduction="none",
            )
            self._each_test_loss[..., here] = losses.view(logits.shape[:-1])
            self._test_hits += (logits.argmax(-1) == labels).sum(-1)

    def results(self) -> list[Result]:
        """Wait for the device and return the epoch's result of each network."""
        trained, tested = len(self._data.train_labels), len(self._data.test_labels)
        test_losses = batch_means(self._each_test_loss, self._test_batch)
        columns = (
            self._losses, self._hits.sum(-1, keepdim=True), test_losses,
            self._test_hits.unsqueeze(-1), self.learner.pair(),
        )  # fmt: skip
        widths = [column.shape[-1] for column in columns]
        table = torch.cat([column.double() for column in columns], -1).cpu()  # exact in float64
        results = []
        for line in table.view(-1, sum(widths)):
            losses, hits, test_loss, test_hits, pair = line.split(widths)
            results.append(
                Result(
                    losses, float(hits) / trained, mean_loss(test_loss),
                    float(test_hits) / tested, *pair.tolist(),
                )
            )  # fmt: skip
        return results


def batch_means(losses: torch.Tensor, size: int) -> torch.Tensor:
    """Mean loss of each batch: (..., images) to (..., batches); the last batch may be smaller."""
    whole = losses.shape[-1] // size
    means: torch.Tensor = losses[..., : whole * size].unflatten(-1, (whole, size)).mean(-1)
    if whole * size == losses.shape[-1]:
        return means
    return torch.cat([means, losses[..., whole * size :].mean(-1, keepdim=True)], -1)
