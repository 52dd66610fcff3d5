"""The layer table: receptive fields, descriptions, and a network left as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hindi_bn.networks import (
    build,
    layer_table,
)

# After each layer, by hand: field + (window - 1) * product of the strides before it.
FIELDS: dict[str, list[int | None]] = {
    "three_convs": [1, 3, 3, 5, 5, 7, 7, 8, 8, None],
    "lenet": [1, 5, 5, 6, 14, 14, 16, 16] + [None] * 5,
    "conv_pair": [1, 3, 3, 4, 12, 12, 14, 14, None],
    "mlp": [1, 1, None, None, None],
}


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
