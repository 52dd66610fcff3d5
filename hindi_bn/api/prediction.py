"""Predictions: the digit on one's own images, by a trained run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hindi_bn import digits as source
from hindi_bn.api.runs import RunLike, read_run
from hindi_bn.digits.own_images import SIDE, prepare
from hindi_bn.errors import RunError
from hindi_bn.training.loop import predict as probabilities_of
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale, scaling_constants


@dataclass(frozen=True)
class Prediction:
    """A run's answer: the digit, the ten probabilities, and how the image was prepared."""

    image: str
    digit: int
    probability: float
    probabilities: tuple[float, ...]
    prepared: tuple[str, ...]
    run: str
    trained_on: str


def predict(
    images: Sequence[str | os.PathLike[str]],
    run: RunLike = "results/article/bn",
    *,
    data_dir: str | os.PathLike[str] = "data",
) -> list[Prediction]:
    """Predict which Hindi digit each image shows, whatever its size and polarity.

    Args:
        images: Files; each is made like the training images (32 x 32, white on black). DataError
            when one cannot be read as an image or shows nothing.
        run: A finished run that was trained on the Hindi digits; else RunError.
        data_dir: Where the run's data are; needed only for `scaling: standard`.
    """
    record = read_run(run)
    if record.study.image_size != SIDE:
        raise RunError(
            f"{record.folder} cannot be asked about own images: it was trained on "
            f"{record.data_title}.",
            "Own images are prepared as the Hindi digits are, which is not how that data was made.",
            "choose a --run that was trained on the Hindi digits",
        )
    if record.run.scaling == "standard":
        digits = source.load(Path(data_dir), record.study.data)
        record.check_data(digits)
        constants = run_constants(digits, record.run)
    else:
        constants = scaling_constants(torch.empty(0), record.run.scaling)
    prepared = [prepare(Path(image)) for image in images]
    pixels = torch.from_numpy(np.stack([array for array, _ in prepared]))  # (images, 32, 32)
    rows = probabilities_of(load_network(record), scale(pixels, constants)).double()
    return [
        Prediction(
            str(image), int(row.argmax()), float(row.max()), tuple(row.tolist()), tuple(steps),
            str(record.folder), record.data_title,
        )
        for image, (_, steps), row in zip(images, prepared, rows, strict=True)
    ]  # fmt: skip
