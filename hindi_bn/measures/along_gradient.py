"""How far the loss and its gradient change along the gradient."""

import pandas as pd

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import rows_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric
from hindi_bn.stats.recordings import bands_along_gradient

SCALES = {"lr": "", "relative": "relative_"}
PARTS = {"": "", "_first_epoch": ", first epoch", "_last_epoch": ", last epoch"}

RECORDING = "along-gradient"
VERSION = 1
VALUES = {
    f"{before}{name}{after}": Metric(f"{label}{', relative step' * bool(before)}{when}", unit, unit)
    for before in SCALES.values()
    for name, (label, unit) in {
        "loss_range": ("Range of the loss along the gradient", "nats"),
        "gradient_change": ("Change of the gradient along itself", ""),
        "gradient_change_share": ("Change of the gradient along itself, over its norm", ""),
        "smoothness": ("Effective beta-smoothness", ""),
    }.items()
    for after, when in PARTS.items()
} | {"readings": Metric("Readings along the gradient")}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Condense a recording `along-gradient` to medians over its readings; see `along_gradient`."""
    return along_gradient(bands_of(record))


def bands_of(record: Record) -> pd.DataFrame:
    """Return `bands_along_gradient` of a run; RunError when it has not recorded it."""
    return bands_along_gradient(rows_of(record, RECORDING), record.run.lr)


def along_gradient(bands: pd.DataFrame) -> dict[str, float]:
    """Return medians over the readings of a run's `bands_along_gradient`.

    `loss_range` is the highest minus the lowest loss over the lengths, `gradient_change` the
    largest L2 distance from the gradient at the start, `gradient_change_share` that over the
    gradient's norm, `smoothness` the largest such distance over the distance moved; `relative_...`
    are the same in relative coordinates. Over all readings, those of the first epoch, of the last.
    """
    table = bands.assign(
        loss_range=bands["loss_high"] - bands["loss_low"],
        gradient_change=bands["change_high"],
        gradient_change_share=(bands["change_high"] / bands["norm"]).where(bands["norm"] > 0),
    )
    epochs = table["epoch"]
    chosen = {"": epochs >= 0, "_first_epoch": epochs == 0, "_last_epoch": epochs == epochs.max()}
    values = {
        f"{before}{name}{after}": float(table.loc[there & (table["scale"] == scale), name].median())
        for scale, before in SCALES.items()
        for name in ("loss_range", "gradient_change", "gradient_change_share", "smoothness")
        for after, there in chosen.items()
    }
    return values | {"readings": float(table["step"].nunique())}
