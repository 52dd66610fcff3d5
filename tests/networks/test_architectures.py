"""The networks by name: parameters, shapes, options, initial weights, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
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
    run_of,
)
from hindi_bn.networks.dropout import CountedDropout
from hindi_bn.study import Capture, network_names
from hindi_bn.study.files import load_study
from hindi_bn.training.rng import move_to_run
from hindi_bn.training.weights import WeightPair

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
}

SHAPES = {
    "three_convs": ["16x32x32"] * 6 + ["16x16x16", "4096", "10"],
    "one_conv": ["16x32x32"] * 2 + ["16x16x16", "4096", "10"],
    "lenet": ["6x28x28"] * 2 + ["6x14x14"] + ["16x10x10"] * 2 + ["16x5x5", "400"]
    + ["120", "120", "84", "84", "10"],
    "conv_pair": ["6x32x32"] * 2 + ["6x16x16"] + ["16x12x12"] * 2 + ["16x6x6", "576", "10"],
    "mlp": ["1024", "100", "100", "10"],
    "fully_connected": ["1024"] + ["40"] * 6 + ["10"],
}  # fmt: skip

# After each layer, by hand: field + (window - 1) * product of the strides before it.
FIELDS: dict[str, list[int | None]] = {
    "three_convs": [1, 3, 3, 5, 5, 7, 7, 8, 8, None],
    "lenet": [1, 5, 5, 6, 14, 14, 16, 16] + [None] * 5,
    "conv_pair": [1, 3, 3, 4, 12, 12, 14, 14, None],
    "mlp": [1, 1, None, None, None],
}


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


@pytest.mark.parametrize("name", FIELDS)
def test_receptive_fields_by_hand(name: str) -> None:
    assert [row.receptive_field for row in layer_table(build(name))] == FIELDS[name]


def test_a_receptive_field_is_what_moves_one_output() -> None:
    """Independently: the pixels that one value of lenet's second pooling has a gradient from."""
    network = build("lenet", options={"activation": "tanh"})[:6].double()
    image = torch.rand(1, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    network(image)[0, 0, 2, 2].backward()
    assert image.grad is not None
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 16


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_ten_logits_an_image(name: str, size: int) -> None:
    for norm in ("none", "batch", "group"):
        assert build(name, norm, image_size=size)(torch.rand(3, 1, size, size)).shape == (3, 10)


@pytest.mark.parametrize("mode", [True, False])
def test_the_table_leaves_the_network_as_it_was(mode: bool) -> None:
    network = build("lenet", "batch-renorm", dropout=0.5).train(mode)
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    layer_table(network)
    assert network.training is mode
    assert not network[1].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("norm", "described"),
    [
        ("batch", "BatchNorm2d 16"),
        ("batch-by-hand", "Batch norm by hand 16"),
        ("batch-renorm", "Batch renormalisation 16"),
        ("batch-linf", "Batch norm 16, l-infinity scale"),
        ("layer", "GroupNorm 16, 1 group (layer norm)"),
        ({"name": "group", "groups": 4}, "GroupNorm 16, 4 groups"),
        ("instance", "InstanceNorm2d 16"),
    ],
)
def test_norms_are_described(norm: Any, described: str) -> None:
    assert layer_table(build("three_convs", norm))[2].description == described


def test_other_layers_are_described() -> None:
    rows = layer_table(build("lenet", "weight", dropout=0.25, options={"pooling": "none"}))
    said = [row.description for row in rows]
    assert said[:4] == [
        "Grey image", "Conv2d 1 → 6, 5 × 5, weight norm", "Sigmoid",
        "Conv2d 6 → 6, 2 × 2, stride 2, weight norm",
    ]  # fmt: skip
    assert said[-2:] == ["Dropout 0.25", "Linear 84 → 10"]
    assert layer_table(build("mlp", "layer"))[3].description == "LayerNorm 100"
    assert layer_table(build("mlp", "spectral"))[2].description.endswith("spectral norm")


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
            assert WeightPair(build_run(run), run.capture).read() == pytest.approx(
                expected, abs=5e-11
            )


def drawn(init: Any, name: str = "lenet") -> nn.Sequential:
    torch.manual_seed(2)
    return build(name, init=init)


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("xavier", (2 / (400 + 120)) ** 0.5),
        ("kaiming", (2 / 400) ** 0.5),
        ("normal", 0.01),
        ({"name": "normal", "std": 0.5}, 0.5),
    ],
)
def test_initial_weights_have_the_stated_deviation(init: Any, deviation: float) -> None:
    network = drawn(init)
    layer = next(layer for layer in network if isinstance(layer, nn.Linear))  # 400 -> 120
    assert float(layer.weight.detach().std()) == pytest.approx(deviation, rel=0.02)
    for each in network:
        if isinstance(each, nn.Conv2d | nn.Linear):
            assert not each.bias.any()


def test_orthogonal_initial_weights() -> None:
    layer = next(layer for layer in drawn("orthogonal") if isinstance(layer, nn.Linear))
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(120), atol=1e-5, rtol=0)


def test_the_default_is_torchs_own_draw() -> None:
    torch.manual_seed(2)
    first = nn.Conv2d(1, 6, 5)
    torch.testing.assert_close(drawn("default")[0].weight, first.weight)


