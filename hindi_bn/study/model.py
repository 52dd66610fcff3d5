"""What is to be done: a study is an ordered list of runs, read from YAML and overridden by flags.

The models here are the single description of every setting: the keys of a study file, the help of
the flags and the saved `run.yaml` all come from them. They are frozen and refuse unknown keys.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, Field, SerializeAsAny, field_validator, model_validator

from hindi_bn import registry
from hindi_bn.study.old_names import old_values
from hindi_bn.study.settings import (
    MOST,
    NAME,
    Settings,
    chosen_by,
    folder_name,
    known,
    run_name,
)

Numerics = Literal["exact", "fast", "engine"]
Stream = Literal["continued", "paired"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["float32", "tf32", "bf16"]
Scaling = Literal["unit", "half", "standard"]
Augment = Literal["none", "crop", "enlarge", "rotate", "crop-rotate", "enlarge-rotate"]


class NormSettings(Settings):
    """Settings of a normalisation layer, each in a file of `hindi_bn/networks/norms/`."""

    name: str = ""


class Recording(Settings):
    """Base of what a run can record, each in a file of `hindi_bn/training/recordings/`."""

    kind: str
    name: str = Field(pattern=NAME, description="Name in captures.csv.")

    columns: ClassVar[tuple[str, ...]] = ()
    """Columns of history.csv that hold it; if there are none it stands in captures.csv."""

    own_files: ClassVar[bool] = False
    """Whether it stands in files of its own instead."""

    def fits(self, run: "Run", side: int) -> bool:
        """Tell whether the run's network, on images of this side, has what it reads."""
        return True


AnyRecording = Annotated[
    SerializeAsAny[Recording],
    chosen_by(
        "kind",
        names=lambda: registry.names("training/recordings"),
        find=lambda kind: registry.find_class("training/recordings", "Recording", kind),
    ),
]
"""A recording by its kind, or as a mapping of kind and parameters."""


def norm_names() -> tuple[str, ...]:
    """Return the names of all normalisation layers of this package."""
    return registry.names("networks/norms")


def network_names() -> tuple[str, ...]:
    """Return the names of all networks of this package."""
    return registry.names("networks/architectures", hyphens=False)


def data_names() -> tuple[str, ...]:
    """Return the names of all data sets."""
    return registry.names("digits/datasets")


def _others() -> str:
    *some, last = (name for name in data_names() if name != "digits")
    return f"{', '.join(some)} or {last}"


def norm_called(name: str) -> type[NormSettings]:
    """Import a norm by its name; StudyError for one from outside that is none."""
    return cast(type[NormSettings], registry.find_class("networks/norms", "Norm", name))


def _no_norm() -> NormSettings:
    return norm_called("none")()


def _network(name: str) -> str:
    """Refuse an unknown network; the name of one from outside gets the digest of its source."""
    if registry.is_outside(name):
        found = registry.find_class("networks/architectures", "Network", name)
        return registry.full_name(found, "networks/architectures", name)
    return known(name, network_names())


class Init(Settings):
    """Initial weights of convolutions and linear layers; biases become 0 but for `default`."""

    name: Literal["default", "xavier", "kaiming", "orthogonal"] = "default"


class NormalInit(Settings):
    """Initial weights from a normal distribution around 0; biases 0."""

    name: Literal["normal"] = "normal"
    std: float = Field(0.01, gt=0, description="Standard deviation of the initial weights.")


_INITS: Mapping[str, type[Settings]] = {
    "default": Init, "xavier": Init, "kaiming": Init, "orthogonal": Init, "normal": NormalInit,
}  # fmt: skip


class Options(Settings):
    """What can be varied in a network; unset means the network's own choice."""

    activation: Literal["relu", "sigmoid", "tanh", "none"] | None = Field(
        None, description="Activation after every hidden layer; none: linear layers alone."
    )
    pooling: Literal["max", "avg", "none"] | None = Field(
        None, description="Halving of the maps; none: by a 2 x 2 convolution of stride 2 instead."
    )
    padding: Literal["zero", "mean", "border", "none"] | None = Field(
        None,
        description="Around the maps of padded convolutions: zeros, each channel's mean over its "
        "map, the border's own values, or nothing, so that maps shrink.",
    )
    convolutions: int | None = Field(None, ge=1, le=50, description="Number of convolutions.")
    hidden_layers: int | None = Field(
        None, ge=1, le=50, description="Number of hidden linear layers."
    )
    width: int | None = Field(
        None, ge=1, le=4096, description="Channels of a convolution, units of a hidden layer."
    )


