"""How much a layer's gradient changes when the layers before it are updated."""

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import rows_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric

RECORDING = "gradient-shift"
VERSION = 1
VALUES = {
    "difference": Metric("Change of the gradient by the layers before"),
    "relative_difference": Metric("Change of the gradient by the layers before, over its norm"),
    "cosine": Metric("Cosine of the gradients before and after the layers before are updated"),
    "readings": Metric("Readings of the gradients"),
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Average a recording `gradient-shift`: internal covariate shift by definition 2.1.

    Of Santurkar et al. (2018): for G and G', the gradients of a layer before and after the layers
    before it are updated, the L2 norm of G - G' (0: no shift), the same over the norm of G, and the
    cosine between them (1: no shift); means over layers and over the readings from the first step
    on. Where a gradient is 0 it has no direction, and that reading of the last two is left out.
    """
    rows = rows_of(record, RECORDING)
    later = rows[rows["step"] > 0]
    table = later.pivot(index=["layer", "step"], columns="quantity", values="value")
    there = table[table["norm"] > 0]
    relative = there["difference"] / there["norm"]
    return {
        "difference": float(table["difference"].mean()),
        "relative_difference": float(relative.mean()),
        "cosine": float(there["cosine"].mean()),
        "readings": float(table.index.unique("step").size),
    }
