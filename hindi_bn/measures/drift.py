"""How activations drift on a fixed batch."""

import numpy as np

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import hidden_layers, rows_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric
from hindi_bn.training.run import load_network

RECORDING = "activations"
VERSION = 1
VALUES = {
    "drift_mean": Metric("Drift of the activations' means", "stds per reading"),
    "drift_std": Metric("Drift of the activations' stds", "stds per reading"),
    "distance_mean": Metric("Way of the activations' means", "stds"),
    "distance_std": Metric("Way of the activations' stds", "stds"),
    "readings": Metric("Changes between readings"),
}
"""Drift is the mean absolute change per reading, way the sum over readings; means over layers."""


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how activations drift on a fixed batch, from a recording `activations`.

    Only layers with a counterpart in a network without normalisation count: the outputs of
    convolutions, or of hidden linear layers where there are none. A change from one reading to the
    next is in units of the layer's standard deviation at the earlier one; a layer whose output is
    constant then has no such unit, and that change is left out.
    """
    rows = rows_of(record, RECORDING)
    table = rows.pivot(index="step", columns=["quantity", "layer"], values="value")
    layers = hidden_layers(load_network(record))
    mean, std = table["mean"][layers], table["std"][layers]
    unit = std.shift().where(std.shift() > 0)
    changes = {"mean": mean.diff().abs() / unit, "std": std.diff().abs() / unit}
    values = {"readings": float(len(table) - 1)}
    for name, change in changes.items():
        values[f"drift_{name}"] = float(np.mean(change.mean()))
        values[f"distance_{name}"] = float(np.mean(change.sum(min_count=1)))
    return values
