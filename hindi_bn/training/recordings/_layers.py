"""What recordings share: layers with weights by their names, and a fixed batch."""

from contextlib import AbstractContextManager
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks import build_run, last_convolution, weight_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run
from hindi_bn.training.recordings import Recording, Timed
from hindi_bn.training.tensors import Tensors


def weights_of(network: nn.Module, layer: str, recording: str) -> tuple[str, nn.Module]:
    """Return name and layer for a name or `last-conv`; StudyError when it has no weights."""
    modules = {name: module for name, module in network.named_modules() if name}
    having = [name for name, module in modules.items() if weight_of(module) is not None]
    found = last_convolution(network) if layer == "last-conv" else layer
    if found not in having:
        raise StudyError(
            f"Cannot record weights of layer {layer!r}.",
            f"The network has no such layer with weights; it has {', '.join(having)}.",
            f"set recordings.{recording}.layer to one of these",
        )
    return found, modules[found]


def weight(layer: nn.Module) -> torch.Tensor:
    """Return the weights of a layer that has some, as it uses them."""
    tensor = weight_of(layer)
    assert tensor is not None
    return tensor


def check_index(network: nn.Module, layer: str, index: tuple[int, ...], key: str) -> None:
    """Refuse an index beyond a layer's weights; `key` is the one that gives it, for the message."""
    shape = tuple(weight(network.get_submodule(layer)).shape)
    fits = len(index) == len(shape) and all(
        0 <= i < size for i, size in zip(index, shape, strict=True)
    )
    if not fits:
        raise StudyError(
            f"Cannot record weight {list(index)} as {key.rpartition('.')[2]}.",
            f"The weights of layer {layer!r} have the shape {list(shape)}.",
            f"set recordings.{key} to {len(shape)} indices within it",
        )


class OfWeights(Recording):
    """Something that is read of the weights of a layer that it names."""

    def fits(self, run: Run, side: int) -> bool:
        """Tell whether the network has the layer, and the weights in it."""
        with preserved():
            network = build_run(run, side)
        none = torch.empty(0)  # weights are found without data
        try:
            self.reader(network, Tensors(none, none, none, none), run)
        except StudyError:
            return False
        return True


class OfFixedBatch(Timed):
    """Something that is read of the layers' outputs on a fixed batch of test images."""

    per_class: int = Field(
        10, ge=1, description="The batch: the first so many test images of each digit."
    )
    mode: Literal["eval", "train"] = Field(
        "eval", description="Layers as in evaluation or as in training; the run is not touched."
    )

    def images(self, data: Tensors) -> torch.Tensor:
        """Take the first test images of each digit: (per_class * classes, 1, height, width)."""
        labels = data.test_labels
        fewest = int(torch.bincount(labels).min())
        if fewest < self.per_class:
            raise StudyError(
                f"Cannot record activations on {self.per_class} test images of each digit.",
                f"Of one digit there are {fewest}.",
                f"set recordings.{self.name}.per_class to {fewest} or less",
            )
        chosen = [
            (labels == digit).nonzero().flatten()[: self.per_class] for digit in labels.unique()
        ]
        return data.test_images[torch.cat(chosen)]

    def in_mode(self, network: nn.Module) -> AbstractContextManager[None]:
        """Let the network's layers work in the recording's mode, and leave no trace in them."""
        return preserved(network, train=self.mode == "train")
