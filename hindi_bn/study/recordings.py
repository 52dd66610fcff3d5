"""What a run can record beside wx and wy: the `captures` of a study file (see docs/captures.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hindi_bn.study.settings import NAME, Settings, chosen_by


def _every(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value != "epoch" and not (whole and value >= 1):
        raise ValueError("must be 'epoch', or a whole number of steps from 1 on")
    return value


class _Captured(Settings):
    every: Annotated[Literal["epoch"] | int, BeforeValidator(_every)] = Field(
        "epoch", description="Record after each epoch, or after every so many steps."
    )


class WeightCapture(_Captured):
    """A single weight."""

    kind: Literal["weight"]
    name: str = Field(pattern=NAME, description="Name of the weight in captures.csv.")
    layer: str = Field(
        description="Module whose weight is recorded, by its name in the network, or last-conv."
    )
    index: tuple[int, ...] = Field(
        description="Index of the weight: filter, channel, row, column; or unit, input."
    )


class WeightsCapture(_Captured):
    """Many single weights of one layer, drawn at random: the same places in every run."""

    kind: Literal["weights"]
    name: str = Field("weights", pattern=NAME, description="Name in captures.csv.")
    layer: str = Field(
        "last-conv",
        description="Module whose weights are recorded, by its name in the network, or last-conv.",
    )
    count: int = Field(64, ge=1, description="Number of weights; all if the layer has fewer.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of the draw of their places.")


class LossesCapture(Settings):
    """Training loss of every step."""

    kind: Literal["losses"]
    name: str = Field("losses", pattern=NAME, description="Name in captures.csv.")


class ActivationsCapture(_Captured):
    """Mean and standard deviation of every layer's output on a fixed batch of test images."""

    kind: Literal["activations"]
    name: str = Field("activations", pattern=NAME, description="Name in captures.csv.")
    per_class: int = Field(
        10, ge=1, description="The batch: the first so many test images of each digit."
    )
    mode: Literal["eval", "train"] = Field(
        "eval", description="Layers as in evaluation or as in training; the run is not touched."
    )


class GradientsCapture(_Captured):
    """L2 norm of the gradient of each parameter tensor, at the step just made."""

    kind: Literal["gradients"]
    name: str = Field("gradients", pattern=NAME, description="Name in captures.csv.")


class StatisticsCapture(_Captured):
    """Gamma, beta and running averages of every normalisation layer, channel by channel."""

    kind: Literal["statistics"]
    name: str = Field("statistics", pattern=NAME, description="Name in captures.csv.")


_KINDS: dict[str, type[Settings]] = {
    "weight": WeightCapture,
    "weights": WeightsCapture,
    "losses": LossesCapture,
    "activations": ActivationsCapture,
    "gradients": GradientsCapture,
    "statistics": StatisticsCapture,
}

AnyCapture = Annotated[
    WeightCapture
    | WeightsCapture
    | LossesCapture
    | ActivationsCapture
    | GradientsCapture
    | StatisticsCapture,
    chosen_by("kind", lambda: list(_KINDS), _KINDS.__getitem__),
]
"""Something to record while a run trains: its kind, or a mapping of kind and parameters."""
