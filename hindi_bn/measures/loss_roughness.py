"""How the training loss jumps from step to step."""

import math

import numpy as np
import pandas as pd

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import rows_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric

WINDOW = 50
"""Steps of the running mean that losses are set against."""

LEAST_LOSS = 2.0**-24
"""Losses below it, where rounding alone is left, count as this: their logarithm is finite."""

PHASES = {"": "", "_epoch_1": ", 1st epoch", "_epochs_2_5": ", epochs 2 to 5",
          "_epochs_6_end": ", from epoch 6"}  # fmt: skip
EPOCHS = {"epoch_1": (0, 0), "epochs_2_5": (1, 4), "epochs_6_end": (5, math.inf)}
"""First and last epoch, counted from 0."""

RECORDING = "losses"
VERSION = 2
VALUES = {
    f"{name}{phase}": Metric(f"{label}{when}", unit, unit)
    for phase, when in PHASES.items()
    for name, (label, unit) in {
        "log_change_std": ("Std of the log loss's change per step", ""),
        "change_std": ("Std of the loss's change per step", "nats"),
        "relative_std": ("Std of the loss over its running mean", ""),
    }.items()
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how the training loss jumps from step to step, from a recording `losses`.

    Standard deviations (ddof 1): of the change of the loss's logarithm from step to step, of the
    change of the loss itself, and of the loss over its running mean, the mean of the 50 steps
    around it; steps without a whole window are left out. Each over all steps and over those of some
    epochs, as far as the run has them.
    """
    rows = rows_of(record, RECORDING)
    epoch, loss = rows["epoch"], rows["value"].clip(lower=LEAST_LOSS)
    series = {
        "log_change_std": pd.Series(np.log(loss)).diff(),
        "change_std": loss.diff(),
        "relative_std": loss / loss.rolling(WINDOW, center=True).mean(),
    }
    values = {}
    for name, steps in series.items():
        values[name] = float(steps.std())
        for phase, (first, last) in EPOCHS.items():
            values[f"{name}_{phase}"] = float(steps[epoch.between(first, last)].std())
    return values
