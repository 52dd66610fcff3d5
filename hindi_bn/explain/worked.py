"""The worked examples: small batches of whole numbers that can be followed with a pencil.

Convolutional case: M. Kashaboina, "Exploring the Superhero Role of 2D Batch Normalization in Deep
Learning Architectures" (Towards Data Science, 2024), figures 2 and 3. Formulas: Ioffe and Szegedy
2015, arXiv 1502.03167, algorithms 1 and 2.
"""

from typing import Literal

import numpy as np
import torch

from hindi_bn.explain import arithmetic
from hindi_bn.explain.arithmetic import EPS, MOMENTUM, has_pixels, mean_and_std
from hindi_bn.explain.document import Array, Explanation, Step, Values, compare
from hindi_bn.explain.single import steps_of_a_single_value
from hindi_bn.explain.torch_layers import forward, layer_for, refusal, running, trained

Example = Literal["1d", "2d"]
SEED = 5842
RANGES = ((0, 9), (20, 40), (80, 99))  # of the three channels; the upper end is exclusive
CHANNELS, SIDE = len(RANGES), 3
BATCH_SIZES: dict[Example, int] = {"2d": 2, "1d": 5}
GAMMA, BETA = np.array([0.5, 1.0, 2.0]), np.array([1.0, 0.0, -1.0])
REPEATS = (1, 2, 10, 50)


def worked_batch(layer: Example, batch_size: int | None = None) -> Array:
    """Return the batch of a worked example: float64 (batch, 3, 3, 3) or (batch, 3).

    `2d` is drawn from seed 5842 image by image, channel by channel, as the article draws it;
    torch's default generator is left alone. `1d` holds the numbers from 0 on, row by row.
    """
    images = batch_size or BATCH_SIZES[layer]
    if layer == "1d":
        return np.arange(images * CHANNELS, dtype=np.float64).reshape(images, CHANNELS)
    rng = torch.Generator().manual_seed(SEED)
    maps = [
        torch.randint(low, high, (SIDE, SIDE), generator=rng)
        for _ in range(images)
        for low, high in RANGES
    ]
    return torch.stack(maps).reshape(images, CHANNELS, SIDE, SIDE).double().numpy()


