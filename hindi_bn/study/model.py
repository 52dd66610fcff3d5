"""What is to be done: a study is an ordered list of runs, read from YAML and overridden by flags.

The models here are the single description of every setting: the keys of a study file, the help of
the flags and the saved `run.yaml` all come from them. They are frozen and refuse unknown keys.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from hindi_bn.study.recordings import AnyCapture
from hindi_bn.study.settings import NAME, Settings, chosen_by

Numerics = Literal["exact", "fast"]
Stream = Literal["continued", "paired"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["float32", "tf32", "bf16"]
Scaling = Literal["unit", "half", "standard"]
Augment = Literal["none", "crop", "rotate", "crop-rotate"]


class NoNorm(Settings):
    """No normalisation."""

    name: Literal["none"] = "none"


class _Affine(Settings):
    """Normalisation with a learned scale (gamma) and shift (beta) per channel."""

    eps: float = Field(1e-5, gt=0, description="Added to what is divided by, so that it is not 0.")
    affine: bool = Field(True, description="Learn a scale (gamma) and a shift (beta) per channel.")
    gamma_beta: Literal["ones-zeros", "normal"] = Field(
        "ones-zeros",
        description="Initial gamma and beta: ones and zeros, or both from a standard normal.",
    )

    @model_validator(mode="after")
    def _something_to_draw(self) -> Self:
        if self.gamma_beta == "normal" and not self.affine:
            raise ValueError("gamma_beta: normal needs affine: true; there is no gamma to draw")
        return self


class _Running(_Affine):
    """Normalisation over the batch, with running averages for evaluation."""

    momentum: float = Field(
        0.1, ge=0, le=1, description="Weight of the new batch in the running averages."
    )


class BatchNorm(_Running):
    """torch's batch normalisation."""

    name: Literal["batch"] = "batch"


class BatchNormByHand(_Running):
    """Batch normalisation written out, with both conventions of the running averages."""

    name: Literal["batch-by-hand"] = "batch-by-hand"
    momentum: float = Field(
        0.1, ge=0, le=1, description="Weight in the running averages of what momentum_of names."
    )
    momentum_of: Literal["new-batch", "old-average"] = Field(
        "new-batch", description="What momentum weighs: the new batch (torch) or the old average."
    )
    running_variance: Literal["unbiased", "biased"] = Field(
        "unbiased", description="Variance that enters the running average; torch's is unbiased."
    )


class BatchRenorm(_Running):
    """Batch renormalisation; the schedule is the paper's at a tenth of its steps."""

    name: Literal["batch-renorm"] = "batch-renorm"
    momentum: float = Field(
        0.01, ge=0, le=1, description="Weight of the new batch in the running averages."
    )
    r_max: float = Field(3.0, ge=1, description="Largest correction of the scale.")
    d_max: float = Field(5.0, ge=0, description="Largest correction of the mean.")
    warm_up: int = Field(500, ge=0, description="First steps, trained as plain batch norm.")
    r_ramp: int = Field(3500, ge=0, description="Steps after warm_up until r_max is reached.")
    d_ramp: int = Field(2000, ge=0, description="Steps after warm_up until d_max is reached.")


class BatchLpNorm(_Running):
    """Batch normalisation with the l1, l2 or l-infinity norm as its scale."""

    name: Literal["batch-l1", "batch-l2", "batch-linf"]


class NoisyBatchNorm(_Running):
    """Batch normalisation followed by noise whose distribution changes at every training step."""

    name: Literal["batch-noisy"] = "batch-noisy"
    noise_shift: float = Field(
        0.5, ge=0, description="Largest shift of a unit's output, either way, drawn a step."
    )
    noise_scale: float = Field(
        1.25, ge=1, description="Largest factor of a unit's output, drawn from 1 on a step."
    )
    noise_spread: float = Field(
        0.1, ge=0, description="Spread of the images' own shifts and factors around the unit's."
    )


class LayerNorm(_Affine):
    """Layer normalisation: over all channels and pixels of an image."""

    name: Literal["layer"] = "layer"


class InstanceNorm(_Affine):
    """Instance normalisation: over the pixels of each channel of an image."""

    name: Literal["instance"] = "instance"