class Run(Settings):
    """One training: network, data preparation, optimiser and what is recorded."""

    name: Annotated[str, AfterValidator(run_name)] = Field(
        pattern=NAME, description="Name of the run and of its folder."
    )
    network: Annotated[str, AfterValidator(_network)] = Field(
        "three_convs", description="Network to train: a name, or package.module:Name."
    )
    norm: Annotated[
        SerializeAsAny[NormSettings], chosen_by("name", norm_names, norm_called, outside=True)
    ] = Field(
        default_factory=_no_norm,
        description="Normalisation layer: a name or package.module:Name, alone or with parameters.",
    )
    placement: Literal["before", "after"] = Field(
        "before",
        description="Normalisation before or after the activation; nothing to place for none, "
        "weight and spectral.",
    )
    norm_layers: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None,
        min_length=1,
        description="Layers that are normalised, counted from 1; unset: all hidden ones. The one "
        "after the last hidden layer is the classifier, whose logits are then normalised.",
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of the values that Dropout drops in training."
    )
    dropout_place: Literal["classifier", "norms"] = Field(
        "classifier",
        description="Dropout before the last linear layer, or directly before every normalisation "
        "layer (with none, where it would be).",
    )
    halved: bool = Field(False, description="Halve the images first: each pixel the mean of 2 x 2.")
    transformer: bool = Field(
        False, description="A spatial transformer before the network (after the halving)."
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
    batch_size: int = Field(32, ge=1, le=MOST, description="Training images per step.")
    test_batch_size: int = Field(
        32,
        ge=1,
        le=MOST,
        description="Test images per batch; the test loss is the mean over these batches.",
    )
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="Optimiser.")
    lr: float = Field(0.001, gt=0, description="Learning rate.")
    momentum: float = Field(0.0, ge=0, lt=1, description="Momentum of SGD.")
    scaling: Scaling = Field(
        "unit",
        description="Input scaling: unit (0..1), half ((x - 0.5)/0.5) or standard (by the "
        "training images' mean and std).",
    )
    train_images: int | None = Field(
        None, ge=1, description="Training images: as many of each digit, evenly spread; unset: all."
    )
    augment: Augment = Field(
        "none",
        description="Changes to the training images, drawn anew each epoch: crop (half to all of "
        "the image, enlarged), enlarge (1 to 1.5 times, about the middle), rotate (up to 30 "
        "degrees), crop-rotate, enlarge-rotate, or none.",
    )
    recordings: tuple[AnyRecording, ...] = Field(
        (), description="What is recorded beside the losses and accuracies."
    )

    @field_validator("epochs", "batch_size", "test_batch_size", "train_images", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must be a whole number, not true or false")  # noqa: TRY004
        return value

    @field_validator("recordings")
    @classmethod
    def _recordings_differ(cls, recordings: tuple[AnyRecording, ...]) -> tuple[AnyRecording, ...]:
        names = [recording.name for recording in recordings]
        if len(set(names)) < len(names):
            raise ValueError(f"two recordings have the same name: {', '.join(names)}")
        return recordings

    @property
    def history_columns(self) -> tuple[str, ...]:
        """Columns of history.csv that its recordings give."""
        return tuple(column for each in self.recordings for column in each.columns)

    def recorded_pair(self) -> AnyRecording | None:
        """Return the recording of the two sample weights wx and wy, if it is asked for."""
        return next((each for each in self.recordings if each.kind == "pair"), None)


class Study(Settings):
    """Runs that belong together, and what they share."""

    name: Annotated[str, AfterValidator(folder_name)] = Field(
        pattern=NAME, description="Name of the study and of its folder."
    )
    description: str = Field("", description="One sentence on what the study shows.")
    seed: int = Field(5842, ge=0, lt=2**63, description="Seed of the random stream.")
    stream: Stream = Field(
        "continued",
        description="continued: one random stream runs on through the runs in their order; "
        "paired: every run restarts from the seed.",
    )
    data: Annotated[str, AfterValidator(lambda name: known(name, data_names()))] = Field(
        "digits", description=f"Data set: the article's digits, or {_others()}."
    )
    device: Device = Field("auto", description="Where to train; auto takes CUDA if there, or CPU.")
    precision: Precision = Field(
        "float32",
        description="Rounding: float32; tf32 (CUDA only: products rounded to 10 bits); or bf16 "
        "(mixed: products in bfloat16, weights and statistics in float32).",
    )
    numerics: Numerics | Literal["auto"] = Field(
        "exact",
        description="On the CPU: exact, the bits of the plain loop; fast, sums in another order "
        "that a CPU computes faster; engine, the same bits on every processor, and faster; auto, "
        "the engine for the runs that it knows and fast for others.",
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
        if len({name.lower() for name in names}) < len(names):
            raise ValueError(f"two runs differ by capitals alone: {', '.join(names)}")
        return self

    @classmethod
    def keys(cls) -> list[str]:
        """Return the valid keys, with those of a run that may stand at the top of a file."""
        return list(dict.fromkeys([*cls.model_fields, *Run.model_fields]))

    def folder(self, out: Path) -> Path:
        """Return the study's folder among results."""
        return results_folder(out, self.name, self.data)

    @property
    def image_size(self) -> int:
        """Height and width of the data's images in pixels; importing the data set needs torch."""
        return int(registry.find("digits/datasets", self.data).DATA_SET.image_size)

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
        return tuple(run for run in self.runs if run.norm.name.partition("@")[0] == norm)


def results_folder(out: Path, name: str, data: str) -> Path:
    """Return a folder among results; names of data other than the digits, or older ones, end it."""
    if data == "digits":
        return out / name
    folders = [out / f"{name}-{called}" for called in (data, *old_values("data", data))]
    return next((folder for folder in folders if folder.exists()), folders[0])


def batches(images: int, batch_size: int) -> int:
    """Return the number of batches that `images` images make; the last may be smaller."""
    return math.ceil(images / batch_size)
