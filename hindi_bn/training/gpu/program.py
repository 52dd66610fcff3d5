"""Epochs as work on a device's buffers alone, so that a CUDA graph can hold a whole step.

A step reads its place in the epoch from the device and leaves its loss and its count of right
answers there: nothing goes from or to the host between an epoch's first step and its last. The
same code runs step by step on any device; there it gives the bits of `hindi_bn.training.loop`.
"""

import math

import torch
from torch.nn import functional

from hindi_bn.study import Run
from hindi_bn.training.augment import Augmenter
from hindi_bn.training.device import autocast
from hindi_bn.training.loop import Result, TorchLearner, mean_loss, step
from hindi_bn.training.tensors import Tensors

IMAGES_AT_ONCE = 4096  # test images (times networks) in one forward pass: enough to fill a GPU


class Program:
    """The epochs of a learner as work on buffers; nothing but `results` waits for the device.

    `sizes` are the images of each step of an epoch, `order` is that of its training images: int64
    (*lead, images). `seed` is that of an augmentation, which shows all networks the same images.
    """

    def __init__(
        self,
        learner: TorchLearner,
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
        self.learner.layers.train()
        batch = self.order.index_select(-1, self._places[:size])  # (*lead, size)
        labels = self._data.train_labels[batch]
        loss, logits = step(self.learner, self._images[batch], labels)
        here = self._starts == self._places[0]  # (steps,), true at this step
        self._losses.copy_(torch.where(here, loss.unsqueeze(-1), self._losses))
        self._hits[..., :size].add_(logits.argmax(-1) == labels)
        self._places += len(self._places)

    @torch.no_grad()
    def evaluate(self) -> None:
        """Evaluate on all test images: each one's loss, and the number of right answers."""
        self._test_hits.zero_()
        self.learner.layers.eval()
        for first in range(0, len(self._data.test_labels), self._chunk):
            here = slice(first, first + self._chunk)
            labels = self._data.test_labels[here]
            images = self._data.test_images[here]
            with autocast(self.learner.precision, images.device):
                shown = images.expand(*self.learner.lead, *images.shape)
                logits = self.learner.layers(shown).to(self._losses.dtype)
            losses = functional.cross_entropy(
                logits.flatten(0, -2), labels.expand(logits.shape[:-1]).flatten(), reduction="none"
            )
            self._each_test_loss[..., here] = losses.view(logits.shape[:-1])
            self._test_hits += (logits.argmax(-1) == labels).sum(-1)

    def results(self) -> list[Result]:
        """Wait for the device and return the epoch's result of each network."""
        trained, tested = len(self._data.train_labels), len(self._data.test_labels)
        test_losses = batch_means(self._each_test_loss, self._test_batch)
        columns = (
            self._losses, self._hits.sum(-1, keepdim=True), test_losses,
            self._test_hits.unsqueeze(-1),
        )  # fmt: skip
        widths = [column.shape[-1] for column in columns]
        table = torch.cat([column.double() for column in columns], -1).cpu()  # exact in float64
        results = []
        for line in table.view(-1, sum(widths)):
            losses, hits, test_loss, test_hits = line.split(widths)
            accuracies = float(hits) / trained, float(test_hits) / tested
            results.append(Result(losses, accuracies[0], mean_loss(test_loss), accuracies[1]))
        return results


def batch_means(losses: torch.Tensor, size: int) -> torch.Tensor:
    """Mean loss of each batch: (..., images) to (..., batches); the last batch may be smaller."""
    whole = losses.shape[-1] // size
    means: torch.Tensor = losses[..., : whole * size].unflatten(-1, (whole, size)).mean(-1)
    if whole * size == losses.shape[-1]:
        return means
    return torch.cat([means, losses[..., whole * size :].mean(-1, keepdim=True)], -1)
