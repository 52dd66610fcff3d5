"""The layer table of a network: what each layer is, gives, learns and sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

from hindi_bn.networks.architectures import parameter_count
from hindi_bn.networks.dropout import CountedDropout
from hindi_bn.networks.norms import OVER_AN_IMAGE, OVER_THE_BATCH
from hindi_bn.networks.norms.batch_by_hand import HandwrittenBatchNorm
from hindi_bn.networks.norms.batch_lp import LpBatchNorm
from hindi_bn.networks.norms.batch_noisy import NoisyBatchNormalisation
from hindi_bn.networks.norms.batch_renorm import BatchRenormalisation

_NAMES = {
    HandwrittenBatchNorm: "Batch norm by hand",
    BatchRenormalisation: "Batch renormalisation",
    LpBatchNorm: "Batch norm",
    NoisyBatchNormalisation: "Batch norm with noise",
}
_LP = {"batch-l1": "l1", "batch-l2": "l2", "batch-linf": "l-infinity"}
_PARAMETRISED = {"_WeightNorm": "weight norm", "_SpectralNorm": "spectral norm"}


@dataclass(frozen=True)
class Layer:
    """A row of the layer table.

    Parameters
    ----------
    name
        Of the module in the network, as captures name it; "input" for the images.
    kind
        input, convolution, normalisation, activation, pooling, flatten, dropout or linear.
    description
        The layer with its settings.
    shape
        Shape of its output without the batch: (channels, height, width) or (features,).
    parameters
        Learnable numbers.
    receptive_field
        Side in pixels of the square of the image that one output value sees through convolutions
        and poolings, not cut at the image's edge; None once all pixels are seen (a linear layer).
        The statistics of normalisation layers see more: the whole map, or the whole batch.
    """

    name: str
    kind: str
    description: str
    shape: tuple[int, ...]
    parameters: int
    receptive_field: int | None


@torch.no_grad()
def layer_table(network: nn.Sequential, image_size: int = 32) -> list[Layer]:
    """Send a black image through the network and describe it layer by layer.

    Normalisation layers, which keep the shape, are passed over: some refuse to run on one value.

    Returns
    -------
    The input and every layer, in order. The network, its mode included, stays as it was.
    """
    x, field, jump = torch.zeros(1, 1, image_size, image_size), 1, 1
    rows = [Layer("input", "input", "Grey image", (1, image_size, image_size), 0, 1)]
    seen: int | None = 1
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    for name, layer in network.named_children():
        kind = kind_of(layer)
        x = x if kind == "normalisation" else layer(x)
        window, stride = _window(layer)
        field, jump = field + (window - 1) * jump, jump * stride
        seen = None if seen is None or isinstance(layer, nn.Linear) else field
        shape = tuple(x.shape[1:])
        rows.append(Layer(name, kind, describe(layer), shape, parameter_count(layer), seen))
    for module, training in modes:
        module.training = training
    return rows


def kind_of(layer: nn.Module) -> str:
    """Return the kind of a layer, as in `Layer.kind`."""
    kinds: dict[str, tuple[type[nn.Module], ...]] = {
        "convolution": (nn.Conv2d,),
        "normalisation": (*OVER_THE_BATCH, *OVER_AN_IMAGE),
        "pooling": (nn.MaxPool2d, nn.AvgPool2d),
        "flatten": (nn.Flatten,),
        "dropout": (CountedDropout,),
        "linear": (nn.Linear,),
    }
    return next((kind for kind, types in kinds.items() if isinstance(layer, types)), "activation")


def describe(layer: nn.Module) -> str:
    """Return one line on a layer: its name and its settings, such as `Conv2d 1 → 16, 3 × 3`."""
    text = type(layer).__name__
    if isinstance(layer, nn.Conv2d):
        text = f"Conv2d {layer.in_channels} → {layer.out_channels}, {_square(layer.kernel_size)}"
        text += f", stride {layer.stride[0]}" if layer.stride != (1, 1) else ""
        text += f", padding {layer.padding[0]}" if layer.padding != (0, 0) else ""
    elif isinstance(layer, nn.Linear):
        text = f"Linear {layer.in_features} → {layer.out_features}"
    elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        text = f"{text} {_square((layer.kernel_size, layer.kernel_size))}"
    elif isinstance(layer, nn.GroupNorm):
        groups = "1 group (layer norm)" if layer.num_groups == 1 else f"{layer.num_groups} groups"
        text = f"GroupNorm {layer.num_channels}, {groups}"
    elif isinstance(layer, nn.LayerNorm):
        text = f"LayerNorm {layer.normalized_shape[0]}"
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d):
        text = f"{text} {layer.num_features}"
    elif isinstance(layer, tuple(_NAMES)):
        text = f"{_NAMES[type(layer)]} {layer.channels}"
        if isinstance(layer, LpBatchNorm):
            text += f", {_LP[layer.settings.name]} scale"
    elif isinstance(layer, CountedDropout):
        text = f"Dropout {layer.share:g}"
    return text + _parametrisation(layer)


def _parametrisation(layer: nn.Module) -> str:
    if not parametrize.is_parametrized(layer, "weight"):
        return ""
    (kind,) = layer.parametrizations["weight"]  # type: ignore[index]
    return f", {_PARAMETRISED[type(kind).__name__]}"


def _window(layer: nn.Module) -> tuple[int, int]:
    """Side and stride of the square of its input that one output value sees."""
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size[0], layer.stride[0]
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        assert isinstance(layer.kernel_size, int)
        assert isinstance(layer.stride, int)
        return layer.kernel_size, layer.stride
    return 1, 1


def _square(sides: tuple[object, ...]) -> str:
    return " × ".join(map(str, sides))
