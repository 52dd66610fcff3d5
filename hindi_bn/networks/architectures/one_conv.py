"""One convolution, as the article's repository has it."""

from typing import ClassVar

from hindi_bn.networks.architectures import Values
from hindi_bn.networks.architectures.three_convs import ThreeConvs


class OneConv(ThreeConvs):
    """`ThreeConvs` with one convolution."""

    summary = "one convolution, max-pooling, linear classifier"
    source = "the article's repository"
    options: ClassVar[Values] = {
        "activation": "relu", "pooling": "max", "padding": "zero", "width": 16,
    }  # fmt: skip
