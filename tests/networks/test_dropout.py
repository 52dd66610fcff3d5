"""Dropout whose masks are computed: their share, their stream, their place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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
