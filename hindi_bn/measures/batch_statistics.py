"""How test answers change with the statistics that normalise them."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import AT_ONCE, accuracy_of
from hindi_bn.networks import Norm, layer_table, norm_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric, accuracy, points
from hindi_bn.training.loop import predict
from hindi_bn.training.numerics import arrange
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale

BATCH_SIZES = (1, 2, 8, 32, 256)
MATES = 32
"""Size of the batches whose members are exchanged."""

VERSION = 2
VALUES = {
    "running_accuracy": accuracy("Test accuracy with running averages"),
    **{f"accuracy_at_{n}": accuracy(f"Test accuracy with batches of {n}") for n in BATCH_SIZES},
    **{
        f"loss_at_{n}": points(f"Accuracy lost with the statistics of batches of {n}")
        for n in BATCH_SIZES
    },
    **{
        f"sorted_accuracy_at_{n}": accuracy(f"Test accuracy with batches of {n} of one digit")
        for n in BATCH_SIZES[1:]
    },
    **{
        f"sorted_loss_at_{n}": points(f"Accuracy lost with batches of {n} of one digit")
        for n in BATCH_SIZES[1:]
    },
    "changed_answers": accuracy(f"Answers that change with other batches of {MATES}"),
    "changed_answers_sorted": accuracy(
        f"Answers that change from mixed batches of {MATES} to batches of one digit"
    ),
    "refusing_layers_at_1": Metric("Layers that cannot normalise one image"),
}
"""Accuracies and changed answers are shares of the test images."""


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how test answers change with the statistics that normalise them.

    The test images are taken in a shuffled order, always the same. Layers that normalise over the
    batch take the batch's own statistics, everything else is in eval mode, and the running
    averages stay. A remainder of one image joins the batch before it. `sorted_...` are the same
    with batches of one digit each, in the order of the test images. After a convolution a
    batch of one image has the values of all its pixels; where a channel would have one value
    nothing can be normalised, and the values at 1 are left away. `batch-noisy` is measured
    without its noise.
    """
    network: nn.Module = load_network(record)
    labels = digits.test_labels
    refusing = _refusing(network, record.study.image_size)
    network = arrange(network, "fast")
    images = scale(digits.test_images, run_constants(digits, record.run))
    evaluated = predict(network, images, AT_ONCE).argmax(1)
    depends = bool(_over_the_batch(network))

    def answers_of(parts: Sequence[torch.Tensor], size: int) -> torch.Tensor:
        return _answers(network, images, parts, size) if depends else evaluated

    shuffled, again = (
        torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    )
    by_digit = [(labels == digit).nonzero().flatten() for digit in labels.unique()]
    running = accuracy_of(evaluated, labels)
    values = {"running_accuracy": running, "refusing_layers_at_1": float(refusing)}
    sizes = [size for size in BATCH_SIZES if size > 1 or not refusing]
    answers = {("", size): answers_of([shuffled], size) for size in sizes}
    answers |= {("sorted_", size): answers_of(by_digit, size) for size in BATCH_SIZES[1:]}
    for (order, size), answer in answers.items():
        values[f"{order}accuracy_at_{size}"] = accuracy_of(answer, labels)
        values[f"{order}loss_at_{size}"] = running - accuracy_of(answer, labels)
    mixed = answers["", MATES]
    others = {"": answers_of([again], MATES), "_sorted": answers["sorted_", MATES]}
    for name, other in others.items():
        values[f"changed_answers{name}"] = int((mixed != other).sum()) / len(labels)
    return values


def _refusing(network: nn.Module, image_size: int) -> int:
    """Count the layers over the batch that see one value a channel in a batch of one image."""
    assert isinstance(network, nn.Sequential)
    rows = zip(network, layer_table(network, image_size)[1:], strict=True)
    shapes = {layer: row.shape for layer, row in rows}
    over = _over_the_batch(network)
    return sum(norm.values_together(shapes[layer], 1) == 1 for layer, norm in over)


def _over_the_batch(network: nn.Module) -> list[tuple[nn.Module, Norm]]:
    """Return the layers whose training output for an image depends on the others of its batch."""
    norms = [(layer, norm_of(layer)) for layer in network.modules()]
    return [(layer, norm) for layer, norm in norms if norm and norm.over == "batch"]


@torch.no_grad()
def _answers(
    network: nn.Module, images: torch.Tensor, parts: Sequence[torch.Tensor], size: int
) -> torch.Tensor:
    """Classify images in batches of `size` within each part, by the batches' own statistics.

    The parts are places of images, in their order, and hold every image once. Returns int64
    (images,), in the order of the images.
    """
    answers = torch.empty(len(images), dtype=torch.int64)
    for batch in (batch for part in parts for batch in _batches(part, size)):
        with _batch_statistics(network):
            answers[batch] = network(images[batch]).argmax(1)
    return answers


def _batches(order: torch.Tensor, size: int) -> list[torch.Tensor]:
    batches = list(order.split(size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


@contextlib.contextmanager
def _batch_statistics(network: nn.Module) -> Iterator[None]:
    """Let layers over the batch use a batch's statistics for a while, and put them back."""
    network.eval()
    layers = _over_the_batch(network)
    kept = [(buffer, buffer.clone()) for layer, _ in layers for buffer in layer.buffers()]
    for layer, norm in layers:
        layer.train()
        norm.without_noise(layer)
    try:
        yield
    finally:
        network.eval()
        for buffer, value in kept:
            buffer.copy_(value)
