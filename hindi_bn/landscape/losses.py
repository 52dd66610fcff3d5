"""The loss of a run's network at any weights, by the statistics that its norms use there.

A network with batch norm has three surfaces. `batch`: train mode, in batches of the training size,
each normalised by its own statistics. `running`: eval mode, by the running averages that it was
given. `reestimated`: train mode on all images at once, so that every layer is normalised by the
statistics of all of them at these very weights. Others have one surface, `none`. Dropout and the
noise of norms are off in each.

The networks that the engine knows are computed by it, whichever way they were trained, with the
same bits on every processor; others by torch, arranged for speed.
"""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional

from hindi_bn import engine
from hindi_bn.engine.choice import unknown
from hindi_bn.engine.library import why_not
from hindi_bn.landscape.subset import Subset
from hindi_bn.landscape.weights import put
from hindi_bn.networks import kind_of
from hindi_bn.networks.norms import norm_of
from hindi_bn.records import Record
from hindi_bn.training.loop import make_optimizer
from hindi_bn.training.numerics import arrange
from hindi_bn.training.run import initial_network

STATISTICS = ("batch", "running", "reestimated")
IN_TRAIN_MODE = ("batch", "reestimated")
AT_ONCE = 125
"""Images of a forward pass whose statistics do not depend on their number."""

Value = tuple[float, float]  # mean loss, share of right answers
LossAt = Callable[[torch.Tensor], Value]


def statistics_of(record: Record, asked: tuple[str, ...] = STATISTICS) -> tuple[str, ...]:
    """Return the statistics that a run's network can be asked for, of those that are."""
    return asked if record.run.norm.over == "batch" else ("none",)  # type: ignore[attr-defined]


def by_engine(record: Record, device: torch.device) -> bool:
    """Tell whether the engine takes a run's losses."""
    return device.type == "cpu" and not unknown(record.study, record.run) and not why_not()


def loss_at(
    record: Record, subset: Subset, statistics: str, device: torch.device, at_once: int = AT_ONCE
) -> LossAt:
    """Return what gives the mean loss and the accuracy over the subset at a state (n,)."""
    network = initial_network(record).to(device)
    count = len(subset.labels)
    size = {"batch": record.run.batch_size, "reestimated": count}.get(statistics, at_once)
    take = _engine_losses if by_engine(record, device) else _torch_losses
    losses = take(record, network, subset.to(device), min(size, count), statistics)

    @torch.no_grad()
    def at(state: torch.Tensor) -> Value:
        put(network, state.to(device))
        loss, right = losses()
        return loss / count, right / count

    return at


def _engine_losses(
    record: Record, network: nn.Module, subset: Subset, size: int, statistics: str
) -> Callable[[], tuple[float, int]]:
    """Return what adds up the losses and the right answers of all images."""
    count = len(subset.labels)
    run = record.run.model_copy(update={"batch_size": size, "test_batch_size": count})
    assert isinstance(network, nn.Sequential)
    learner = engine.EngineLearner(run, network, make_optimizer(run, network))

    def in_eval_mode() -> tuple[float, int]:
        loss, accuracy = learner.evaluate(subset.images, subset.labels, count)
        return loss * count, round(accuracy * count)

    def in_train_mode() -> tuple[float, int]:
        total, right = 0.0, 0
        for place, (images, labels) in enumerate(_batches(subset, size)):
            loss, hits = learner.look(images, labels, read=place == 0)
            total, right = total + loss * len(labels), right + hits
        return total, right

    return in_train_mode if statistics in IN_TRAIN_MODE else in_eval_mode


def _torch_losses(
    record: Record, network: nn.Module, subset: Subset, size: int, statistics: str
) -> Callable[[], tuple[float, int]]:
    layers = arrange(network, "fast")
    layers.train(statistics in IN_TRAIN_MODE)
    for layer in network:  # type: ignore[attr-defined]
        if kind_of(layer) == "dropout":
            layer.eval()
        elif norm := norm_of(layer):
            norm.without_noise(layer)

    def losses() -> tuple[float, int]:
        total, right = [], []
        for images, labels in _batches(subset, size):
            logits = layers(images)
            total.append(functional.cross_entropy(logits, labels, reduction="sum").double())
            right.append((logits.argmax(1) == labels).sum())
        return float(torch.stack(total).sum()), int(torch.stack(right).sum())

    return losses


def _batches(subset: Subset, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    return zip(subset.images.split(size), subset.labels.split(size), strict=True)