def explain_worked(layer: Example = "2d", batch_size: int | None = None) -> Explanation:
    """Work batch norm through on the batch of `worked_batch`, each step checked against torch.

    A 1-D batch of one gives another explanation: why nothing can be learned there. `arrays` holds
    `before`, `after` (normalised) and, where there is one, `inference`, each of the batch's shape,
    and the channels' `before_mean`, `before_std`, `after_mean` and `after_std`.
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
        title = "Batch norm on a fully connected batch of one: nothing can be learned"
        arrays = arithmetic.with_statistics({"before": x, "after": np.zeros_like(x)})
        return Explanation(title, data, name, steps_of_a_single_value(x), arrays)
    worked = _Worked(x)
    steps = worked.steps()
    if layer == "2d" and images == 1:
        steps += (_single_image_step(),)
    kind = "feature maps" if layer == "2d" else "fully connected layers"
    arrays = arithmetic.with_statistics({"before": x, "after": worked.normalised})
    arrays["inference"] = worked.inference(1)
    return Explanation(f"Batch norm for {kind}, step by step", data, name, steps, arrays)


class _Worked:
    """A batch and what becomes of it, by hand; each step compares it with torch."""

    def __init__(self, x: Array) -> None:
        self.x, self.count = x, arithmetic.values_per_channel(x)
        self.mean, self.variance = arithmetic.mean(x), arithmetic.biased_variance(x)
        self.normalised = arithmetic.normalise(x, self.mean, self.variance, EPS)
        self.torchs = f"nn.BatchNorm{2 if has_pixels(x) else 1}d"

    def steps(self) -> tuple[Step, ...]:
        return (
            self.batch_step(), self.mean_step(), self.variance_step(), self.normalise_step(),
            self.result_step(), self.affine_step(), self.running_step(), self.convergence_step(),
            self.inference_step(),
        )  # fmt: skip

    def running(self, steps: int) -> tuple[Array, Array]:
        """The running mean and variance after so many equal batches."""
        mean = arithmetic.running_average(0.0, self.mean, MOMENTUM, steps)
        unbiased = arithmetic.unbiased_variance(self.x)
        return mean, arithmetic.running_average(1.0, unbiased, MOMENTUM, steps)

    def inference(self, steps: int) -> Array:
        return arithmetic.normalise(self.x, *self.running(steps), EPS)

    def batch_step(self) -> Step:
        x, maps = self.x, has_pixels(self.x)
        axes = "image, channel, row, column" if maps else "row, channel"
        over = "over the images and their pixels" if maps else "over the rows"
        product = f"{' x '.join(map(str, (x.shape[0], *x.shape[2:])))} = " if maps else ""
        return Step(
            "The batch",
            (f"x has shape {x.shape}: {axes}",),
            f"Every channel is normalised by itself, {over}: m = {product}{self.count} values per "
            "channel.",
            (Values("batch x", x),),
        )

    def mean_step(self) -> Step:
        sums = arithmetic.channel_sum(self.x)
        theirs, _ = running(trained(self.x, 1, momentum=1.0))
        return Step(
            "Mean of each channel",
            (f"μ_c = (1/m) Σ x_c, m = {self.count}",),
            f"First channel: {sums[0]:g} / {self.count} = {self.mean[0]:.4f}.",
            (Values("sum Σ x", sums), Values("mean μ", self.mean)),
            (compare(f"{self.torchs} with momentum 1: running_mean", self.mean, theirs),),
        )

    def variance_step(self) -> Step:
        m, variance = self.count, self.variance
        _, unbiased = running(trained(self.x, 1, momentum=1.0))
        against = f"{self.torchs} with momentum 1: running_var (m - 1)/m"
        return Step(
            "Biased variance of each channel",
            ("σ²_c = (1/m) Σ (x_c - μ_c)²",),
            f"Divided by m = {m}, not by m - 1 = {m - 1}: the batch is all there is to normalise.",
            (
                Values("sum of squares Σ (x - μ)²", variance * m), Values("variance σ²", variance),
                Values("std σ", np.sqrt(variance)),
            ),
            (compare(against, variance, unbiased * (m - 1) / m),),
        )  # fmt: skip

    def normalise_step(self) -> Step:
        first = (0,) * self.x.ndim
        theirs = forward(layer_for(self.x, affine=False), self.x)
        return Step(
            "Normalise (training)",
            (f"x̂ = (x - μ_c) / √(σ²_c + ε), ε = {EPS:.5f}",),
            f"First value: ({self.x[first]:g} - {self.mean[0]:.4f}) / √({self.variance[0]:.4f} + "
            f"{EPS:.5f}) = {self.normalised[first]:.4f}. ε keeps the root from 0 where a channel "
            "is constant.",
            (Values("normalised x̂", self.normalised),),
            (compare(f"{self.torchs} without affine, train mode", self.normalised, theirs),),
        )

    def result_step(self) -> Step:
        mean, std = mean_and_std("x̂", self.normalised)
        return Step(
            "The result: mean 0, std 1",
            ("mean(x̂_c) = 0, std(x̂_c) = √(σ²_c / (σ²_c + ε)) ≈ 1",),
            "Wherever the channels lay, they now share one place and one scale. ε leaves the std "
            "(standard deviation) a trace under 1.",
            (mean, std),
            (
                compare("mean 0", mean.numbers, np.zeros(CHANNELS)),
                compare("std 1", std.numbers, np.ones(CHANNELS)),
            ),
        )

    def affine_step(self) -> Step:
        output = arithmetic.scale_and_shift(self.normalised, GAMMA, BETA)
        layer = layer_for(self.x)
        initial = forward(layer, self.x)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(GAMMA))
            layer.bias.copy_(torch.from_numpy(BETA))
        return Step(
            "Scale and shift, both learned",
            ("y = γ_c x̂ + β_c",),
            "γ starts at 1 and β at 0, so that y = x̂ at first; training moves them. With the γ and "
            "β below, channel c ends with mean β_c and std |γ_c|: the network can undo the "
            "normalisation where that helps.",
            (
                Values("example γ", GAMMA), Values("example β", BETA),
                *mean_and_std("y", output), Values("output y", output),
            ),
            (
                compare(f"{self.torchs} as initialised: y = x̂", self.normalised, initial),
                compare(f"{self.torchs} with this γ and β", output, forward(layer, self.x)),
            ),
        )  # fmt: skip

    def running_step(self) -> Step:
        mean, variance = self.running(1)
        theirs = running(trained(self.x, 1))
        return Step(
            "Running averages, for later",
            (
                f"r_c ← (1 - {MOMENTUM}) r_c + {MOMENTUM} μ_c, from r_c = 0",
                f"v_c ← (1 - {MOMENTUM}) v_c + {MOMENTUM} σ²_c m/(m - 1), from v_c = 1",
            ),
            "Each training batch moves them a tenth of the way. torch averages the unbiased "
            "variance here, although it normalises with the biased one; its momentum is the weight "
            "of the new batch.",
            (
                Values("unbiased variance", arithmetic.unbiased_variance(self.x)),
                Values("running mean r", mean), Values("running variance v", variance),
            ),
            (
                compare(f"{self.torchs} after one batch: running_mean", mean, theirs[0]),
                compare(f"{self.torchs} after one batch: running_var", variance, theirs[1]),
            ),
        )  # fmt: skip

    def convergence_step(self) -> Step:
        values, checks = [], []
        for steps in REPEATS:
            mean, variance = self.running(steps)
            theirs = running(trained(self.x, steps))
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

    def inference_step(self) -> Step:
        many = REPEATS[-1]
        once, often = self.inference(1), self.inference(many)
        theirs = [forward(trained(self.x, k).eval(), self.x) for k in (1, many)]
        return Step(
            "Normalise (inference)",
            ("y = γ_c (x - r_c) / √(v_c + ε) + β_c",),
            "In eval mode the running averages stand for the batch's statistics, so that the "
            "answer for one image does not depend on the others of its batch. γ = 1 and β = 0 "
            f"here. After one batch the averages are far off; after {many}, mean 0 and std 1 are "
            "almost there; the std stays a little under 1, since v holds the unbiased variance.",
            (
                *mean_and_std("y after 1 batch", once),
                *mean_and_std(f"y after {many} batches", often),
                Values("output y after 1 batch", once),
            ),
            (
                compare(f"{self.torchs} eval mode, after 1 batch", once, theirs[0]),
                compare(f"{self.torchs} eval mode, after {many} batches", often, theirs[1]),
            ),
        )


def _single_image_step() -> Step:
    return Step(
        "A batch of one image works here, because it has pixels",
        (),
        f"The image gives {SIDE} x {SIDE} = {SIDE * SIDE} values per channel, enough for a mean "
        "and a variance: convolutions still learn. Maps of 1 x 1 would give a single value, as in "
        "a fully connected layer (--layer 1d --batch-size 1), and torch refuses to train on it: "
        f"“{refusal(np.zeros((1, CHANNELS, 1, 1)))}”",
    )
