"""What a network gives on test images where it fits its training images to a given degree."""

import numpy as np

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import rows_of
from hindi_bn.records import Record
from hindi_bn.stats.fit import LEVELS, at_level
from hindi_bn.stats.metrics import Metric, accuracy, nats, points

RECORDING = "fit"
VERSION = 1
VALUES: dict[str, Metric] = {
    f"{name}_at_loss_{level}": unit(f"{label} where the training loss is {loss:g}, in eval mode")
    for name, (label, unit) in {
        "test_accuracy": ("Test accuracy", accuracy),
        "test_loss": ("Test loss", nats),
        "gap": ("Training minus test accuracy", points),
    }.items()
    for level, loss in LEVELS.items()
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure test accuracy and loss at equal training loss, from a recording `fit`.

    Both are taken at the ends of epochs, in eval mode, without augmentation and Dropout: two
    networks are compared where they fit their training images equally well. Where the training loss
    first falls to the level, values are interpolated along its logarithm; one that is below it
    after the first epoch, or never gets there, has none.
    """
    rows = rows_of(record, RECORDING)
    last = rows[rows["epoch"] >= 0].drop_duplicates(["quantity", "epoch"], keep="last")
    fit = last.pivot(index="epoch", columns="quantity", values="value")
    tested = record.history.set_index("epoch").loc[fit.index]
    series = {
        "test_accuracy": tested["test_accuracy"],
        "test_loss": tested["test_loss"],
        "gap": fit["accuracy"] - tested["test_accuracy"],
    }
    loss = np.asarray(fit["loss"], dtype=np.float64)
    return {
        f"{name}_at_loss_{level}": at_level(loss, np.asarray(values, dtype=np.float64), wanted)
        for name, values in series.items()
        for level, wanted in LEVELS.items()
    }
