"""Predictions: the digits on one's own images, by a trained run."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hindi_bn import digits as source
from hindi_bn.api.runs import RunLike, read_run
from hindi_bn.article.trained import NAMES, Doubt, read_doubt, read_trained, temperature_on_test
from hindi_bn.digits.own_images import Source, Written, read_digits
from hindi_bn.digits.shapes import SIDE
from hindi_bn.errors import DataError, HindiBnError, RunError
from hindi_bn.files import replacing
from hindi_bn.records import Record
from hindi_bn.stats.calibration import calibrated
from hindi_bn.stats.scores import per_class
from hindi_bn.training.loop import predict as probabilities_of
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale, scaling_constants

SURE = 0.9  # least probability of an answer without doubt
STDIN = "-"


@dataclass(frozen=True)
class Prediction:
    """A run's answer: a digit found in an image, with doubts; or why an image has no answer.

    Attributes:
        place: Of the digit in its image, line by line from 1; 0 without an answer.
        probabilities: Of the ten digits, calibrated, mean over the views of the image.
        doubts: Why the answer is unsure; nothing when it is sure.
        prepared: What was done to the image, a sentence per step.
        pixels: What the network saw, uint8 (32, 32).
    """

    image: str
    place: int
    digit: int | None
    probability: float
    probabilities: tuple[float, ...]
    doubts: tuple[str, ...]
    prepared: tuple[str, ...]
    run: str
    trained_on: str
    pixels: Any = None
    error: str = ""
    label: int | None = None


def predict(
    images: Sequence[str | os.PathLike[str]],
    run: RunLike = "bn",
    *,
    data_dir: str | os.PathLike[str] = "data",
    labels: bool = False,
) -> list[Prediction]:
    """Predict which Hindi digits images show, whatever their size and polarity.

    Args:
        images: Files, folders of files, or `-` for an image on standard input. An image that cannot
            be read, or shows nothing, has an answer without a digit that says so in `error`.
        run: A finished run that was trained on the Hindi digits (else RunError), or `bn` or `no-bn`
            for the article's networks, which come with hindi-bn.
        data_dir: Where the run's data are: for `scaling: standard`, and to calibrate other runs
            than those two, whose probabilities are taken as they are without.
        labels: Take each image's true digit from the end of its folder's name, as in `digit_3`.
            DataError where it has none.
    """
    asked = _Asked.of(run, Path(data_dir))
    return [
        replace(answer, label=_label(file) if labels else None)
        for file in _files(images)
        for answer in asked.answers(file)
    ]


def score(answers: Sequence[Prediction]) -> dict[str, Any]:
    """Score labelled answers by image: one that is read as none or several digits counts as wrong.

    Returns images, right, accuracy, unsure (a share of the images), sure_wrong (a share of those
    that are sure), per_class (a row per digit; of images read as one digit).
    """
    by_image: dict[str, list[Prediction]] = {}
    for answer in answers:
        by_image.setdefault(answer.image, []).append(answer)
    first = [of[0] for of in by_image.values()]
    right = [len(of) == 1 and of[0].digit == of[0].label for of in by_image.values()]
    sure = [not any(one.doubts or one.error for one in of) for of in by_image.values()]
    single = [of[0] for of in by_image.values() if len(of) == 1 and of[0].digit is not None]
    wrong = sum(is_sure and not is_right for is_sure, is_right in zip(sure, right, strict=True))
    of_single = np.array([(one.label, one.digit) for one in single], dtype=np.int64).reshape(-1, 2)
    return {
        "images": len(first),
        "right": sum(right),
        "accuracy": sum(right) / len(first),
        "unsure": 1 - sum(sure) / len(first),
        "sure_wrong": wrong / sum(sure) if any(sure) else None,
        "per_class": per_class(*of_single.T).to_dict("records") if single else [],
    }


def save_seen(answers: Sequence[Prediction], folder: str | os.PathLike[str]) -> list[Path]:
    """Write what the network saw as PNG files of 32 x 32: number, name and place of each digit."""
    from PIL import Image

    files = []
    for number, answer in enumerate(answers, start=1):
        if answer.pixels is not None:
            files.append(Path(folder, f"{number:03d}-{Path(answer.image).stem}-{answer.place}.png"))
            with replacing(files[-1]) as temporary:
                Image.fromarray(answer.pixels).save(temporary)
    return files


@dataclass(frozen=True)
class _Asked:
    """A trained network, and what its answers and doubts rest on."""

    name: str
    record: Record
    network: torch.nn.Module
    constants: tuple[float, float]
    temperature: float
    doubt: Doubt

    @classmethod
    def of(cls, run: RunLike, data_dir: Path) -> "_Asked":
        packed = run if isinstance(run, str) and run in NAMES else ""
        record = read_trained(packed) if packed else read_run(run)
        if record.study.image_size != SIDE:
            raise RunError(
                f"{record.folder} cannot be asked about own images: it was trained on "
                f"{record.data_title}.",
                "Own images are prepared as the Hindi digits are, which is not how that data was "
                "made.",
                "choose a --run that was trained on the Hindi digits",
            )
        constants = scaling_constants(torch.empty(0), "unit")
        doubt = read_doubt()
        temperature = doubt.temperatures[packed] if packed else 1.0
        if not packed:
            try:
                digits = source.load(data_dir, record.study.data)
                temperature = temperature_on_test(record, digits)
                constants = run_constants(digits, record.run)
            except HindiBnError:
                if record.run.scaling == "standard":
                    raise
                constants = scaling_constants(torch.empty(0), record.run.scaling)
        name = f"{packed} (comes with hindi-bn)" if packed else str(record.folder)
        return cls(name, record, load_network(record), constants, temperature, doubt)

    def answers(self, file: str) -> Iterator[Prediction]:
        from_where = self.name, self.record.data_title
        try:
            digits = read_digits(_opened(file), "standard input" if file == STDIN else file)
        except DataError as error:
            yield Prediction(file, 0, None, 0.0, (), (), (), *from_where, error=str(error))
            return
        for place, written in enumerate(digits, start=1):
            row = self._probabilities(written)
            doubts = list(written.doubts)
            if self.doubt.likeness.distances(written.views[:1])[0] > self.doubt.farthest:
                doubts.append("unlike every digit of the training images")
            if row.max() < SURE:
                doubts.append(f"probability below {100 * SURE:.0f} %")
            yield Prediction(
                file, place, int(row.argmax()), float(row.max()), tuple(row.tolist()),
                tuple(doubts), written.steps, *from_where, pixels=written.views[0],
            )  # fmt: skip

    def _probabilities(self, written: Written) -> Any:
        scaled = scale(torch.from_numpy(written.views), self.constants)
        rows = probabilities_of(self.network, scaled).double().numpy()
        return calibrated(rows, self.temperature).mean(axis=0)


def _files(images: Sequence[str | os.PathLike[str]]) -> Iterator[str]:
    """Files in the order given; of a folder all images in it and below, by name."""
    from PIL import Image

    for image in (os.fspath(one) for one in images):
        if not Path(image).is_dir():
            yield image
            continue
        suffixes = Image.registered_extensions()
        found = [file for file in Path(image).rglob("*") if file.suffix.lower() in suffixes]
        if not found:
            raise DataError(f"{image} holds no images.", "", "name a folder of PNG or JPEG files")
        yield from map(str, sorted(found))


def _opened(file: str) -> Source:
    return io.BytesIO(sys.stdin.buffer.read()) if file == STDIN else Path(file)


def _label(file: str) -> int:
    folder = Path(file).absolute().parent.name
    if not folder[-1:].isdecimal():
        raise DataError(
            f"{file} has no label.",
            f"Its folder is called {folder!r}, which does not end in a digit.",
            "sort the images into folders such as 0 to 9 or digit_0 to digit_9",
        )
    return int(folder[-1])
