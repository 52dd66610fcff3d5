"""What a network declares."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from hindi_bn.networks.blocks import Blocks

Values = dict[str, Any]
"""The value of each option that a network has."""


class Network(ABC):
    """A sequence of layers, known by the name of its file, or outside as `package.module:Name`.

    The order of the layers is the sources': initial weights are drawn from torch's default CPU
    generator as they are made, so equal order and equal seed give equal weights.
    """

    summary: ClassVar[str]
    source: ClassVar[str]
    """Where it comes from."""

    options: ClassVar[Values] = {}
    """The keys of `hindi_bn.study.model.Options` that it has, with its own choice of each."""

    smallest: ClassVar[int] = 1
    """Smallest side of an image, in pixels, that leaves one for the classifier."""

    @staticmethod
    @abstractmethod
    def layers(blocks: Blocks, side: int, options: Values) -> Sequence[nn.Module]:
        """Make the layers, from (batch, 1, side, side) images to (batch, 10) logits.

        `blocks` make layers with the run's norm, activation, pooling and dropout; torch's own and
        others may stand beside them (see `hindi_bn.networks.table.kind_of`). `options` are the
        run's, and the network's own where the run makes no choice. Shapes noted beside the layers
        are those of 32 x 32 images.
        """
