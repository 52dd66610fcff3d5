"""Measures of what a run recorded while it trained: weights, losses and activations."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.errors import RunError
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import read_captures
from hindi_bn.stats.paths import mean_turning_angle, scaled_to_range, tortuosity
from hindi_bn.study.recordings import ActivationsCapture, LossesCapture, WeightsCapture
from hindi_bn.training.run import load_network

Floats = NDArray[np.float64]

PAIRS = 500
STILL = 50
"""Steps of float32 below which a weight's path is a staircase, whatever the network does."""

WINDOW = 50
"""Steps of the running mean that losses are set against."""

LEAST_LOSS = 2.0**-24
"""Losses below it, where rounding alone is left, count as this: their logarithm is finite."""

PHASES = {"epoch_1": (0, 0), "epochs_2_5": (1, 4), "epochs_6_end": (5, math.inf)}
"""First and last epoch, counted from 0."""


def weight_paths(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how the paths of pairs of weights turn and wind, from a capture `weights`.

    A path has a point an epoch: two weights after it (their last reading) and the epoch's training
    loss, every axis scaled to its range. All pairs of the recorded weights are taken, or 500 drawn
    at random, the same for all runs with as many weights.

    Returns
    -------
    - turning_angle: mean over pairs of the mean angle between successive steps, in degrees.
    - tortuosity: mean over pairs of the path's length over the distance of its ends.
    - turning_angle_weights, tortuosity_weights: the same of paths of the two weights alone.
    - pairs: number of pairs.
    - still_weights: share of the weights whose range is less than 50 steps of float32.
    """
    rows = _rows(record, WeightsCapture, "weights")
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


def loss_roughness(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how the training loss jumps from step to step, from a capture `losses`.

    Returns
    -------
    - log_change_std: standard deviation (ddof 1) of the change of the loss's logarithm from step
      to step.
    - change_std: the same of the loss itself, in nats.
    - relative_std: standard deviation (ddof 1) of the loss over its running mean, the mean of the
      50 steps around it; steps without a whole window are left out.

    Each over all steps and, with `_epoch_1`, `_epochs_2_5` and `_epochs_6_end` at its name, over
    the steps of these epochs, as far as the run has them.
    """
    rows = _rows(record, LossesCapture, "losses")
    epoch, loss = rows["epoch"], rows["value"].clip(lower=LEAST_LOSS)
    series = {
        "log_change_std": pd.Series(np.log(loss)).diff(),
        "change_std": loss.diff(),
        "relative_std": loss / loss.rolling(WINDOW, center=True).mean(),
    }
    values = {}
    for name, steps in series.items():
        values[name] = float(steps.std())
        for phase, (first, last) in PHASES.items():
            values[f"{name}_{phase}"] = float(steps[epoch.between(first, last)].std())
    return values


def drift(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how activations drift on a fixed batch, from a capture `activations`.

    Only layers with a counterpart in a network without normalisation count: the outputs of
    convolutions, or of hidden linear layers where there are none. A change from one reading to the
    next is in units of the layer's standard deviation at the earlier one; a layer whose output is
    constant then has no such unit, and that change is left out.

    Returns
    -------
    - drift_mean, drift_std: mean absolute change of a layer's mean and of its standard deviation,
      over readings, then over layers.
    - distance_mean, distance_std: sum of the changes from the first reading to the last, mean over
      layers.
    - readings: number of changes.
    """
    rows = _rows(record, ActivationsCapture, "activations")
    table = rows.pivot(index="step", columns=["quantity", "layer"], values="value")  # noqa: PD010
    layers = _hidden_layers(load_network(record))
    mean, std = table["mean"][layers], table["std"][layers]
    unit = std.shift().where(std.shift() > 0)
    changes = {"mean": mean.diff().abs() / unit, "std": std.diff().abs() / unit}
    values = {"readings": float(len(table) - 1)}
    for name, change in changes.items():
        values[f"drift_{name}"] = float(np.mean(change.mean()))
        values[f"distance_{name}"] = float(np.mean(change.sum(min_count=1)))
    return values


def _hidden_layers(network: nn.Module) -> list[str]:
    """Name the convolutions, or the linear layers but the last."""
    layers = dict(network.named_children())
    convolutions = [name for name, layer in layers.items() if isinstance(layer, nn.Conv2d)]
    return convolutions or [n for n, layer in layers.items() if isinstance(layer, nn.Linear)][:-1]


def _rows(record: Record, kind: type[Any], name: str) -> pd.DataFrame:
    """Return the rows of captures.csv of a run's first capture of a kind, in the order of steps."""
    capture = next((c for c in record.run.captures if isinstance(c, kind)), None)
    if capture is None:
        raise RunError(
            f"{record.folder} has not recorded {name}.",
            f"Its study has no capture of the kind {name!r}.",
            f"train it with a study that has captures: [{name}] (docs/captures.md)",
        )
    frame = read_captures(RunFolder(record.folder))
    rows: pd.DataFrame = frame[frame["name"] == capture.name].reset_index(drop=True)
    return rows