class GroupNorm(_Affine):
    """Group normalisation: over groups of channels of an image."""

    name: Literal["group"] = "group"
    groups: int = Field(2, ge=1, description="Groups that the channels are divided into.")


class WeightNorm(Settings):
    """Weight normalisation of the layer itself: length and direction of a filter are learned."""

    name: Literal["weight"] = "weight"


class SpectralNorm(Settings):
    """Spectral normalisation of the layer itself: weights over their largest singular value."""

    name: Literal["spectral"] = "spectral"
    iterations: int = Field(1, ge=1, description="Power iterations a training step.")


Norm = (
    NoNorm
    | BatchNorm
    | BatchNormByHand
    | BatchRenorm
    | BatchLpNorm
    | NoisyBatchNorm
    | LayerNorm
    | InstanceNorm
    | GroupNorm
    | WeightNorm
    | SpectralNorm
)
"""A normalisation layer by name, with the parameters that it has."""


def by_name(union: Any, key: str) -> dict[str, type[Settings]]:
    """Return the settings of a union by the names that choose them."""
    return {
        name: member
        for member in get_args(union)
        for name in get_args(member.model_fields[key].annotation)
    }


_NORMS = by_name(Norm, "name")


def norm_names() -> tuple[str, ...]:
    """Return the names of all normalisation layers."""
    return tuple(_NORMS)


class Init(Settings):
    """Initial weights of convolutions and linear layers; biases become 0 but for `default`."""

    name: Literal["default", "xavier", "kaiming", "orthogonal"] = "default"


class NormalInit(Settings):
    """Initial weights from a normal distribution around 0; biases 0."""

    name: Literal["normal"] = "normal"
    std: float = Field(0.01, gt=0, description="Standard deviation of the initial weights.")


_INITS = by_name(Init | NormalInit, "name")


class Options(Settings):
    """What can be varied in a network; unset means the network's own choice."""

    activation: Literal["relu", "sigmoid", "tanh"] | None = Field(
        None, description="Activation after every hidden layer."
    )
    pooling: Literal["max", "avg", "none"] | None = Field(
        None, description="Halving of the maps; none: by a 2 x 2 convolution of stride 2 instead."
    )
    convolutions: int | None = Field(None, ge=1, le=50, description="Number of convolutions.")
    hidden_layers: int | None = Field(
        None, ge=1, le=50, description="Number of hidden linear layers."
    )
    width: int | None = Field(
        None, ge=1, le=4096, description="Channels of a convolution, units of a hidden layer."
    )


class Capture(Settings):
    """Two sample weights that are recorded after each epoch as wx and wy (article, figure 8)."""

    layer: str = Field(
        "last-conv", description="Module whose weights are recorded, by its name in the network."
    )
    wx: tuple[int, ...] = Field(
        (3, 4, 1, 0), description="Index of the first weight: filter, channel, row, column."
    )
    wy: tuple[int, ...] = Field(
        (3, 8, 1, 0), description="Index of the second weight: filter, channel, row, column."
    )


