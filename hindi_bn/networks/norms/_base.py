"""What a normalisation layer declares, and what those with gamma and beta share."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from hindi_bn import registry
from hindi_bn.study.model import NormSettings

FOLDER = "networks/norms"
_OF_TORCH: Mapping[type[nn.Module], str] = {
    nn.BatchNorm1d: "batch", nn.BatchNorm2d: "batch", nn.GroupNorm: "group",
    nn.InstanceNorm2d: "instance", nn.LayerNorm: "layer",
}  # fmt: skip
"""The norms that torch's own layers belong to where a network has them by itself."""


class Norm(NormSettings):
    """A normalisation: its settings are its fields, and its layers come from `maps` and `features`.

    In a file of `hindi_bn/networks/norms/` its name is the file's; outside it is
    `package.module:Name`, followed by `@` and the digest of its source.
    """

    over: ClassVar[Literal["batch", "image", "weights", "nothing"]]
    """What it normalises. Over the batch: the training output for one image depends on the others.
    Over an image: it does not. The weights: the layer before is changed, and there is no other."""

    running: ClassVar[tuple[str, ...]] = ()
    """Buffers of its layers that are recorded beside gamma and beta, each (channels,)."""

    words: ClassVar[str] = ""
    """What its layers are called in the layer table; empty: by their class."""

    vmap: ClassVar[bool] = True
    """Whether `torch.func.vmap` can run its layers, and an ensemble train them together."""

    @model_validator(mode="before")
    @classmethod
    def _called(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if not hasattr(cls, "over"):
            raise ValueError(f"{cls.__name__} does not declare over what it normalises")
        return {**given, "name": registry.full_name(cls, FOLDER, given.get("name", ""))}

    def maps(self, channels: int) -> nn.Module | None:
        """Return the layer that normalises (batch, channels, height, width); None for no layer.

        StudyError when the norm cannot have one for so many channels.
        """
        return None

    def features(self, features: int) -> nn.Module | None:
        """Return the layer that normalises (batch, features); see `maps`."""
        return self.maps(features)

    def parametrise(self, layer: nn.Conv2d | nn.Linear) -> None:
        """Change how a convolution or a linear layer uses its weights, in place."""

    def start(self, layer: nn.Module, place: int) -> None:
        """Give a layer, at its place in the network, its start once all weights are drawn."""

    def describe(self, layer: nn.Module) -> str:
        """Return a layer's name and settings for the layer table."""
        return f"{self.words or type(layer).__name__} {layer.extra_repr()}".rstrip()

    def statistics(self, layer: nn.Module) -> dict[str, torch.Tensor]:
        """Return a layer's own gamma, beta and running averages (channels,), those that it has."""
        greek = {"weight": "gamma", "bias": "beta"}
        own = {greek.get(name, name): tensor for name, tensor in layer.named_parameters()}
        return own | {n: tensor for n, tensor in layer.named_buffers() if n in self.running}

    def values_together(self, shape: tuple[int, ...], batch: int) -> int:
        """Count the values that share a mean where an image gives `shape`: (channels, ...)."""
        return batch * math.prod(shape[1:]) if self.over == "batch" else math.prod(shape)

    def one_value(self, shape: tuple[int, ...]) -> tuple[str, str]:
        """Say why one value of an image stands alone at outputs of `shape`, and what to do."""
        return f"An image has one value there ({sides(shape)}).", "choose another norm"

    def takes_one_value(self) -> bool:
        """Tell whether its layers train on a single value, though nothing can be learned of it."""
        return False

    def without_noise(self, layer: nn.Module) -> None:
        """Let a layer leave away in training what it draws."""


class AffineNorm(Norm):
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

    def start(self, layer: nn.Module, place: int) -> None:
        """Draw gamma and beta from torch's default generator, if `gamma_beta` asks for it."""
        if self.gamma_beta == "normal":
            for parameter in layer.parameters(recurse=False):
                nn.init.normal_(parameter)


class BatchNormBase(AffineNorm):
    """Normalisation over the batch, with running averages for evaluation."""

    over = "batch"
    running = ("running_mean", "running_var")

    momentum: float = Field(
        0.1, ge=0, le=1, description="Weight of the new batch in the running averages."
    )


def norm_of(layer: nn.Module) -> Norm | None:
    """Return the norm that a layer belongs to, or that changed its weights; None for others."""
    marked = getattr(layer, "of_norm", None)
    if marked is None and type(layer) in _OF_TORCH:
        settings = {"groups": layer.num_groups} if isinstance(layer, nn.GroupNorm) else {}
        marked = registry.find_class(FOLDER, "Norm", _OF_TORCH[type(layer)])(**settings)
    return marked if isinstance(marked, Norm) else None


def mark(layer: nn.Module, norm: Norm) -> None:
    """Let `norm_of` know that a layer belongs to a norm."""
    layer.of_norm = norm  # type: ignore[assignment]


def weight_of(layer: nn.Module) -> torch.Tensor | None:
    """Return a layer's weights without gradient, as the layer uses them; None if it has none."""
    training = layer.training
    layer.eval()  # in train mode a spectrally normalised weight would do a power iteration
    try:
        weight = getattr(layer, "weight", None)
        return weight.detach() if isinstance(weight, torch.Tensor) else None
    finally:
        layer.train(training)


def sides(shape: tuple[int, ...]) -> str:
    """Write a shape as `16 x 32 x 32`."""
    return " x ".join(map(str, shape))
