"""Locally connected layers against loops, and against a convolution that shares its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.measures import measure
from hindi_bn.networks import build, check, layer_table, parameter_count, run_of
from hindi_bn.networks.local import LocallyConnected2d
from hindi_bn.records import RunFolder
from hindi_bn.training.run import train_run


@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (2, 0), (5, 2), (1, 0)])
def test_every_place_has_filters_of_its_own(kernel: int, padding: int) -> None:
    """Place by place, filter by filter."""
    layer = LocallyConnected2d(2, 3, kernel, 6, padding).double()
    maps = torch.randn(2, 2, 6, 6, dtype=torch.float64)
    out = layer(maps)
    around = torch.zeros(2, 2, 6 + 2 * padding, 6 + 2 * padding, dtype=torch.float64)
    around[..., padding : padding + 6, padding : padding + 6] = maps
    side = out.shape[-1]
    assert out.shape == (2, 3, side, side)
    for row in range(side):
        for column in range(side):
            patch = around[..., row : row + kernel, column : column + kernel]
            place = row * side + column
            for filter_ in range(3):
                weights = layer.weight[place, filter_].view(2, kernel, kernel)
                expected = (patch * weights).sum((1, 2, 3)) + layer.bias[place, filter_]
                torch.testing.assert_close(out[:, filter_, row, column], expected)


def test_with_shared_weights_it_is_a_convolution() -> None:
    convolution = nn.Conv2d(4, 5, 3, padding=1).double()
    layer = LocallyConnected2d(4, 5, 3, 8, padding=1).double()
    with torch.no_grad():
        layer.weight.copy_(convolution.weight.flatten(1).expand_as(layer.weight))
        layer.bias.copy_(convolution.bias.expand_as(layer.bias))  # type: ignore[union-attr]
    inputs = [torch.randn(3, 4, 8, 8, dtype=torch.float64).requires_grad_() for _ in range(2)]
    inputs[1].data = inputs[0].data.clone()
    outputs = [each(x) for each, x in zip((layer, convolution), inputs, strict=True)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(layer.weight.grad.sum(0), convolution.weight.grad.flatten(1))


def test_it_starts_as_a_convolution_does() -> None:
    torch.manual_seed(0)
    layer = LocallyConnected2d(16, 16, 3, 8, padding=1)
    bound = (16 * 9) ** -0.5  # of nn.Conv2d's uniform draw, its biases too
    for parameter in layer.parameters():
        assert float(parameter.detach().abs().max()) <= bound
        assert float(parameter.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("xavier", (2 / (144 + 144)) ** 0.5),
        ("kaiming", (2 / 144) ** 0.5),
        ({"name": "normal", "std": 0.5}, 0.5),
    ],
)
def test_initial_weights_have_the_deviation_of_a_convolutions(init: Any, deviation: float) -> None:
    torch.manual_seed(0)
    layer = build("locally_connected", init=init, image_size=8)[2]
    assert float(layer.weight.detach().std()) == pytest.approx(deviation, rel=0.02)
    assert not layer.bias.any()


def test_orthogonal_filters_at_every_place() -> None:
    layer = build("locally_connected", init="orthogonal", image_size=4)[2]
    products = layer.weight @ layer.weight.transpose(1, 2)
    torch.testing.assert_close(products, torch.eye(16).expand(16, 16, 16), atol=1e-5, rtol=0)


def test_the_network_is_three_convs_without_sharing() -> None:
    local, shared = (layer_table(build(name)) for name in ("locally_connected", "three_convs"))
    for ours, theirs in zip(local, shared, strict=True):
        assert (ours.shape, ours.receptive_field) == (theirs.shape, theirs.receptive_field)
        places = 32 * 32 if ours.kind == "local" else 1
        assert ours.parameters == places * theirs.parameters
    assert local[1].description == "Local 1 → 16, 3 × 3, padding 1"


@pytest.mark.parametrize("norm", ["batch", "batch-by-hand", "layer", "instance", "group"])
def test_norms_of_maps_stand_in_it(norm: str) -> None:
    check(run_of("locally_connected", norm, options={"width": 4}), 100, 8)
    network = build("locally_connected", norm, options={"width": 4}, image_size=8)
    assert parameter_count(network[1]) == 8  # gamma and beta of four channels
    assert network(torch.rand(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_norms_of_weights_are_refused(norm: str) -> None:
    with pytest.raises(StudyError, match=f"Norm '{norm}' cannot change a locally connected layer"):
        build("locally_connected", norm)


def test_recordings_and_measures_count_its_layers(tmp_path: Path) -> None:
    study = tiny_study(
        network="locally_connected",
        halved=True,
        options={"width": 2},
        recordings=[{"kind": "activations", "per_class": 2}, "gradient-shift"],
    )
    record = train_run(study, "bn", tiny_digits(), tmp_path)
    rows = (record.folder / "captures.csv").read_text().splitlines()
    shifted = {row.split(",")[2] for row in rows if row.startswith("gradient-shift,")}
    assert shifted == {"3", "6", "11"}  # both other local layers and the classifier
    values = measure(RunFolder(record.folder), "drift", tiny_digits())
    assert values["distance_mean"] > 0  # of the local layers: there is no convolution
