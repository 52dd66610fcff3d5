"""One real batch through a trained network's first batch-norm layer, in train and eval mode."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.errors import HindiBnError
from hindi_bn.explain import arithmetic
from hindi_bn.explain.arithmetic import mean_and_std
from hindi_bn.explain.batches import RealBatch
from hindi_bn.explain.document import Array, Explanation, Step, Values, compare
from hindi_bn.explain.torch_layers import BatchNorm, as_array, forward
from hindi_bn.records import Record
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale

LABELS = 40  # digits of a batch that are listed


def explain_run(record: Record, digits: Digits, batch: RealBatch) -> Explanation:
    """Follow a batch into the first batch-norm layer of a run's network; see `explain_batch`.

    RunError when the run is unfinished, damaged, or was trained on other data than `digits`.
    """
    record.check_data(digits)
    network, constants = load_network(record), run_constants(digits, record.run)
    assert isinstance(network, nn.Sequential)
    title = f"Batch norm on a real batch: the first batch-norm layer of {record.folder}"
    return explain_batch(network, scale(batch.images, constants), batch, title)


def explain_batch(
    network: nn.Sequential, scaled: torch.Tensor, batch: RealBatch, title: str
) -> Explanation:
    """Follow a batch into a trained network's first batch-norm layer; the network stays as it is.

    Args:
        scaled: The batch's images as the network takes them: float32 (batch, channels, height,
            width).

    Returns:
        The steps; `arrays` holds `before`, `train` and `eval`, the layer's input and its outputs in
        both modes, and the means and stds of their channels, each (channels,): `before_mean`,
        `before_std` and so on, and `running_mean` and `running_std`.
        HindiBnError without such a layer of torch's, and where it gets one value per channel.
    """
    network = copy.deepcopy(network).eval()
    place, layer = _first_batch_norm(network)
    with torch.no_grad():
        before = as_array(network[:place](scaled))
    if arithmetic.values_per_channel(before) == 1:
        raise HindiBnError(
            f"Layer {place} of the network gets one value per channel: {before.shape}.",
            "A batch of one has no variance there: see `hindi-bn explain --layer 1d "
            "--batch-size 1`.",
            "give --batch-size 2 or more",
        )
    found = _Layer(place, layer, before)
    steps = (
        _images_step(scaled, batch), found.before_step(), found.train_step(), found.eval_step(),
        found.distance_step(), _answer_step(network, scaled, batch.labels),
    )  # fmt: skip
    return Explanation(title, batch.description, type(layer).__name__, steps, found.arrays())


class _Layer:
    """The trained layer, the batch that enters it, and both of its outputs by hand."""

    def __init__(self, place: int, layer: BatchNorm, before: Array) -> None:
        channels = before.shape[1]
        self.place, self.layer, self.before, self.eps = place, layer, before, layer.eps
        self.gamma = _numbers(layer.weight, np.ones(channels))
        self.beta = _numbers(layer.bias, np.zeros(channels))
        self.mean = arithmetic.mean(before)
        self.variance = arithmetic.biased_variance(before)
        self.running_mean = _numbers(layer.running_mean, self.mean)
        self.running_variance = _numbers(layer.running_var, self.variance)
        self.in_train = self._output(self.mean, self.variance)
        self.in_eval = self._output(self.running_mean, self.running_variance)

    def _output(self, centre: Array, variance: Array) -> Array:
        normalised = arithmetic.normalise(self.before, centre, variance, self.eps)
        return arithmetic.scale_and_shift(normalised, self.gamma, self.beta)

    def _torch(self, training: bool) -> Array:
        return forward(copy.deepcopy(self.layer).train(training), self.before)

    def arrays(self) -> dict[str, Array]:
        batches = {"before": self.before, "train": self.in_train, "eval": self.in_eval}
        running_std = np.sqrt(self.running_variance)
        running = {"running_mean": self.running_mean, "running_std": running_std}
        return arithmetic.with_statistics(batches) | running

    def before_step(self) -> Step:
        return Step(
            f"Before the layer: what enters module {self.place}, {type(self.layer).__name__}",
            (f"z has shape {self.before.shape}",),
            f"{arithmetic.values_per_channel(self.before)} values per channel, each channel on its "
            "own place and scale.",
            mean_and_std("z", self.before),
        )

    def train_step(self) -> Step:
        return Step(
            "After it in train mode: by the batch's own statistics",
            ("y = γ_c (z - μ_c) / √(σ²_c + ε) + β_c",),
            "Channel c has mean β_c and std |γ_c|, whatever the batch; γ and β are the "
            "trained ones.",
            (Values("γ", self.gamma), Values("β", self.beta), *mean_and_std("y", self.in_train)),
            (compare("the layer in train mode", self.in_train, self._torch(True)),),
        )

    def eval_step(self) -> Step:
        difference = np.abs(self.in_eval - self.in_train)
        return Step(
            "After it in eval mode: by the running averages of the training",
            ("y = γ_c (z - r_c) / √(v_c + ε) + β_c",),
            "This is what predicts. The outputs of the two modes differ by "
            f"{difference.mean():.4f} on average and {difference.max():.4f} at most.",
            (
                Values("running mean r", self.running_mean),
                Values("running std √v", np.sqrt(self.running_variance)),
                *mean_and_std("y", self.in_eval),
            ),
            (compare("the layer in eval mode", self.in_eval, self._torch(False)),),
        )

    def distance_step(self) -> Step:
        offset = (self.running_mean - self.mean) / np.sqrt(self.running_variance + self.eps)
        ratio = np.sqrt((self.variance + self.eps) / (self.running_variance + self.eps))
        return Step(
            "How far the running averages are from this batch",
            ("offset_c = (r_c - μ_c) / √(v_c + ε)", "ratio_c = √(σ²_c + ε) / √(v_c + ε)"),
            f"The means differ by {np.abs(offset).mean():.3f} running stds on average, "
            f"{np.abs(offset).max():.3f} at most (channel {int(np.abs(offset).argmax())}); the "
            f"batch's std is {ratio.min():.3f} to {ratio.max():.3f} of the running one. A "
            "batch like the training images gives offsets near 0 and ratios near 1.",
            (Values("offset", offset), Values("ratio", ratio)),
        )


def _images_step(images: torch.Tensor, batch: RealBatch) -> Step:
    shown = " ".join("?" if label is None else str(label) for label in batch.labels[:LABELS])
    more = f" and {len(batch.labels) - LABELS} more" if len(batch.labels) > LABELS else ""
    prepared = f" It was prepared: {'; '.join(batch.prepared)}." if batch.prepared else ""
    pixels = images.double()
    return Step(
        "The batch",
        (f"images have shape {tuple(images.shape)}: image, channel, row, column",),
        f"Digits: {shown}{more}. The first is the image asked about.{prepared}",
        (
            Values("mean of the pixels, as scaled", np.array(float(pixels.mean()))),
            Values("std of the pixels", np.array(float(pixels.std(correction=0)))),
        ),
    )


def _answer_step(network: nn.Module, images: torch.Tensor, labels: Sequence[int | None]) -> Step:
    in_eval = _probabilities(network, images, training=False)
    sentence, values = _answer("eval mode", in_eval, labels)
    try:
        in_train = _probabilities(network, images, training=True)
    except ValueError as refusal:
        text = f"{sentence} In train mode torch refuses this batch: “{refusal}”"
        return Step("What the network answers", (), text, (values,))
    other, more = _answer("train mode", in_train, labels)
    text = f"{sentence} {other} In train mode the answer for an image depends on its batch."
    return Step("What the network answers", (), text, (values, more))


def _answer(mode: str, rows: Array, labels: Sequence[int | None]) -> tuple[str, Values]:
    known = [
        (row.argmax(), label) for row, label in zip(rows, labels, strict=True) if label is not None
    ]
    right = sum(int(guess) == label for guess, label in known)
    score = f"; {right} of the {len(known)} images with a known digit are right" if known else ""
    sentence = (
        f"With its batch-norm layers in {mode}: the first image is a {rows[0].argmax()} "
        f"(probability {rows[0].max():.4f}){score}."
    )
    return sentence, Values(f"probability, {mode}", rows[0], "digit")


def _probabilities(network: nn.Module, images: torch.Tensor, training: bool) -> Array:
    """Class probabilities float64 (batch, classes); only batch-norm layers change their mode."""
    twin = copy.deepcopy(network).eval()
    for module in twin.modules():
        if isinstance(module, BatchNorm):
            module.train(training)
    with torch.no_grad():
        return as_array(twin(images).double().softmax(1))


def _first_batch_norm(network: nn.Sequential) -> tuple[int, BatchNorm]:
    for place, layer in enumerate(network):
        if isinstance(layer, BatchNorm):
            return place, layer
    raise HindiBnError(
        "The run's network has no batch-norm layer of torch's.",
        "Only nn.BatchNorm1d and nn.BatchNorm2d are explained.",
        "name a run with batch norm, such as --run results/article/bn",
    )


def _numbers(tensor: torch.Tensor | None, otherwise: Array) -> Array:
    return otherwise if tensor is None else as_array(tensor)
