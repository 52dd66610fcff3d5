"""Why a channel with a single value cannot be normalised over its batch, and what torch does."""

import numpy as np
import torch

from hindi_bn.explain import arithmetic
from hindi_bn.explain.arithmetic import EPS
from hindi_bn.explain.document import Array, Step, Values, compare
from hindi_bn.explain.torch_layers import as_array, forward, layer_for, refusal

OTHER_SCALE, OTHER_SHIFT = 10.0, 7.0  # what turns the batch into another one


def steps_of_a_single_value(x: Array) -> tuple[Step, ...]:
    """Return the steps for a batch (1, channels), where every normalised unit is 0."""
    return (
        Step(
            "The batch",
            (f"x has shape {x.shape}: row, channel",),
            "Every channel is normalised over the rows. There is one row: m = 1 value per channel.",
            (Values("batch x", x),),
        ),
        Step(
            "Mean and biased variance of each channel",
            ("μ_c = x_c / 1 = x_c", "σ²_c = (x_c - μ_c)² / 1 = 0"),
            "The mean of one value is the value itself, and it lies at no distance from itself. "
            "The unbiased variance, divided by m - 1 = 0, does not exist.",
            (
                Values("mean μ", arithmetic.mean(x)),
                Values("variance σ²", arithmetic.biased_variance(x)),
            ),
        ),
        _zero_step(x),
        _gradient_step(x),
        _refusal_step(x),
    )


def _zero_step(x: Array) -> Step:
    other = OTHER_SCALE * x + OTHER_SHIFT
    normalised, again = (
        arithmetic.normalise(batch, arithmetic.mean(batch), arithmetic.biased_variance(batch), EPS)
        for batch in (x, other)
    )
    return Step(
        "Normalise (training): every unit becomes 0",
        (f"x̂ = (x - μ_c) / √(σ²_c + ε) = 0 / √(0 + {EPS:.5f}) = 0",),
        "Whatever the layers before computed, this layer hands on the same: y = γ x̂ + β = β for "
        "every input.",
        (
            Values("normalised x̂", normalised), Values("another batch of one", other),
            Values("its normalised x̂", again),
        ),
    )  # fmt: skip


def _gradient_step(x: Array) -> Step:
    by_hand = {"x": np.zeros(x.shape[1]), "γ": np.zeros(x.shape[1]), "β": np.ones(x.shape[1])}
    pairs = zip(by_hand.items(), _gradients(x), strict=True)
    return Step(
        "What can be learned: β alone",
        ("∂y/∂x = γ (∂x/∂x - ∂μ/∂x) / √(σ² + ε) = γ (1 - 1) / √ε = 0", "∂y/∂γ = x̂ = 0, ∂y/∂β = 1"),
        "Nothing flows back to the weights before this layer, nor to γ. Below, the gradients of "
        "the sum of y, in which each channel stands for itself.",
        tuple(Values(f"gradient of {name}", ours) for name, ours in by_hand.items()),
        tuple(
            compare(f"torch's autograd through the formula: {name}", ours, theirs)
            for (name, ours), theirs in pairs
        ),
    )


def _refusal_step(x: Array) -> Step:
    theirs = forward(layer_for(x).eval(), x)
    output = arithmetic.normalise(x, np.zeros(x.shape[1]), np.ones(x.shape[1]), EPS)
    return Step(
        "What torch does",
        ("eval mode: y = γ_c (x - r_c) / √(v_c + ε) + β_c",),
        f"In train mode nn.BatchNorm1d refuses with a ValueError: “{refusal(x)}” In eval "
        "mode a batch of one is no trouble, since the running averages need no batch; below as "
        "initialised, r = 0 and v = 1. Train with two images at least, also in the last batch of "
        "an epoch; or use layer norm.",
        (Values("output y in eval mode", output),),
        (compare("nn.BatchNorm1d in eval mode", output, theirs),),
    )


def _gradients(x: Array) -> list[Array]:
    """Gradients of the sum of y by x, γ and β, each (channels,), by torch in float64."""
    inputs = torch.from_numpy(x).requires_grad_()
    gamma = torch.ones(x.shape[1], dtype=torch.float64, requires_grad=True)
    beta = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    mean = inputs.mean(dim=0)
    variance = ((inputs - mean) ** 2).mean(dim=0)
    output = gamma * (inputs - mean) / torch.sqrt(variance + EPS) + beta
    return [as_array(g).ravel() for g in torch.autograd.grad(output.sum(), (inputs, gamma, beta))]
