"""Digits on photos are read nearly as well as the images that they were made from.

The bars: at least 97 % of the accuracy on the images themselves, for every kind of photo and both
of the networks that come along. On the real digits where they are. Elsewhere at least 93 %, on
the stand-in's, which the networks have never seen: a turn costs more there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import find_real_archive
from photos import KINDS, photo, sheet, taken

import hindi_bn
from hindi_bn.digits import Digits, stand_in

BAR = 0.97 if find_real_archive() else 0.93
EVERY = 30  # of the 3,000 test images


@pytest.fixture(scope="module")
def digits(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Test images and their classes: a hundred, ten of each."""
    if find_real_archive() is None:
        images = stand_in.draw(train_per_class=0, test_per_class=10)[1]
        return images, np.repeat(np.arange(10), 10)
    found: Digits = hindi_bn.load_digits(request.getfixturevalue("real_data_dir"))
    return found.test_images.numpy()[::EVERY], found.test_labels.numpy()[::EVERY]


def accuracy(folder: Path, run: str, labels: np.ndarray) -> float:
    """Share of images that are read as one digit, and as the right one."""
    right = [0] * len(labels)
    for answer in hindi_bn.predict([folder], run):
        at = int(Path(answer.image).stem)
        right[at] = int(answer.digit == labels[at]) if answer.place == 1 else 0
    return float(np.mean(right))


@pytest.fixture(scope="module")
def clean(
    digits: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    """Accuracies on the images themselves, by network: computed here from the weights."""
    from hindi_bn.article.trained import read_trained
    from hindi_bn.training.run import load_network

    images, labels = digits
    scaled = torch.from_numpy(images)[:, None].float() / 255
    networks = {name: load_network(read_trained(name)) for name in ("bn", "no-bn")}
    answers = {name: network(scaled).argmax(1).numpy() for name, network in networks.items()}
    return {name: float((found == labels).mean()) for name, found in answers.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_photos_are_read_nearly_as_well_as_their_images(
    kind: str, digits: tuple[np.ndarray, np.ndarray], clean: dict[str, float], tmp_path: Path
) -> None:
    images, labels = digits
    for place, image in enumerate(images):
        photo(image, kind, place).save(tmp_path / f"{place:04d}.png")
    for run, of_images in clean.items():
        assert accuracy(tmp_path, run, labels) >= BAR * of_images, run


def test_a_dozen_spoiled_photos_are_read(
    digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """The short form of the bars: all that can go wrong at once."""
    images, labels = digits[0][3::10], digits[1][3::10]
    for place, image in enumerate(images):
        photo(image, "combined", place).save(tmp_path / f"{place:04d}.png")
    assert accuracy(tmp_path, "bn", labels) >= 0.7  # ten photos: three of them may fail


def test_digits_side_by_side_are_read_from_left_to_right(
    digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, labels = digits
    three = [15, 27, 95]
    rng = np.random.default_rng(3)
    taken(sheet([images[n] for n in three], rng), rng).save(tmp_path / "three.png")
    answers = hindi_bn.predict([tmp_path / "three.png"])
    assert [answer.place for answer in answers] == [1, 2, 3]
    assert [answer.digit for answer in answers] == [labels[n] for n in three]
