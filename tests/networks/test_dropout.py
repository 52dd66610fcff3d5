"""Dropout whose masks are computed: their share, their stream, their place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hindi_bn.networks import (
    build,
    layer_table,
)
from hindi_bn.networks.dropout import CountedDropout
from hindi_bn.study import network_names

NETWORKS = network_names()


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


@pytest.mark.parametrize("norm", ["none", "batch", "weight"])
@pytest.mark.parametrize("placement", ["before", "after"])
def test_dropout_stands_directly_before_every_norm(norm: str, placement: str) -> None:
    for name in set(NETWORKS) - {"locally_connected"}:  # which refuses weight norm
        settings = {"norm": norm, "placement": placement, "image_size": 16}
        plain = build(name, **settings)
        network = build(name, **settings, dropout=0.5, dropout_place="norms")
        kinds, kinds_without = (
            [row.kind for row in layer_table(each, 16)[1:]] for each in (network, plain)
        )
        assert [kind for kind in kinds if kind != "dropout"] == kinds_without
        places = [place for place, kind in enumerate(kinds) if kind == "dropout"]
        assert len(places) == kinds.count("activation")  # one at each hidden layer
        beside = "normalisation" if norm == "batch" else None
        for place in places:
            before = kinds[place - 1]
            assert (before == "activation") is (placement == "after")
            assert beside is None or kinds[place + 1] == beside


def test_the_layers_of_a_network_have_masks_of_their_own() -> None:
    network = build("fully_connected", dropout=0.5, dropout_place="norms")
    layers = [layer for layer in network if isinstance(layer, CountedDropout)]
    masks = [layer(torch.ones(50, 40)).flatten() > 0 for layer in layers]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        agreeing = float((masks[one] == masks[other]).float().mean())
        assert agreeing == pytest.approx(0.5, abs=4 * 0.5 / 2000**0.5)


def test_a_mask_before_the_classifier_is_what_it_was() -> None:
    """The bits of runs before Dropout had a place: seed 3, the first step."""
    torch.manual_seed(3)
    layer = build("mlp", dropout=0.5)[-2]
    assert isinstance(layer, CountedDropout)
    assert int(layer.seed) == 3


def test_dropout_before_a_norm_shifts_the_variance_in_evaluation() -> None:
    """Li et al. 2019, equation 8: of Dropout directly before BN, on values c + std * normal.

    In training x / keep with probability keep has the variance (c^2 + std^2) / keep - c^2, which is
    averaged; in evaluation it is std^2.
    """
    keep, c, std = 0.5, 2.0, 1.0
    torch.manual_seed(0)
    linear, dropout, norm, _ = build(
        "fully_connected", "batch", dropout=keep, dropout_place="norms",
        options={"width": 50}, image_size=16,
    )[1:5]  # fmt: skip
    assert isinstance(linear, nn.Linear)
    assert isinstance(norm, nn.BatchNorm1d)
    norm.momentum = 1.0
    x = c + std * torch.randn(4000, 50)
    norm(dropout(x))
    running = float(norm.running_var.mean())  # type: ignore[union-attr]
    assert running == pytest.approx((c**2 + std**2) / keep - c**2, rel=0.02)
    dropout.eval()
    norm.eval()
    assert float(norm(dropout(x)).detach().var()) == pytest.approx(std**2 / running, rel=0.02)
