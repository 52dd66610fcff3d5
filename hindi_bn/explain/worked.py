"""The worked examples: small batches of whole numbers that can be followed with a pencil.

Convolutional case: M. Kashaboina, "Exploring the Superhero Role of 2D Batch Normalization in Deep
Learning Architectures" (Towards Data Science, 2024), figures 2 and 3. Formulas: Ioffe and Szegedy
2015, arXiv 1502.03167, algorithms 1 and 2.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from hindi_bn.explain import arithmetic
from hindi_bn.explain.arithmetic import has_pixels
from hindi_bn.explain.document import Array, Check, Explanation, Step, Values, compare
from hindi_bn.explain.single import steps_of_a_single_value
from hindi_bn.explain.torch_layers import forward, layer_for, refusal, running, trained

Layer = Literal["1d", "2d"]
SEED = 5842
RANGES = ((0, 9), (20, 40), (80, 99))  # of the three channels; the upper end is exclusive
CHANNELS, SIDE = len(RANGES), 3
EPS, MOMENTUM = 1e-5, 0.1  # torch's defaults
BATCH_SIZES: dict[Layer, int] = {"2d": 2, "1d": 5}
GAMMA, BETA = np.array([0.5, 1.0, 2.0]), np.array([1.0, 0.0, -1.0])
REPEATS = (1, 2, 10, 50)


def worked_batch(layer: Layer, batch_size: int | None = None) -> Array:
    """Return the batch of a worked example.

    Parameters
    ----------
    layer
        `2d`: drawn from seed 5842 image by image, channel by channel, whole numbers from 0..8,
        20..39 and 80..98, as the article draws them. `1d`: the numbers from 0 on, row by row.
    batch_size
        Images, or rows; the article's 2, or 5, when not given.

    Returns
    -------
    float64 (batch, 3, 3, 3) or (batch, 3). torch's default generator is left alone.
    """
    images = batch_size or BATCH_SIZES[layer]
    if layer == "1d":
        return np.arange(images * CHANNELS, dtype=np.float64).reshape(images, CHANNELS)
    stream = torch.Generator().manual_seed(SEED)
    drawn = [
        torch.randint(low, high, (SIDE, SIDE), generator=stream)
        for _ in range(images)
        for low, high in RANGES
    ]
    return torch.stack(drawn).reshape(images, CHANNELS, SIDE, SIDE).double().numpy()


def explain_worked(layer: Layer = "2d", batch_size: int | None = None) -> Explanation:
    """Work batch norm through on a small batch, and check each step against torch.

    Parameters
    ----------
    layer, batch_size
        See `worked_batch`. A 1-D batch of one gives another explanation: why nothing can be
        learned there.

    Returns
    -------
    The steps; `arrays` holds `before`, `after` (normalised) and, where there is one, `inference`,
    each of the batch's shape.
    """
    x = worked_batch(layer, batch_size)
    images = len(x)
    if layer == "1d":
        data = f"the numbers 0 to {x.size - 1} as a {images} x {CHANNELS} matrix"
    else:
        count = "1 image" if images == 1 else f"{images} images"
        data = f"{count} of 3 channels of 3 x 3, drawn from seed {SEED} as in the article"
    name = f"BatchNorm{layer}"
    if arithmetic.values_per_channel(x) == 1:
        steps = steps_of_a_single_value(x, EPS)
        after = np.zeros_like(x)
        title = "Batch norm on a fully connected batch of one: nothing can be learned"
        return Explanation(title, data, name, steps, {"before": x, "after": after})
    normalised = arithmetic.normalise(x, arithmetic.mean(x), arithmetic.biased_variance(x), EPS)
    steps = (*_training_steps(x, normalised), *_running_steps(x))
    if layer == "2d" and images == 1:
        steps = (*steps, _single_image_step())
    kind = "feature maps" if layer == "2d" else "fully connected layers"
    title = f"Batch norm for {kind}, step by step"
    inference = _inference(x, 1)
    arrays = {"before": x, "after": normalised, "inference": inference}
    return Explanation(title, data, name, steps, arrays)


def _training_steps(x: Array, normalised: Array) -> tuple[Step, ...]:
    return (
        _batch_step(x),
        _mean_step(x),
        _variance_step(x),
        _normalise_step(x, normalised),
        _result_step(normalised),
        _affine_step(x, normalised),
    )


def _running_steps(x: Array) -> tuple[Step, ...]:
    return _running_step(x), _convergence_step(x), _inference_step(x)


def _batch_step(x: Array) -> Step:
    maps, count = has_pixels(x), arithmetic.values_per_channel(x)
    axes = "image, channel, row, column" if maps else "row, channel"
    over = "over the images and their pixels" if maps else "over the rows"
    product = f"{' x '.join(map(str, (x.shape[0], *x.shape[2:])))} = " if maps else ""
    return Step(
        "The batch",
        (f"x has shape {x.shape}: {axes}",),
        f"Every channel is normalised by itself, {over}: m = {product}{count} values a channel.",
        (Values("batch x", x),),
    )


def _mean_step(x: Array) -> Step:
    mean = arithmetic.mean(x)
    return Step(
        "Mean of each channel",
        (f"μ_c = (1/m) Σ x_c, m = {arithmetic.values_per_channel(x)}",),
        f"First channel: {_number(arithmetic.channel_sum(x)[0])} / "
        f"{arithmetic.values_per_channel(x)} = {mean[0]:.4f}.",
        (Values("sum Σ x", arithmetic.channel_sum(x)), Values("mean μ", mean)),
        (compare(f"{_name(x)} with momentum 1: running_mean", mean, _statistics(x)[0]),),
    )


def _variance_step(x: Array) -> Step:
    count, variance = arithmetic.values_per_channel(x), arithmetic.biased_variance(x)
    theirs = _statistics(x)[1] * (count - 1) / count
    return Step(
        "Biased variance of each channel",
        ("σ²_c = (1/m) Σ (x_c - μ_c)²",),
        f"Divided by m = {count}, not by m - 1 = {count - 1}: the batch is all there is to "
        "normalise.",
        (
            Values("sum of squares Σ (x - μ)²", variance * count),
            Values("variance σ²", variance),
            Values("deviation σ", np.sqrt(variance)),
        ),
        (compare(f"{_name(x)} with momentum 1: running_var (m - 1)/m", variance, theirs),),
    )


def _normalise_step(x: Array, normalised: Array) -> Step:
    mean, variance = arithmetic.mean(x), arithmetic.biased_variance(x)
    first = (0,) * x.ndim
    return Step(
        "Normalise (training)",
        (f"x̂ = (x - μ_c) / √(σ²_c + ε), ε = {EPS:.5f}",),
        f"First value: ({_number(x[first])} - {mean[0]:.4f}) / √({variance[0]:.4f} + {EPS:.5f}) = "
        f"{normalised[first]:.4f}. ε keeps the root from 0 where a channel is constant.",
        (Values("normalised x̂", normalised),),
        (
            compare(
                f"{_name(x)} without affine, train mode",
                normalised,
                forward(layer_for(x, EPS, MOMENTUM, False), x),
            ),
        ),
    )


def _result_step(normalised: Array) -> Step:
    mean, deviation = arithmetic.mean(normalised), arithmetic.deviation(normalised)
    return Step(
        "What came of it: mean 0, deviation 1",
        ("mean(x̂_c) = 0, deviation(x̂_c) = √(σ²_c / (σ²_c + ε)) ≈ 1",),
        "Wherever the channels lay, they now share one place and one scale. ε leaves the deviation "
        "a trace under 1.",
        (Values("mean of x̂", mean), Values("deviation of x̂", deviation)),
        (
            compare("mean 0", mean, np.zeros_like(mean)),
            compare("deviation 1", deviation, np.ones_like(deviation)),
        ),
    )


def _affine_step(x: Array, normalised: Array) -> Step:
    output = arithmetic.scale_and_shift(normalised, GAMMA, BETA)
    layer = layer_for(x, EPS, MOMENTUM)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(GAMMA))
        layer.bias.copy_(torch.from_numpy(BETA))
    return Step(
        "Scale and shift, both learned",
        ("y = γ_c x̂ + β_c",),
        "γ starts at 1 and β at 0, so that y = x̂ at first; training moves them. With the γ and β "
        "below, channel c ends with mean β_c and deviation |γ_c|: the network can undo the "
        "normalisation where that helps.",
        (
            Values("example γ", GAMMA),
            Values("example β", BETA),
            Values("mean of y", arithmetic.mean(output)),
            Values("deviation of y", arithmetic.deviation(output)),
            Values("output y", output),
        ),
        (
            compare(
                f"{_name(x)} as initialised: y = x̂",
                normalised,
                forward(layer_for(x, EPS, MOMENTUM), x),
            ),
            compare(f"{_name(x)} with this γ and β", output, forward(layer, x)),
        ),
    )


def _running_step(x: Array) -> Step:
    mean, variance = _running(x, 1)
    theirs = running(trained(x, EPS, MOMENTUM, 1))
    return Step(
        "Running averages, for later",
        (
            f"r_c ← (1 - {MOMENTUM}) r_c + {MOMENTUM} μ_c, from r_c = 0",
            f"v_c ← (1 - {MOMENTUM}) v_c + {MOMENTUM} σ²_c m/(m - 1), from v_c = 1",
        ),
        "Each training batch moves them a tenth of the way. torch averages the unbiased variance "
        "here, although it normalises with the biased one; its momentum is the weight of the new "
        "batch.",
        (
            Values("unbiased variance", arithmetic.unbiased_variance(x)),
            Values("running mean r", mean),
            Values("running variance v", variance),
        ),
        (
            compare(f"{_name(x)} after one batch: running_mean", mean, theirs[0]),
            compare(f"{_name(x)} after one batch: running_var", variance, theirs[1]),
        ),
    )


def _convergence_step(x: Array) -> Step:
    values: list[Values] = []
    checks: list[Check] = []
    for steps in REPEATS:
        mean, variance = _running(x, steps)
        theirs = running(trained(x, EPS, MOMENTUM, steps))
        values.append(Values(f"r for k = {steps}", mean))
        checks.append(compare(f"running_mean after k = {steps}", mean, theirs[0]))
        checks.append(compare(f"running_var after k = {steps}", variance, theirs[1]))
    return Step(
        "Running averages need many batches",
        ("after k equal batches: r_c = (1 - 0.9^k) μ_c",),
        "After one batch the running mean is a tenth of the mean; the start at 0 is forgotten "
        "after some 50 batches. A network that is evaluated earlier is normalised wrongly.",
        tuple(values),
        tuple(checks),
    )


def _inference_step(x: Array) -> Step:
    once, often = _inference(x, 1), _inference(x, REPEATS[-1])
    return Step(
        "Normalise (inference)",
        ("y = γ_c (x - r_c) / √(v_c + ε) + β_c",),
        "In eval mode the running averages stand for the batch's statistics, so that the answer "
        "for one image does not depend on the others of its batch. γ = 1 and β = 0 here. After one "
        f"batch the averages are far off; after {REPEATS[-1]}, mean 0 and deviation 1 are almost "
        "there; the deviation stays a little under 1, since v holds the unbiased variance.",
        (
            Values("mean of y after 1 batch", arithmetic.mean(once)),
            Values("deviation of y after 1 batch", arithmetic.deviation(once)),
            Values(f"mean of y after {REPEATS[-1]} batches", arithmetic.mean(often)),
            Values(f"deviation of y after {REPEATS[-1]} batches", arithmetic.deviation(often)),
            Values("output y after 1 batch", once),
        ),
        (
            compare(
                f"{_name(x)} eval mode, after 1 batch",
                once,
                forward(trained(x, EPS, MOMENTUM, 1).eval(), x),
            ),
            compare(
                f"{_name(x)} eval mode, after {REPEATS[-1]} batches",
                often,
                forward(trained(x, EPS, MOMENTUM, REPEATS[-1]).eval(), x),
            ),
        ),
    )


def _single_image_step() -> Step:
    return Step(
        "A batch of one image works here, because it has pixels",
        (),
        f"The image gives {SIDE} x {SIDE} = {SIDE * SIDE} values a channel, enough for a mean and "
        "a variance: convolutions still learn. Maps of 1 x 1 would give a single value, as in a "
        "fully connected layer (--layer 1d --batch-size 1), and torch refuses to train on it: "
        f"“{refusal(np.zeros((1, CHANNELS, 1, 1)))}”",
    )


def _running(x: Array, steps: int) -> tuple[Array, Array]:
    mean = arithmetic.running_average(0.0, arithmetic.mean(x), MOMENTUM, steps)
    variance = arithmetic.running_average(1.0, arithmetic.unbiased_variance(x), MOMENTUM, steps)
    return mean, variance


def _inference(x: Array, steps: int) -> Array:
    return arithmetic.normalise(x, *_running(x, steps), EPS)


def _statistics(x: Array) -> tuple[Array, Array]:
    """Return torch's mean and unbiased variance of the batch: running averages at momentum 1."""
    return running(trained(x, EPS, momentum=1.0, steps=1))


def _name(x: Array) -> str:
    return f"nn.BatchNorm{2 if has_pixels(x) else 1}d"


def _number(value: float) -> str:
    return f"{value:g}"
