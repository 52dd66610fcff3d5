"""The layer table of a network: what each layer is, gives, learns and sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks.dropout import CountedDropout
from hindi_bn.networks.local import LocallyConnected2d
from hindi_bn.networks.norms import norm_of
from hindi_bn.networks.padding import MeanPaddedConv2d
from hindi_bn.networks.preserved import preserved
from hindi_bn.networks.transformer import SpatialTransformer

_KINDS: Mapping[str, tuple[type[nn.Module], ...]] = {
    "convolution": (nn.Conv2d,),
    "local": (LocallyConnected2d,),
    "linear": (nn.Linear,),
    "pooling": (nn.MaxPool2d, nn.AvgPool2d),
    "flatten": (nn.Flatten,),
    "dropout": (CountedDropout,),
    "transformer": (SpatialTransformer,),
    "activation": (
        nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Softplus,
        nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Identity,
    ),
}  # fmt: skip
"""The kinds of torch's layers; normalisation layers are known by their norm."""


@dataclass(frozen=True)
class Layer:
    """A row of the layer table.

    The receptive field is the side in pixels of the square of the image that one output value sees
    through convolutions and poolings, not cut at the image's edge; None once all pixels are seen
    (linear layers, transformers). Statistics of normalisation layers, and a padding of the mean,
    see more: the whole map, or the whole batch.
    """

    name: str  # of the module in the network, as recordings name it; "input" for the images
    kind: str
    description: str
    shape: tuple[int, ...]  # of its output: (channels, height, width) or (features,)
    parameters: int
    receptive_field: int | None


@torch.no_grad()
def layer_table(network: nn.Sequential, image_size: int = 32) -> list[Layer]:
    """Send a black image through the network and describe it layer by layer.

    Normalisation layers, which keep the shape, are passed over: some refuse to run on one value.
    """
    x, field, jump = torch.zeros(1, 1, image_size, image_size), 1, 1
    rows = [Layer("input", "input", "Grey image", (1, image_size, image_size), 0, 1)]
    seen: int | None = 1
    with preserved(network):
        for name, layer in network.named_children():
            kind = kind_of(layer)
            before, x = x.numel(), x if kind == "normalisation" else layer(x)
            windowed = kind in {"convolution", "local", "pooling"}
            window = _one(getattr(layer, "kernel_size", 1)) if windowed else 1
            stride = _one(getattr(layer, "stride", 1)) if windowed else 1
            field, jump = field + (window - 1) * jump, jump * stride
            summed_up = kind == "flatten" and x.numel() < before
            whole = summed_up or kind in {"linear", "transformer"}
            seen = None if seen is None or whole else field
            shape = tuple(x.shape[1:])
            rows.append(Layer(name, kind, describe(layer), shape, parameter_count(layer), seen))
    return rows


def kind_of(layer: nn.Module) -> str:
    """Return the kind of a layer, as in `Layer.kind`: its norm's, its class's own, or torch's.

    A class of one's own declares it: `kind = "activation"`. A convolution or pooling has
    `kernel_size` and `stride` too, for the receptive field. StudyError when the kind is not known.
    """
    norm = norm_of(layer)
    if norm and norm.over in {"batch", "image"}:
        return "normalisation"
    if (kind := getattr(layer, "kind", None)) in _KINDS:
        return str(kind)
    for kind, types in _KINDS.items():
        if isinstance(layer, types):
            return kind
    raise StudyError(
        f"The layer {type(layer).__name__} is of no known kind.",
        "Layer tables, figures and checks ask what each layer of a network is.",
        f"let its class say kind = one of {', '.join(_KINDS)}, or take one of torch's: "
        + ", ".join(t.__name__ for types in _KINDS.values() for t in types),
    )


def describe(layer: nn.Module) -> str:
    """Return one line on a layer: its name and its settings, such as `Conv2d 1 → 16, 3 × 3`."""
    norm, text = norm_of(layer), type(layer).__name__
    if norm and norm.over != "weights":
        return norm.describe(layer)
    if isinstance(layer, nn.Conv2d):
        text = f"Conv2d {layer.in_channels} → {layer.out_channels}, {_square(layer.kernel_size)}"
        text += f", stride {layer.stride[0]}" if layer.stride != (1, 1) else ""
        text += f", padding {layer.padding[0]}" if layer.padding != (0, 0) else ""
        if isinstance(layer, MeanPaddedConv2d) or layer.padding_mode != "zeros":
            text += " of the mean" if isinstance(layer, MeanPaddedConv2d) else " of the border"
    elif isinstance(layer, LocallyConnected2d):
        window = f"{layer.kernel_size} × {layer.kernel_size}"
        text = f"Local {layer.in_channels} → {layer.out_channels}, {window}"
        text += f", padding {layer.padding}" if layer.padding else ""
    elif isinstance(layer, nn.Linear):
        text = f"Linear {layer.in_features} → {layer.out_features}"
    elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        text = f"{text} {_square((_one(layer.kernel_size), _one(layer.kernel_size)))}"
    elif isinstance(layer, CountedDropout):
        text = f"Dropout {layer.share:g}"
    elif isinstance(layer, SpatialTransformer):
        text = "Spatial transformer"
    return f"{text}, {norm.words or type(norm).__name__}" if norm else text


def parameter_count(network: nn.Module) -> int:
    """Count the learnable numbers in the network."""
    return sum(parameter.numel() for parameter in network.parameters())


def _one(sides: Any) -> int:
    """Height of a window that torch keeps as a number or as two."""
    return int(sides if isinstance(sides, int) else sides[0])


def _square(sides: tuple[object, ...]) -> str:
    return " × ".join(map(str, sides))
