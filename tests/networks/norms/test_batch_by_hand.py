"""Batch norm written out, against torch's own layers, by property tests."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn import functional

from hindi_bn.networks import build
from hindi_bn.networks.norms.batch_by_hand import BatchNormByHand, HandwrittenBatchNorm

quickly = settings(derandomize=True, deadline=2000, max_examples=60, database=None)

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}


def by_hand(channels: int, **parameters: Any) -> HandwrittenBatchNorm:
    return HandwrittenBatchNorm(channels, BatchNormByHand(**parameters))


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch (N, C) or (N, C, H, W) with a scale and an offset a channel, and an output gradient.

    The values of a channel are scale * (normal + offset), with |offset| up to 3.
    """
    shape = [draw(st.integers(2, 9)), draw(st.integers(1, 5))]
    if draw(st.booleans()):
        shape += [draw(st.integers(1, 6)), draw(st.integers(1, 6))]
    dtype = draw(st.sampled_from([torch.float64, torch.float32]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    beside = (-1, *[1] * (len(shape) - 2))
    exponents = st.lists(st.integers(-12, 12), min_size=shape[1], max_size=shape[1])
    scale = torch.tensor([10.0**e for e in draw(exponents)], dtype=dtype).view(beside)
    offset = torch.rand(shape[1], generator=generator, dtype=dtype).view(beside) * 6 - 3
    x = scale * (torch.randn(shape, generator=generator, dtype=dtype) + offset)
    return x, torch.randn(shape, generator=generator, dtype=dtype)


def assert_near(
    ours: torch.Tensor, theirs: torch.Tensor, size: torch.Tensor | float, dtype: torch.dtype
) -> None:
    """Compare with the tolerance times `size`, the size of the terms that were added up."""
    difference = (ours - theirs).abs()
    assert (difference <= TOLERANCES[dtype] * size).all(), difference.max()


@quickly
@given(batch=batches(), affine=st.booleans(), momentum=st.floats(0, 1), steps=st.integers(1, 3))
def test_it_equals_torchs_layers(
    batch: tuple[torch.Tensor, torch.Tensor], affine: bool, momentum: float, steps: int
) -> None:
    x, gradient = batch
    channels, dtype = x.shape[1], x.dtype
    torchs = nn.BatchNorm1d if x.ndim == 2 else nn.BatchNorm2d
    theirs = torchs(channels, momentum=momentum, affine=affine).to(dtype)
    ours = by_hand(channels, momentum=momentum, affine=affine).to(dtype)
    if affine:
        for layer in (ours, theirs):
            generator = torch.Generator().manual_seed(1)
            for parameter in (layer.weight, layer.bias):
                nn.init.normal_(parameter, generator=generator)

    axes = [0, *range(2, x.ndim)]
    std = (x.var(dim=axes, unbiased=False, keepdim=True) + 1e-5).sqrt()
    largest = x.abs().amax(dim=axes)
    for _ in range(steps):
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        outputs = [layer(value) for layer, value in zip((ours, theirs), inputs, strict=True)]
        for layer, output in zip((ours, theirs), outputs, strict=True):
            layer.zero_grad()
            output.backward(gradient)
        assert_near(outputs[0], outputs[1], 1 + outputs[1].abs(), dtype)
        assert inputs[0].grad is not None
        assert inputs[1].grad is not None
        assert_near(inputs[0].grad, inputs[1].grad, 1 / std, dtype)
        for mine, torchs_own in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert_near(mine.grad, torchs_own.grad, x.numel() / channels, dtype)
        assert_near(ours.running_mean, theirs.running_mean, largest + 1e-30, dtype)
        assert_near(ours.running_var, theirs.running_var, largest**2 + 1, dtype)

    ours.eval()
    theirs.eval()
    evaluated = ours(x)
    size = 1 + evaluated.abs()
    assert_near(evaluated, theirs(x), size, dtype)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 2)])
