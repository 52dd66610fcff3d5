"""Initial weights by name, against their stated distributions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hindi_bn.networks import (
    build,
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
