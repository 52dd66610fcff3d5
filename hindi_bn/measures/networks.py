"""Measures of a trained network: what batch statistics do to its answers, and other test digits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.networks import Norm, layer_table, norm_of
from hindi_bn.records import Record
from hindi_bn.training.loop import predict
from hindi_bn.training.numerics import arrange
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale

BATCH_SIZES = (1, 2, 8, 32, 256)
MATES = 32
"""Size of the batches whose members are exchanged."""

AT_ONCE = 64
"""Images of a forward pass in eval mode: their maps stay in the caches."""

FACTORS = (0.5, 0.7, 1.3)
ANGLES = (-45, -30, -15, 15, 30, 45)
"""Degrees; positive is clockwise."""


def batch_statistics(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how test answers change with the statistics that normalise them.

    The test images are taken in a shuffled order, always the same. Layers that normalise over the
    batch take the batch's own statistics, everything else is in eval mode, and the running
    averages stay. A remainder of one image joins the batch before it. After a convolution a
    batch of one image has the values of all its pixels; where a channel would have one value
    nothing can be normalised, and the quantities at 1 are left away. `batch-noisy` is measured
    without its noise.

    Returns
    -------
    - running_accuracy: test accuracy with running averages.
    - accuracy_at_N, for N of `BATCH_SIZES`: with the statistics of batches of N.
    - loss_at_N: running_accuracy - accuracy_at_N.
    - changed_answers: share of test images whose answer is another one when they are shuffled into
      other batches of 32.
    - refusing_layers_at_1: layers that cannot normalise one image.
    """
    network, labels = load_network(record), digits.test_labels
    refusing = _refusing(network, record.study.image_size)
    network = arrange(network, "fast")
    images = scale(digits.test_images, run_constants(digits, record.run))
    evaluated = predict(network, images, AT_ONCE).argmax(1)
    depends = bool(_over_the_batch(network))

    def answers_of(seed: int, size: int) -> torch.Tensor:
        if not depends:
            return evaluated
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        return _answers(network, images, order, size)

    running = _accuracy(evaluated, labels)
    values = {"running_accuracy": running, "refusing_layers_at_1": float(refusing)}
    answers = {size: answers_of(0, size) for size in BATCH_SIZES if size > 1 or not refusing}
    for size, answer in answers.items():
        values[f"accuracy_at_{size}"] = _accuracy(answer, labels)
        values[f"loss_at_{size}"] = running - values[f"accuracy_at_{size}"]
    changed = answers[MATES] != answers_of(1, MATES)
    values["changed_answers"] = int(changed.sum()) / len(labels)
    return values


def _refusing(network: nn.Module, image_size: int) -> int:
    """Count the layers over the batch that see one value a channel in a batch of one image."""
    assert isinstance(network, nn.Sequential)
    shapes = {
        layer: row.shape
        for layer, row in zip(network, layer_table(network, image_size)[1:], strict=True)
    }
    return sum(
        norm.values_together(shapes[layer], 1) == 1 for layer, norm in _over_the_batch(network)
    )


def _over_the_batch(network: nn.Module) -> list[tuple[nn.Module, Norm]]:
    """Return the layers whose training output for an image depends on the others of its batch."""
    norms = [(layer, norm_of(layer)) for layer in network.modules()]
    return [(layer, norm) for layer, norm in norms if norm and norm.over == "batch"]


@torch.no_grad()
def _answers(
    network: nn.Module, images: torch.Tensor, order: torch.Tensor, size: int
) -> torch.Tensor:
    """Classify images in batches of `size` in the given order, by the batches' own statistics.

    Returns
    -------
    int64 (images,), in the order of the images.
    """
    answers = torch.empty(len(images), dtype=torch.int64)
    for batch in _batches(order, size):
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


def shifted_digits(record: Record, digits: Digits) -> dict[str, float]:
    """Measure the accuracy on scaled and on rotated test digits.

    The grey values are moved bilinearly around the middle of the image; what comes from outside is
    black, as the digits' background is. Scaling of the grey values follows as in training.

    Returns
    -------
    - upright_accuracy: on the test digits as they are.
    - scaled_0.5, scaled_0.7, scaled_1.3; rotated_-45 ... rotated_45: accuracies.
    - scaled_accuracy, rotated_accuracy: means of these.
    """
    from torchvision.transforms.v2 import InterpolationMode, functional

    network, constants = arrange(load_network(record), "fast"), run_constants(digits, record.run)

    def accuracy(angle: float = 0.0, factor: float = 1.0) -> float:
        moved = functional.affine(
            digits.test_images.unsqueeze(1), angle, [0, 0], factor, [0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )  # fmt: skip
        answers = predict(network, scale(moved.squeeze(1), constants), AT_ONCE).argmax(1)
        return _accuracy(answers, digits.test_labels)

    scaled = {f"scaled_{factor}": accuracy(factor=factor) for factor in FACTORS}
    rotated = {f"rotated_{angle}": accuracy(angle=angle) for angle in ANGLES}
    upright = predict(network, scale(digits.test_images, constants), AT_ONCE).argmax(1)
    return {
        "upright_accuracy": _accuracy(upright, digits.test_labels),
        **scaled,
        **rotated,
        "scaled_accuracy": sum(scaled.values()) / len(scaled),
        "rotated_accuracy": sum(rotated.values()) / len(rotated),
    }


def _accuracy(answers: torch.Tensor, labels: torch.Tensor) -> float:
    return int((answers == labels).sum()) / len(labels)