@pytest.mark.parametrize("momentum_of", ["new-batch", "old-average"])
@pytest.mark.parametrize("running_variance", ["unbiased", "biased"])
def test_both_conventions_of_the_running_averages(
    shape: tuple[int, ...], momentum_of: str, running_variance: str
) -> None:
    layer = by_hand(
        3, momentum=0.2, momentum_of=momentum_of, running_variance=running_variance
    ).double()
    rng = np.random.default_rng(3)
    mean, variance = np.zeros(3), np.ones(3)
    of_new = 0.2 if momentum_of == "new-batch" else 0.8
    axes = (0, 2, 3)[: len(shape) - 1]
    for _ in range(4):
        x = rng.normal(5, 2, shape)
        layer(torch.from_numpy(x))
        ddof = 1 if running_variance == "unbiased" else 0
        mean = (1 - of_new) * mean + of_new * x.mean(axis=axes)
        variance = (1 - of_new) * variance + of_new * x.var(axis=axes, ddof=ddof)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), variance, rtol=1e-12)


def test_values_by_hand() -> None:
    """Columns 0, 3, 6, 9, 12 and so on: mean 6, biased variance 18, unbiased 22.5."""
    layer = by_hand(3).double()
    x = torch.arange(15, dtype=torch.float64).reshape(5, 3)
    output = layer(x)
    expected = torch.tensor([-6.0, -3.0, 0.0, 3.0, 6.0], dtype=torch.float64) / (18 + 1e-5) ** 0.5
    torch.testing.assert_close(output, expected.unsqueeze(1).expand(5, 3))
    torch.testing.assert_close(
        layer.running_mean, torch.tensor([0.6, 0.7, 0.8], dtype=torch.float64)
    )
    torch.testing.assert_close(layer.running_var, torch.full((3,), 3.15, dtype=torch.float64))


def test_gradients_agree_with_finite_differences() -> None:
    layer = by_hand(2).double()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 2, 2, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_one_value_a_channel_is_refused_in_training_as_torch_does() -> None:
    with pytest.raises(ValueError, match="one value per channel"):
        by_hand(3)(torch.ones(1, 3))
    assert by_hand(3).eval()(torch.ones(1, 3)).shape == (1, 3)
    assert by_hand(3)(torch.rand(1, 3, 2, 1)).shape == (1, 3, 2, 1)


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 3, 5), (4, 2, 5, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        by_hand(3)(torch.ones(shape))


def test_no_gradient_flows_into_the_running_averages() -> None:
    layer = by_hand(2)
    layer(torch.rand(4, 2, requires_grad=True))
    assert not layer.running_mean.requires_grad
    assert "2" in repr(layer)


def test_nothing_is_learned_from_one_value() -> None:
    """The output is beta whatever comes in, and nothing before the norm has a gradient."""
    torch.manual_seed(0)
    network = build("mlp", {"name": "batch-by-hand", "allow_one_value": True}, image_size=8)
    norm = network[2]
    assert isinstance(norm, HandwrittenBatchNorm)
    nn.init.normal_(norm.bias)  # type: ignore[arg-type]
    images = torch.rand(2, 1, 1, 8, 8)
    outputs = [network(image) for image in images]
    assert torch.equal(*outputs)
    assert torch.equal(network[:3](images[0]), norm.bias.unsqueeze(0))  # type: ignore[union-attr]
    functional.cross_entropy(outputs[0], torch.tensor([3])).backward()
    assert not network[1].weight.grad.any()
    assert not norm.weight.grad.any()  # type: ignore[union-attr]
    assert norm.bias.grad.any()  # type: ignore[union-attr]
    features = network[:2](images[0])[0].detach()
    layer = HandwrittenBatchNorm(100, BatchNormByHand(allow_one_value=True))
    layer(features.unsqueeze(0))
    torch.testing.assert_close(layer.running_mean, 0.1 * features)
    torch.testing.assert_close(layer.running_var, torch.full((100,), 0.9))  # 0 is averaged
