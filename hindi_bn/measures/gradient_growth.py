"""How the gradient grows with depth, from the last convolution back to the second."""

from __future__ import annotations

import math

import pandas as pd

from hindi_bn.digits import Digits
from hindi_bn.errors import RunError
from hindi_bn.measures._shared import hidden_layers, rows_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric
from hindi_bn.training.run import load_network

RECORDING = "gradients"
VERSION = 1
VALUES = {
    "ratio": Metric("Gradient of the second layer over the last one's, first reading"),
    "departure": Metric("Its distance from 1, in powers of two"),
    "ratio_later": Metric("Gradient of the second layer over the last one's, last reading"),
    "departure_later": Metric("Its distance from 1 at the last reading, in powers of two"),
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Compare L2 norms of the gradients by the weights, from a recording `gradients`.

    Of convolutions, or of hidden linear layers where there are none; the first sees the image and
    is of another shape. The first reading of `every: 1` is before any training. RunError for fewer
    than three layers.
    """
    rows, layers = rows_of(record, RECORDING), hidden_layers(load_network(record))
    if len(layers) < 3:  # noqa: PLR2004
        raise RunError(
            f"{record.folder} has no gradient that could grow with depth.",
            f"It has {len(layers)} hidden layers with weights; the second is compared with the "
            "last.",
        )
    weights = rows[rows["quantity"] == "weight"]
    norms = pd.pivot_table(weights, "value", "step", "layer")
    ratio = norms[layers[1]] / norms[layers[-1]]
    first, last = float(ratio.iloc[0]), float(ratio.iloc[-1])
    return {
        "ratio": first, "departure": _departure(first),
        "ratio_later": last, "departure_later": _departure(last),
    }  # fmt: skip


def _departure(ratio: float) -> float:
    """Return how far a ratio is from 1; of a gradient that has vanished altogether, infinite."""
    return abs(math.log2(ratio)) if ratio > 0 else math.inf
