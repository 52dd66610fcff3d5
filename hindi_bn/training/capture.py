"""What is recorded of the network while it trains: two sample weights (article, figure 8)."""

from __future__ import annotations

from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks import last_convolution, weight_of
from hindi_bn.study import Capture


class WeightPair:
    """Reads wx and wy from a network.

    Raises
    ------
    StudyError
        At once, when the layer does not exist, has no weights, or is smaller than the indices say.
    """

    def __init__(self, network: nn.Module, capture: Capture) -> None:
        modules = {name: module for name, module in network.named_modules() if name}
        weights = {name: weight_of(module) for name, module in modules.items()}
        name = capture.layer
        if name == "last-conv":
            name = last_convolution(network)
        weight = weights.get(name)
        if weight is None:
            having = [name for name, weight in weights.items() if weight is not None]
            raise StudyError(
                f"Cannot record weights of layer {capture.layer!r}.",
                f"The network has no such layer with weights; it has {', '.join(having)}.",
                "set capture.layer to one of these",
            )
        self.layer = name
        self._module = modules[name]
        self._indices = (capture.wx, capture.wy)
        for key, index in zip(("wx", "wy"), self._indices, strict=True):
            _check_index(key, index, tuple(weight.shape), name)

    def read(self) -> tuple[float, float]:
        """Return wx and wy as they are now."""
        weight = weight_of(self._module)
        assert weight is not None
        wx, wy = (weight[index].item() for index in self._indices)
        return float(wx), float(wy)


def _check_index(key: str, index: tuple[int, ...], shape: tuple[int, ...], layer: str) -> None:
    fits = len(index) == len(shape) and all(
        0 <= i < size for i, size in zip(index, shape, strict=True)
    )
    if not fits:
        raise StudyError(
            f"Cannot record weight {list(index)} as {key}.",
            f"The weights of layer {layer!r} have the shape {list(shape)}.",
            f"set capture.{key} to {len(shape)} indices within it",
        )
