"""How the paths of pairs of weights turn and wind."""

import itertools

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import rows_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric, accuracy
from hindi_bn.stats.paths import mean_turning_angle, scaled_to_range, tortuosity

Floats = NDArray[np.float64]

PAIRS = 500
STILL = 50
"""Steps of float32 below which a weight's path is a staircase, whatever the network does."""

RECORDING = "weights"
VERSION = 1
VALUES = {
    "turning_angle": Metric("Turning angle of paths", "degrees", "degrees"),
    "tortuosity": Metric("Tortuosity of paths"),
    "turning_angle_weights": Metric("Turning angle of the weights alone", "degrees", "degrees"),
    "tortuosity_weights": Metric("Tortuosity of the weights alone"),
    "pairs": Metric("Pairs of weights"),
    "still_weights": accuracy(f"Weights that move by fewer than {STILL} steps of float32"),
}
"""Tortuosity is the path's length over the distance of its ends; still weights are a share."""


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how the paths of pairs of weights turn and wind, from a recording `weights`.

    A path has a point per epoch: two weights after it (their last reading) and the epoch's training
    loss, every axis scaled to its range. All pairs of the recorded weights are taken, or 500 drawn
    at random, the same for all runs with as many weights; values are means over pairs.
    """
    rows = rows_of(record, RECORDING)
    last = rows[rows["epoch"] >= 0].drop_duplicates(["index", "epoch"], keep="last")
    table = last.pivot(index="index", columns="epoch", values="value")  # noqa: PD010
    paths = table.to_numpy(np.float64)  # (weights, epochs)
    loss = record.history["train_loss"].to_numpy(np.float64)[table.columns]
    every = [
        _smoothness(np.stack([*paths[list(pair)], loss], axis=1)) for pair in _pairs(len(paths))
    ]
    spacing = np.spacing(np.abs(paths).max(axis=1).astype(np.float32)).astype(np.float64)
    still = np.ptp(paths, axis=1) < STILL * spacing
    means = pd.DataFrame(every, dtype="float64").mean()
    return {
        **{str(name): float(mean) for name, mean in means.items()},
        "pairs": float(len(every)),
        "still_weights": float(still.mean()),
    }


def _pairs(weights: int) -> list[tuple[int, int]]:
    every = list(itertools.combinations(range(weights), 2))
    if len(every) <= PAIRS:
        return every
    chosen = np.random.default_rng(0).choice(len(every), PAIRS, replace=False)
    return [every[place] for place in sorted(chosen)]


def _smoothness(path: Floats) -> dict[str, float | None]:
    """Measure a path (epochs, 3) with the loss as its third axis, and without it."""
    scaled = scaled_to_range(path)
    return {
        "turning_angle": mean_turning_angle(scaled),
        "tortuosity": tortuosity(scaled),
        "turning_angle_weights": mean_turning_angle(scaled[:, :2]),
        "tortuosity_weights": tortuosity(scaled[:, :2]),
    }
