"""What is to be done: a study is an ordered list of runs, read from YAML and overridden by flags.

The models here are the single description of every setting: the keys of a study file, the help of
the flags and the saved `run.yaml` all come from them. They are frozen and refuse unknown keys.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

Stream = Literal["continued", "paired"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Scaling = Literal["unit", "half", "standard"]


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Norm(Settings):
    """A normalisation layer by name, with its parameters."""

    name: Literal["none", "batch"] = Field(
        "none", description="Normalisation layer after each convolution, before its activation."
    )
    eps: float = Field(1e-5, gt=0, description="Added to the variance before the root.")
    momentum: float = Field(
        0.1, ge=0, le=1, description="Weight of the new batch in the running averages."
    )
    affine: bool = Field(True, description="Learn a scale (gamma) and a shift (beta) per channel.")


def _norm_by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


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

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the run and of its folder."
    )
    network: Literal["three_convs", "one_conv"] = Field(
        "three_convs", description="Network to train."
    )
    norm: Annotated[Norm, BeforeValidator(_norm_by_name)] = Field(
        default_factory=Norm, description="Normalisation layer: a name, or a name with parameters."
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
    capture: Capture = Field(default_factory=Capture, description="The two recorded weights.")

    @field_validator("epochs", "batch_size", "test_batch_size", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must be a whole number, not true or false")  # noqa: TRY004
        return value


class Study(Settings):
    """Runs that belong together, and what they share."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the study and of its folder."
    )
    description: str = Field("", description="One sentence on what the study shows.")
    seed: int = Field(5842, ge=0, lt=2**63, description="Seed of the random stream.")
    stream: Stream = Field(
        "continued",
        description="continued: one random stream runs on through the runs in their order; "
        "paired: every run restarts from the seed.",
    )
    data: Literal["digits", "drawn"] = Field(
        "digits", description="Data set: the real digits or the drawn stand-in."
    )
    device: Device = Field("auto", description="Where to train; auto takes CUDA if there, or CPU.")
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

    @property
    def folder_name(self) -> str:
        """Folder of the study: its name, with the data's name when that is not the real digits."""
        return self.name if self.data == "digits" else f"{self.name}-{self.data}"

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
