"""What is refused before training: normalisation layers that cannot work where they stand."""

from __future__ import annotations

import math

import torch
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks.architectures import build_run
from hindi_bn.networks.norms import OVER_THE_BATCH, divisors
from hindi_bn.networks.table import Layer, layer_table
from hindi_bn.study import Run


def check(run: Run, train_images: int, image_size: int = 32) -> None:
    """Refuse a run with a normalisation layer that would have one value to normalise.

    Less its own mean a single value is 0, whatever it was: the layer passes nothing on, and nothing
    before it can learn. Nothing is drawn from torch's default generator.

    Parameters
    ----------
    train_images
        Number of training images; with the batch size they give the size of the last batch.
    image_size
        Height and width of the images in pixels.

    Raises
    ------
    StudyError
        Also for what `build_run` refuses: groups that do not divide, instance normalisation of
        features, options that the network does not have, images that are too small.
    """
    with torch.random.fork_rng(devices=[]):
        network = build_run(run, image_size)
    smallest = min(run.batch_size, train_images % run.batch_size or run.batch_size, train_images)
    for row in layer_table(network, image_size)[1:]:
        if row.kind == "normalisation":
            _check_layer(run, network[int(row.name)], row, smallest, train_images)


def _check_layer(run: Run, layer: nn.Module, row: Layer, batch: int, train_images: int) -> None:
    if isinstance(layer, OVER_THE_BATCH):
        if batch * _pixels(row) == 1:
            raise _one_in_a_batch(run, row, train_images)
    elif isinstance(layer, nn.InstanceNorm2d) and _pixels(row) == 1:
        raise _one_value(
            row,
            f"The maps there have a single pixel ({_shape(row)}), so each channel of an image is "
            "one value.",
            "choose another norm, or larger images",
        )
    elif isinstance(layer, nn.GroupNorm) and math.prod(row.shape) == layer.num_groups:
        fewer = [d for d in divisors(row.shape[0]) if d < row.shape[0]]
        hint = f"set norm.groups to one of {', '.join(map(str, fewer))}" if fewer else ""
        raise _one_value(
            row, f"Each group there holds one value ({_shape(row)}).", hint or "choose another norm"
        )
    elif isinstance(layer, nn.LayerNorm) and row.shape == (1,):
        raise _one_value(
            row, "The layer there has a single unit.", "set options.width to 2 or more"
        )


def _one_in_a_batch(run: Run, row: Layer, train_images: int) -> StudyError:
    if run.batch_size == 1 or train_images == 1:
        return _one_value(
            row,
            "Batches of one image leave one value of each feature.",
            "set batch_size to 2 or more, or choose norm layer or group",
        )
    fitting = next(
        size for size in range(run.batch_size + 1, 2 * train_images) if train_images % size != 1
    )
    return _one_value(
        row,
        f"{train_images} training images in batches of {run.batch_size} leave a last batch of one "
        "image, with one value of each feature.",
        f"set batch_size to another number, such as {fitting}, or choose norm layer or group",
    )


def _one_value(row: Layer, why: str, next_step: str) -> StudyError:
    return StudyError(
        f"{row.description} (layer {row.name}) would have one value to normalise.",
        f"{why} Less its own mean that is 0, whatever it was, so nothing could be learned.",
        next_step,
    )


def _pixels(row: Layer) -> int:
    return math.prod(row.shape[1:])


def _shape(row: Layer) -> str:
    return " x ".join(map(str, row.shape))
