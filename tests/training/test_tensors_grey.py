"""Training images kept as grey values: the bits of images scaled beforehand."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_digits, tiny_study

from hindi_bn.study import Scaling
from hindi_bn.training.tensors import Tensors, run_tensors, scale, to_tensors

CPU = torch.device("cpu")


@pytest.mark.parametrize("scaling", ["unit", "half", "standard"])
def test_grey_images_are_scaled_batch_by_batch_to_the_same_bits(scaling: Scaling) -> None:
    digits, places = tiny_digits(), torch.tensor([3, 69, 0, 3])
    whole = to_tensors(digits, scaling, CPU)
    grey = run_tensors(digits, tiny_study(scaling=scaling).runs[0], CPU)
    assert grey.train_images.dtype == torch.uint8
    assert grey.train_images.data_ptr() == digits.train_images.data_ptr()  # not even copied
    assert torch.equal(grey.training_batch(places), whole.train_images[places])
    assert torch.equal(whole.training_batch(places), whole.train_images[places])
    assert torch.equal(grey.test_images, whole.test_images)


@pytest.mark.parametrize("constants", [(0.0, 1.0), (0.5, 0.5), (0.24817, 0.34611), (1e-3, 3.0)])
def test_every_grey_value_is_scaled_to_the_same_bits(constants: tuple[float, float]) -> None:
    grey, none = torch.arange(256, dtype=torch.uint8).view(1, 16, 16), torch.zeros(0)
    tensors = Tensors(grey, none, none, none, constants=constants)
    assert torch.equal(tensors.training_batch(torch.tensor([0])), scale(grey, constants))


def test_what_is_augmented_is_scaled_before() -> None:
    augmented = run_tensors(tiny_digits(), tiny_study(augment="crop").runs[0], CPU)
    assert augmented.train_images.dtype == torch.float32