def test_a_given_init_holds_for_parametrised_layers_too() -> None:
    torch.manual_seed(2)
    normed = build("lenet", "weight", init="xavier")
    torch.testing.assert_close(normed[0].weight, drawn("xavier")[0].weight)


def test_dropout_stands_before_the_last_linear_layer() -> None:
    for name in NETWORKS:
        kinds = [row.kind for row in layer_table(build(name, dropout=0.5))]
        assert kinds[-2:] == ["dropout", "linear"]
        assert "dropout" not in [row.kind for row in layer_table(build(name))]


def test_dropout_drops_the_stated_share_and_keeps_the_mean() -> None:
    layer = CountedDropout(0.3)
    outputs = torch.stack([layer(torch.ones(40, 50)) for _ in range(50)])  # 100,000 values
    kept = outputs > 0
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=4 * (0.21 / 100_000) ** 0.5)
    np.testing.assert_allclose(outputs[kept].numpy(), 1 / 0.7, rtol=1e-6)
    # neither the places of a mask nor the steps know of each other: correlations as of chance
    flat = kept.float().reshape(50, -1)
    assert abs(np.corrcoef(flat[:-1].flatten(), flat[1:].flatten())[0, 1]) < 0.013
    assert abs(np.corrcoef(flat[:, :-1].flatten(), flat[:, 1:].flatten())[0, 1]) < 0.013
    assert torch.equal(layer.eval()(torch.ones(3)), torch.ones(3))
    assert "0.3" in repr(layer)


def test_dropout_draws_nothing_from_the_stream_and_depends_on_seed_and_step() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    layer = CountedDropout(0.5)
    first, second = layer(torch.ones(64)), layer(torch.ones(64))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, second)
    assert torch.equal(CountedDropout(0.5)(torch.ones(64)), first)
    torch.manual_seed(2)
    assert not torch.equal(CountedDropout(0.5)(torch.ones(64)), first)


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


BATCH_KINDS = ["batch", "batch-by-hand", "batch-renorm", "batch-l1", "batch-l2", "batch-linf"]


@pytest.mark.parametrize("norm", BATCH_KINDS)
def test_batches_of_one_are_refused_after_linear_layers_alone(norm: str) -> None:
    with pytest.raises(StudyError, match="Batches of one image"):
        check(run_of("mlp", norm, batch_size=1), 17000)
    check(run_of("three_convs", norm, batch_size=1), 17000)
    with pytest.raises(StudyError, match="layer 10"):  # after lenet's first linear layer
        check(run_of("lenet", norm, batch_size=1), 17000)


def test_a_last_batch_of_one_is_refused_and_another_size_named() -> None:
    with pytest.raises(StudyError) as caught:
        check(run_of("mlp", "batch", batch_size=89), 17000)  # 17000 = 191 * 89 + 1
    assert "last batch of one image" in str(caught.value)
    assert "such as 90," in str(caught.value)
    check(run_of("mlp", "batch", batch_size=90), 17000)
    check(run_of("mlp", "layer", batch_size=89), 17000)
    with pytest.raises(StudyError, match="Batches of one image"):
        check(run_of("mlp", "batch", batch_size=32), 1)


def test_an_image_of_one_pixel_a_map_is_refused() -> None:
    with pytest.raises(StudyError, match="single pixel"):
        check(run_of("conv_pair", "instance", options={"pooling": "none"}), 100, 12)
    run = run_of("conv_pair", "batch", options={"pooling": "none"}, batch_size=33)
    with pytest.raises(StudyError, match="last batch of one"):
        check(run, 100, 12)
    check(run_of("conv_pair", "instance"), 100, 12)


def test_groups_and_layers_of_one_value_are_refused() -> None:
    with pytest.raises(StudyError, match=r"norm\.groups to one of 1, 2, 4, 5"):
        check(run_of("mlp", {"name": "group", "groups": 100}), 100)
    check(run_of("three_convs", {"name": "group", "groups": 16}), 100)
    with pytest.raises(StudyError, match=r"options\.width"):
        check(run_of("mlp", "layer", options={"width": 1}), 100)
    with pytest.raises(StudyError, match="choose another norm"):
        check(run_of("mlp", {"name": "group", "groups": 1}, options={"width": 1}), 100)


def test_the_check_draws_nothing() -> None:
    before = torch.get_rng_state()
    check(run_of("lenet", "spectral", dropout=0.5), 17000)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_last_convolution_by_name() -> None:
    assert last_convolution(build("three_convs", "batch")) == "6"
    assert last_convolution(build("three_convs", "weight")) == "4"
    with pytest.raises(StudyError, match=r"linear layers \(1, 3\)"):
        last_convolution(build("mlp"))


def test_captures_read_parametrised_and_linear_layers() -> None:
    network = build("three_convs", "weight")
    pair = WeightPair(network, Capture(layer="4"))
    weight = network[4].weight.detach()
    assert pair.read() == (float(weight[3, 4, 1, 0]), float(weight[3, 8, 1, 0]))
    linear = WeightPair(build("mlp"), Capture(layer="1", wx=(3, 496), wy=(3, 527)))
    assert len(linear.read()) == 2


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
        WeightPair(build_run(run), run.capture)
