"""The networks by name: parameters, shapes, options, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks import (
    build,
    build_run,
    check,
    last_convolution,
    layer_table,
    network_called,
    parameter_count,
)
from hindi_bn.study import network_names
from hindi_bn.study.files import load_study
from hindi_bn.training.rng import move_to_run

NETWORKS = network_names()
SIZES = [32, 28]

# Weights and biases layer by layer: convolution inputs x outputs x kernel**2 + outputs, linear
# inputs x outputs + outputs; batch norm 2 a channel.
THREE = 16 * 9 + 16 + 2 * (16 * 16 * 9 + 16)
COUNTS = {
    ("three_convs", 32): (THREE + 16 * 16 * 16 * 10 + 10, 2 * 48),
    ("three_convs", 28): (THREE + 16 * 14 * 14 * 10 + 10, 2 * 48),
    ("one_conv", 32): (160 + 40970, 2 * 16),
    ("one_conv", 28): (160 + 31370, 2 * 16),
    ("lenet", 32): (156 + 2416 + 48120 + 10164 + 850, 2 * (6 + 16 + 120 + 84)),
    ("lenet", 28): (156 + 2416 + 30840 + 10164 + 850, 2 * (6 + 16 + 120 + 84)),
    ("conv_pair", 32): (60 + 2416 + 5770, 2 * (6 + 16)),
    ("conv_pair", 28): (60 + 2416 + 4010, 2 * (6 + 16)),
    ("mlp", 32): (102500 + 1010, 2 * 100),
    ("mlp", 28): (78500 + 1010, 2 * 100),
    ("fully_connected", 32): (41000 + 1640 + 1640 + 410, 2 * 120),
    ("fully_connected", 28): (31400 + 1640 + 1640 + 410, 2 * 120),
    ("locally_connected", 32): (1024 * THREE + 40970, 2 * 48),
    ("locally_connected", 28): (784 * THREE + 31370, 2 * 48),
}

SHAPES = {
    "three_convs": ["16x32x32"] * 6 + ["16x16x16", "4096", "10"],
    "one_conv": ["16x32x32"] * 2 + ["16x16x16", "4096", "10"],
    "lenet": ["6x28x28"] * 2 + ["6x14x14"] + ["16x10x10"] * 2 + ["16x5x5", "400"]
    + ["120", "120", "84", "84", "10"],
    "conv_pair": ["6x32x32"] * 2 + ["6x16x16"] + ["16x12x12"] * 2 + ["16x6x6", "576", "10"],
    "mlp": ["1024", "100", "100", "10"],
    "fully_connected": ["1024"] + ["40"] * 6 + ["10"],
    "locally_connected": ["16x32x32"] * 6 + ["16x16x16", "4096", "10"],
}  # fmt: skip


def test_every_network_says_what_it_is_and_where_it_comes_from() -> None:
    assert set(NETWORKS) >= set(SHAPES)
    assert all(network_called(name).summary and network_called(name).source for name in NETWORKS)


@pytest.mark.parametrize(("name", "size"), COUNTS)
def test_parameters_with_and_without_batch_norm(name: str, size: int) -> None:
    plain, of_norm = COUNTS[name, size]
    assert parameter_count(build(name, image_size=size)) == plain
    assert parameter_count(build(name, "batch", image_size=size)) == plain + of_norm


def test_the_published_sizes() -> None:
    assert COUNTS["three_convs", 32] == (45770, 96)
    assert sum(COUNTS["one_conv", 32]) == 41162
    assert COUNTS["lenet", 32][0] == 61706
    ratio = COUNTS["fully_connected", 32][0] / COUNTS["three_convs", 32][0]
    assert ratio == pytest.approx(1, abs=0.025)  # the size of three_convs


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_layer_by_layer(name: str) -> None:
    rows = layer_table(build(name))[1:]
    assert ["x".join(map(str, row.shape)) for row in rows] == SHAPES[name]
    assert sum(row.parameters for row in rows) == COUNTS[name, 32][0]
    assert [row.name for row in rows] == [str(place) for place in range(len(rows))]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_ten_logits_an_image(name: str, size: int) -> None:
    for norm in ("none", "batch", "group"):
        assert build(name, norm, image_size=size)(torch.rand(3, 1, size, size)).shape == (3, 10)


@pytest.mark.parametrize(("pooling", "kind"), [("max", nn.MaxPool2d), ("avg", nn.AvgPool2d)])
def test_pooling_can_be_chosen(pooling: str, kind: type[nn.Module]) -> None:
    network = build("conv_pair", options={"pooling": pooling})
    assert sum(isinstance(layer, kind) for layer in network) == 2


@pytest.mark.parametrize("size", [32, 28, 30, 31])
@pytest.mark.parametrize("name", ["three_convs", "one_conv", "lenet", "conv_pair"])
def test_a_strided_convolution_halves_as_pooling_does(name: str, size: int) -> None:
    def sizes(pooling: str) -> list[int]:
        options = {"pooling": pooling}
        rows = layer_table(build(name, "batch", options=options, image_size=size), size)
        return [row.shape[-1] for row in rows if row.kind in {"pooling", "flatten"}]

    assert sizes("none") == sizes("max")[-1:]
    strided = build(name, "batch", options={"pooling": "none"})
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in strided)


def test_number_and_width_of_the_convolutions() -> None:
    network = build("three_convs", options={"convolutions": 5, "width": 8})
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [8] * 5
    assert parameter_count(network) == 80 + 4 * (8 * 8 * 9 + 8) + 8 * 256 * 10 + 10


def test_depth_and_width_of_the_fully_connected_network() -> None:
    network = build("fully_connected", options={"hidden_layers": 2, "width": 5})
    assert parameter_count(network) == 1024 * 5 + 5 + 5 * 5 + 5 + 5 * 10 + 10
    assert parameter_count(build("mlp", options={"width": 7})) == 1024 * 7 + 7 + 7 * 10 + 10


@pytest.mark.parametrize(
    ("activation", "kind"), [("relu", nn.ReLU), ("sigmoid", nn.Sigmoid), ("tanh", nn.Tanh)]
)
def test_the_activation_can_be_chosen(activation: str, kind: type[nn.Module]) -> None:
    for name in NETWORKS:
        network = build(name, options={"activation": activation})
        found = [
            type(layer) for layer in network if isinstance(layer, nn.ReLU | nn.Sigmoid | nn.Tanh)
        ]
        assert set(found) == {kind}


def test_the_articles_initial_weights_come_from_its_stream() -> None:
    study = load_study("article")
    starts = {"no-bn": (-0.0389450192, -0.0470203869), "bn": (-0.0724027380, 0.0406579599)}
    with torch.random.fork_rng(devices=[]):
        for name, expected in starts.items():
            move_to_run(study, name)
            run = study.run(name)
            weight = build_run(run).get_parameter("4.weight" if name == "no-bn" else "6.weight")
            weight.requires_grad_(False)
            pair = [float(weight[3, 4, 1, 0]), float(weight[3, 8, 1, 0])]
            assert pair == pytest.approx(expected, abs=5e-11)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("mlp", {"options": {"pooling": "max"}}, "no option 'pooling'"),
        ("lenet", {"options": {"width": 3}}, "its options are activation, pooling"),
        ("one_conv", {"options": {"convolutions": 2}}, "choose a network that has it: three_convs"),
        ("lenet", {"image_size": 15}, "at least 16 x 16"),
        ("conv_pair", {"image_size": 11}, "at least 12 x 12"),
        ("three_convs", {"image_size": 1}, "at least 2 x 2"),
        ("lenet", {"norm": "instance"}, "cannot follow a linear layer"),
        ("lenet", {"norm": {"name": "group", "groups": 4}}, "into 4 groups"),
        ("lnet", {}, "Did you mean 'lenet'"),
        ("lenet", {"init": "xaver"}, "Did you mean 'xavier'"),
        ("lenet", {"init": {"name": "xavier", "std": 1}}, "Unknown key of 'xavier'"),
        ("lenet", {"dropout": 1.0}, "less than 1"),
        ("lenet", {"dropout_place": "norm"}, "Did you mean 'norms'"),
        ("locally_connected", {"options": {"pooling": "none"}}, "no option 'pooling'"),
        ("lenet", {"colour": 1}, "Unknown key"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=f"(?i){said}"):
        build(name, **settings)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_smallest_image_of_each_network_can_be_used(name: str) -> None:
    smallest = network_called(name).smallest
    assert layer_table(build(name, image_size=smallest), smallest)[-1].shape == (10,)


def test_the_last_convolution_by_name() -> None:
    assert last_convolution(build("three_convs", "batch")) == "6"
    assert last_convolution(build("three_convs", "weight")) == "4"
    with pytest.raises(StudyError, match=r"linear layers \(1, 3\)"):
        last_convolution(build("mlp"))


@pytest.mark.parametrize("name", ["lenet", "conv_pair", "mlp"])
def test_the_sources_studies_have_the_sources_settings(name: str) -> None:
    study = load_study(name)
    assert study.stream == "paired"
    assert [run.norm.name for run in study.runs] == ["none", "batch"]
    for run in study.runs:
        assert (run.network, run.optimizer, run.lr, run.momentum) == (name, "sgd", 0.1, 0.0)
        assert (run.batch_size, run.test_batch_size, run.scaling) == (64, 128, "half")
        assert run.epochs == {"lenet": 10, "conv_pair": 5, "mlp": 10}[name]
        check(run, 17000)


def test_a_network_without_activations_is_linear() -> None:
    network = build("fully_connected", options={"activation": "none", "hidden_layers": 4}).double()
    one, other = torch.rand(2, 3, 1, 32, 32).double()
    nothing = torch.zeros(1, 1, 32, 32).double()
    together = network(one + other) - network(nothing)
    torch.testing.assert_close(together, network(one) + network(other) - 2 * network(nothing))


def test_norms_can_stand_in_single_layers() -> None:
    def kinds(name: str, layers: list[int] | None) -> list[str]:
        found = layer_table(build(name, "batch", norm_layers=layers))[1:]
        return [row.kind[:4] for row in found if row.kind not in {"activation", "flatten"}]

    assert kinds("three_convs", [2]) == ["conv", "conv", "norm", "conv", "pool", "line"]
    assert kinds("three_convs", [1, 3]) == ["conv", "norm", "conv", "conv", "norm", "pool", "line"]
    assert kinds("mlp", [2]) == ["line", "line", "norm"]  # the logits
    assert kinds("mlp", None) == ["line", "norm", "line"]
    torch.manual_seed(1)
    plain = [p.detach() for p in build("mlp").parameters()]
    torch.manual_seed(1)
    normed = build("mlp", "batch", norm_layers=[2])
    assert all(map(torch.equal, plain, normed.parameters()))  # equal starts; gamma and beta follow


def test_norms_in_layers_that_are_not_there_are_refused() -> None:
    with pytest.raises(StudyError, match="has no layer 5 to normalise"):
        build("three_convs", "batch", norm_layers=[5])
    with pytest.raises(StudyError, match="norm_layers"):
        build("three_convs", "batch", norm_layers=[0])
