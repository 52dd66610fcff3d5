"""Weights read from a network while it trains: wx and wy (article, figure 8), and any other."""

from __future__ import annotations

import torch
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks import last_convolution, weight_of
from hindi_bn.study import Capture


class SingleWeight:
    """Reads one weight from a network.

    Parameters
    ----------
    layer
        Module by its name in the network, or `last-conv`.
    index
        Place in the module's weights, as many numbers as they have dimensions.
    layer_key, index_key
        The study's keys that say so, for messages.

    Raises
    ------
    StudyError
        At once, when the layer does not exist, has no weights, or is smaller than the index says.
    """

    def __init__(
        self,
        network: nn.Module,
        layer: str,
        index: tuple[int, ...],
        layer_key: str,
        index_key: str,
    ) -> None:
        self.layer, self._module = layer_with_weights(network, layer, layer_key)
        _check_index(index_key, index, tuple(_weight(self._module).shape), self.layer)
        self._index = index

    def read(self) -> torch.Tensor:
        """Return the weight as it is now: a tensor () on the network's device."""
        return _weight(self._module)[self._index]


class SampledWeights:
    """Reads many weights of one layer, at places drawn without repetition.

    Parameters
    ----------
    layer, layer_key
        As in `SingleWeight`.
    count
        Number of weights; all of the layer's when it has fewer.
    seed
        Seed of the draw, which leaves the default generator where it is.

    Raises
    ------
    StudyError
        At once, when the layer does not exist or has no weights.
    """

    def __init__(
        self, network: nn.Module, layer: str, count: int, seed: int, layer_key: str
    ) -> None:
        self.layer, self._module = layer_with_weights(network, layer, layer_key)
        weight = _weight(self._module)
        drawn = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(seed))
        places = drawn[:count].sort().values
        self.indices = torch.stack(torch.unravel_index(places, weight.shape), 1).tolist()
        self._places = places.to(weight.device)

    def read(self) -> torch.Tensor:
        """Return the weights as they are now: a new tensor (count,) on the network's device."""
        return _weight(self._module).flatten()[self._places]


def layer_with_weights(network: nn.Module, layer: str, layer_key: str) -> tuple[str, nn.Module]:
    """Find a layer by its name in the network, or `last-conv`; its name, and the layer.

    Raises
    ------
    StudyError
        When it does not exist or has no weights; `layer_key` is the study's key that names it.
    """
    modules = {name: module for name, module in network.named_modules() if name}
    having = [name for name, module in modules.items() if weight_of(module) is not None]
    found = last_convolution(network) if layer == "last-conv" else layer
    if found not in having:
        raise StudyError(
            f"Cannot record weights of layer {layer!r}.",
            f"The network has no such layer with weights; it has {', '.join(having)}.",
            f"set {layer_key} to one of these",
        )
    return found, modules[found]


def _weight(layer: nn.Module) -> torch.Tensor:
    weight = weight_of(layer)
    assert weight is not None
    return weight


class WeightPair:
    """Reads wx and wy from a network.

    Raises
    ------
    StudyError
        At once, when the layer does not exist, has no weights, or is smaller than the indices say.
    """

    def __init__(self, network: nn.Module, capture: Capture) -> None:
        self._pair = [
            SingleWeight(network, capture.layer, index, "capture.layer", f"capture.{key}")
            for key, index in (("wx", capture.wx), ("wy", capture.wy))
        ]
        self.layer = self._pair[0].layer

    def values(self) -> torch.Tensor:
        """Return wx and wy as they are now: a new tensor (2,) on the network's device."""
        return torch.stack([weight.read() for weight in self._pair])

    def read(self) -> tuple[float, float]:
        """Return wx and wy as they are now."""
        wx, wy = self.values().tolist()
        return wx, wy


def _check_index(key: str, index: tuple[int, ...], shape: tuple[int, ...], layer: str) -> None:
    fits = len(index) == len(shape) and all(
        0 <= i < size for i, size in zip(index, shape, strict=True)
    )
    if not fits:
        raise StudyError(
            f"Cannot record weight {list(index)} as {key.rpartition('.')[2]}.",
            f"The weights of layer {layer!r} have the shape {list(shape)}.",
            f"set {key} to {len(shape)} indices within it",
        )