class Run(Settings):
    """One training: network, data preparation, optimiser and what is recorded."""

    name: str = Field(pattern=NAME, description="Name of the run and of its folder.")
    network: Literal["three_convs", "one_conv", "lenet", "conv_pair", "mlp", "fully_connected"] = (
        Field("three_convs", description="Network to train.")
    )
    norm: Annotated[Norm, chosen_by("name", norm_names, _NORMS.__getitem__)] = Field(
        default_factory=NoNorm,
        description="Normalisation layer: a name, or a name with parameters.",
    )
    placement: Literal["before", "after"] = Field(
        "before",
        description="Normalisation before or after the activation; nothing to place for none, "
        "weight and spectral.",
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of inputs of the last linear layer dropped in training."
    )
    init: Annotated[
        Init | NormalInit, chosen_by("name", lambda: list(_INITS), _INITS.__getitem__)
    ] = Field(
        default_factory=Init,
        description="Initial weights: default (torch's), xavier, kaiming, orthogonal, or normal "
        "(with std).",
    )
    options: Options = Field(
        default_factory=Options, description="Variations of the network, such as its pooling."
    )
    epochs: int = Field(30, ge=1, le=100_000, description="Passes over the training images.")
    batch_size: int = Field(32, ge=1, description="Training images a step.")
    test_batch_size: int = Field(
        32, ge=1, description="Test images a batch; the test loss is the mean over these batches."
    )
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="Optimiser.")
    lr: float = Field(0.001, gt=0, description="Learning rate.")
    momentum: float = Field(0.0, ge=0, lt=1, description="Momentum of SGD.")
    scaling: Scaling = Field(
        "unit",
        description="Input scaling: unit (0..1), half ((x - 0.5)/0.5) or standard (by the "
        "training images' mean and deviation).",
    )
    train_images: int | None = Field(
        None,
        ge=1,
        description="Training images: as many of each digit, evenly spread; unset: all.",
    )
    augment: Augment = Field(
        "none",
        description="Changes to the training images, drawn anew each epoch: crop (half to all of "
        "the image, enlarged), rotate (up to 30 degrees), crop-rotate, or none.",
    )
    capture: Capture = Field(default_factory=Capture, description="The two recorded weights.")
    captures: tuple[AnyCapture, ...] = Field(
        (), description="What is recorded beside these two weights, in captures.csv."
    )

    @field_validator("epochs", "batch_size", "test_batch_size", "train_images", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must be a whole number, not true or false")  # noqa: TRY004
        return value

    @field_validator("captures")
    @classmethod
    def _captures_differ(cls, captures: tuple[AnyCapture, ...]) -> tuple[AnyCapture, ...]:
        names = [capture.name for capture in captures]
        if len(set(names)) < len(names):
            raise ValueError(f"two captures have the same name: {', '.join(names)}")
        return captures


class Study(Settings):
    """Runs that belong together, and what they share."""

    name: str = Field(pattern=NAME, description="Name of the study and of its folder.")
    description: str = Field("", description="One sentence on what the study shows.")
    seed: int = Field(5842, ge=0, lt=2**63, description="Seed of the random stream.")
    stream: Stream = Field(
        "continued",
        description="continued: one random stream runs on through the runs in their order; "
        "paired: every run restarts from the seed.",
    )
    data: Literal["digits", "drawn", "mnist", "fashion-mnist"] = Field(
        "digits",
        description="Data set: the real digits or the drawn stand-in (32 x 32 pixels); mnist or "
        "fashion-mnist (28 x 28).",
    )
    device: Device = Field("auto", description="Where to train; auto takes CUDA if there, or CPU.")
    precision: Precision = Field(
        "float32",
        description="Arithmetic: float32; tf32 (CUDA only: products rounded to 10 bits); or bf16 "
        "(mixed: products in bfloat16, weights and statistics in float32).",
    )
    numerics: Numerics = Field(
        "exact",
        description="On the CPU: exact, the bits of the plain loop; or fast, sums in another order "
        "that a CPU computes faster.",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads; unset leaves the number to torch."
    )
    runs: tuple[Run, ...] = Field(min_length=1, description="The runs, in training order.")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [run.name for run in self.runs]
        if len(set(names)) < len(names):
            raise ValueError(f"two runs have the same name: {', '.join(names)}")
        return self

    @classmethod
    def keys(cls) -> list[str]:
        """Return the valid keys, with those of a run that may stand at the top of a file."""
        return list(dict.fromkeys([*cls.model_fields, *Run.model_fields]))

    @property
    def folder_name(self) -> str:
        """Folder of the study: its name, with the data's name when that is not the real digits."""
        return self.name if self.data == "digits" else f"{self.name}-{self.data}"

    @property
    def image_size(self) -> int:
        """Height and width of the data's images in pixels."""
        return 28 if self.data in ("mnist", "fashion-mnist") else 32

    def run(self, name: str) -> Run:
        """Return the run called `name`; KeyError if there is none."""
        return self.runs[self.position(name)]

    def position(self, name: str) -> int:
        """Return the place of the run called `name` in the study; KeyError if there is none."""
        for place, run in enumerate(self.runs):
            if run.name == name:
                return place
        raise KeyError(name)

    def with_norm(self, norm: str) -> tuple[Run, ...]:
        """Return the runs whose normalisation layer is `norm`."""
        return tuple(run for run in self.runs if run.norm.name == norm)


def batches(images: int, batch_size: int) -> int:
    """Return the number of batches that `images` images make; the last may be smaller."""
    return math.ceil(images / batch_size)
