"""What stands before a network: halved images and the spatial transformer."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch import nn
from torch.nn import functional as nn_functional
from torchvision.transforms.v2 import InterpolationMode, functional

from hindi_bn.errors import StudyError
from hindi_bn.measures import measure
from hindi_bn.networks import build, last_convolution, layer_table, parameter_count
from hindi_bn.networks.transformer import SpatialTransformer, bilinear
from hindi_bn.records import RunFolder
from hindi_bn.study import network_names
from hindi_bn.training.run import load_network, train_run

IMAGES = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("init", ["default", "kaiming"])
@pytest.mark.parametrize("side", [16, 28, 32])
def test_it_starts_as_the_identity(side: int, init: str) -> None:
    images = IMAGES[..., :side, :side]
    network = build("mlp", transformer=True, init=init, image_size=side)
    torch.testing.assert_close(network[0](images), images, atol=2e-5, rtol=0)
    torch.manual_seed(4)
    without = build("mlp", init=init, image_size=side)
    torch.manual_seed(4)
    network = build("mlp", transformer=True, init=init, image_size=side)
    torch.testing.assert_close(network(images), without(images), atol=1e-4, rtol=0)


def test_it_rotates_and_enlarges_as_torchvision_does() -> None:
    """With the six numbers of an enlargement by 1.3 and a rotation by 20 degrees."""
    transformer = SpatialTransformer(32)
    transformer.begin()
    angle, factor = torch.deg2rad(torch.tensor(20.0)), 1.3
    cos, sin = angle.cos() / factor, angle.sin() / factor
    numbers = transformer.localisation[-1]
    assert isinstance(numbers, nn.Linear)
    numbers.bias.data = torch.tensor([cos, sin, 0, -sin, cos, 0])
    expected = functional.affine(
        IMAGES, 20, [0, 0], factor, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR
    )
    middle = (..., slice(8, 24), slice(8, 24))  # at the edge torchvision shows black
    torch.testing.assert_close(transformer(IMAGES)[middle], expected[middle], atol=1e-4, rtol=0)


def test_its_pictures_and_gradients_are_those_of_torchs_functions() -> None:
    """Far beyond the images too, where their border goes on."""
    images = IMAGES.double()
    transformer = SpatialTransformer(32).double()
    numbers = torch.randn(3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradients, pictures = [], []
    for ours in (True, False):
        given = numbers.clone().requires_grad_()
        if ours:
            transformer.localisation = nn.Sequential(_Given(given))
            picture = transformer(images)
        else:
            grid = nn_functional.affine_grid(given, [3, 1, 32, 32], align_corners=False)
            picture = nn_functional.grid_sample(
                images, grid, padding_mode="border", align_corners=False
            )
        (picture * torch.arange(1024.0).view(32, 32)).sum().backward()
        gradients.append(given.grad)
        pictures.append(picture)
    torch.testing.assert_close(*pictures)
    torch.testing.assert_close(*gradients)


class _Given(nn.Module):
    """Gives these numbers, whatever the images."""

    def __init__(self, numbers: torch.Tensor) -> None:
        super().__init__()
        self.numbers = numbers

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.numbers


def test_it_has_second_gradients() -> None:
    images = IMAGES[..., :4, :4].double()
    generator = torch.Generator().manual_seed(2)
    places = 4 * torch.rand(3, 2, 16, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradgradcheck(lambda p: bilinear(images, p), (places.requires_grad_(),))


def test_its_numbers_learn_from_the_first_step() -> None:
    network = build("one_conv", transformer=True)
    network(IMAGES).square().sum().backward()
    gradient = network[0].localisation[-1].weight.grad
    assert gradient is not None
    assert gradient.any()


def test_its_parameters_by_hand() -> None:
    for side, last in ((32, 5), (28, 4), (16, 1)):
        layers = (8 * 25 + 8, 8 * 10 * 25 + 10, 10 * last**2 * 32 + 32, 32 * 6 + 6)
        assert parameter_count(SpatialTransformer(side)) == sum(layers)
    assert parameter_count(SpatialTransformer(32)) == 10_448


@pytest.mark.parametrize("name", network_names())
def test_they_stand_before_every_network_whose_layers_keep_their_names(name: str) -> None:
    rows = layer_table(build(name, "batch", halved=True, transformer=True))
    assert [(row.name, row.kind, row.shape) for row in rows[:3]] == [
        ("input", "input", (1, 32, 32)), ("halving", "pooling", (1, 16, 16)),
        ("transformer", "transformer", (1, 16, 16)),
    ]  # fmt: skip
    small = layer_table(build(name, "batch", image_size=16), 16)
    names = [(row.name, row.shape, row.parameters) for row in rows[3:]]
    assert names == [(row.name, row.shape, row.parameters) for row in small[1:]]
    assert [row.receptive_field for row in rows[1:]] == [2] + [None] * (len(rows) - 2)


def test_an_image_is_halved_by_the_mean_of_four_pixels() -> None:
    network = build("mlp", halved=True)
    corners = itertools.product((0, 1), (0, 1))
    expected = sum(IMAGES[..., row::2, column::2] for row, column in corners) / 4
    torch.testing.assert_close(network[0](IMAGES), expected)
    assert network[2].in_features == 256


def test_the_last_convolution_is_the_networks_own() -> None:
    assert last_convolution(build("three_convs", "batch", transformer=True)) == "6"
    with pytest.raises(StudyError, match="The network has none"):
        last_convolution(build("mlp", transformer=True))


def test_initial_weights_and_what_is_drawn_next_stay() -> None:
    states = []
    for settings in ({}, {"transformer": True}, {"transformer": True, "init": "kaiming"}):
        torch.manual_seed(5)
        network = build("conv_pair", "batch", **settings)
        states.append((network[-1].weight, torch.get_rng_state()))
    torch.testing.assert_close(states[0][0], states[1][0])
    assert torch.equal(states[0][1], states[1][1])


def test_too_small_images_are_refused() -> None:
    with pytest.raises(StudyError, match="at least 16 x 16"):
        build("mlp", transformer=True, image_size=15)
    with pytest.raises(StudyError, match="spatial transformer cannot take 14 x 14"):
        build("mlp", transformer=True, halved=True, image_size=28)
    with pytest.raises(StudyError, match="'lenet' cannot take 14 x 14 images"):
        build("lenet", halved=True, image_size=28)


def test_a_run_with_both_is_recorded_loaded_and_measured(tmp_path: Path) -> None:
    recordings = [
        "pair", "gradients", "losses", {"kind": "activations", "per_class": 3}, "statistics",
        {"kind": "weight", "name": "turn", "layer": "transformer.localisation.9", "index": [0, 0]},
    ]  # fmt: skip
    study = tiny_study(recordings=recordings, halved=True, transformer=True, lr=0.05, momentum=0.5)
    record = train_run(study, "bn", tiny_digits(), tmp_path)
    captures = (record.folder / "captures.csv").read_text()
    assert "transformer.localisation.9" in captures
    assert ",halving," in captures
    network = load_network(record)
    assert network[1].localisation[-1].weight.any()  # it has learned
    values = measure(RunFolder(record.folder), "shifted-digits", tiny_digits())
    assert values["upright_accuracy"] == record.history["test_accuracy"].iloc[-1]
