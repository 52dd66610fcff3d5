"""Second looks at results that surprised (docs/claims.md): asked after the runs, so no verdict's.

python docs/looked_at_afterwards.py paths|percentiles|gradient FOLDER

FOLDER is a folder of runs with what they recorded, as `hindi-bn claims run 5 19 37 --stage confirm
--out w` leaves in w/runs; runs without BN and with it are paired by their seed. Prints CSV: a mean
over seeds with its 95 % interval a row.

paths        Claim 5: turning angle of pairs of weights and the loss, without the weights that
             float32's rounding holds up, and early and late in training.
percentiles  Claim 19: the change of the percentiles from reading to reading, layer by layer, after
             the first epoch, in doublings.
gradient     Claims 37 to 42: both networks at the same training loss instead of at the same time:
             readings whose batch had a loss in the same octave, in doublings.
"""

import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hindi_bn.errors import HindiBnError
from hindi_bn.measures import along_gradient, distribution_change, weight_paths
from hindi_bn.measures._shared import rows_of
from hindi_bn.records import Record, RunFolder
from hindi_bn.stats.intervals import summarise
from hindi_bn.stats.paths import mean_turning_angle, scaled_to_range

Values = Mapping[str, float]
NETWORK = "three_convs"
MOVING = 1000
"""Steps of float32 that a weight's path has to span for rounding to be nothing beside it."""
PART = 10  # epochs
FEWEST = 2  # readings in an octave of the loss
MEASURED = {
    "range of the loss": "range", "change of the gradient": "change_high",
    "smoothness": "smoothness",
}  # fmt: skip
ARGUMENTS = 2


def pairs(folder: Path, kind: str, network: str) -> Iterator[tuple[Record, Record]]:
    """Yield runs of a network that recorded something, without BN and with it, by seed."""
    found: dict[int, dict[str, Record]] = {}
    for history in sorted(folder.rglob("history.csv")):
        try:
            record = RunFolder(history.parent).read()
        except HindiBnError:  # one that is still training
            continue
        study, run = record.study, record.run
        if run.network == network and kind in {each.kind for each in run.recordings}:
            found.setdefault(study.seed, {})[run.norm.name] = record
    for _, both in sorted(found.items()):
        if {"none", "batch"} <= both.keys():
            yield both["none"], both["batch"]


def paths(record: Record) -> Values:
    """Turning angles of all weights, of those that rounding cannot hold up, and of parts."""
    rows = rows_of(record, "weights")
    last = rows[rows["epoch"] >= 0].drop_duplicates(["index", "epoch"], keep="last")
    table = last.pivot(index="index", columns="epoch", values="value")  # noqa: PD010
    weights = table.to_numpy(np.float64)
    loss = record.history["train_loss"].to_numpy(np.float64)[table.columns]
    spacing = np.spacing(np.abs(weights).max(axis=1).astype(np.float32)).astype(np.float64)
    moving = np.ptp(weights, axis=1) >= MOVING * spacing
    steps = np.diff(weights, axis=1)
    both = (steps[:, 1:] != 0) & (steps[:, :-1] != 0)
    goes_on = np.sign(steps[:, 1:]) == np.sign(steps[:, :-1])
    return {
        "turning angle, degrees": turning(weights, loss),
        f"... of weights that move by {MOVING} steps of float32 or more": turning(
            weights[moving], loss
        ),
        f"... in the first {PART} epochs": turning(weights[:, :PART], loss[:PART]),
        f"... in the last {PART} epochs": turning(weights[:, -PART:], loss[-PART:]),
        f"share of weights that move by {MOVING} steps of float32 or more": moving.mean(),
        "share of epochs in which a weight goes on as in the one before": goes_on[both].mean(),
    }


def turning(weights: NDArray[np.float64], loss: NDArray[np.float64]) -> float:
    """Mean turning angle over pairs of weights (weights, epochs), the loss the third axis."""
    angles = [
        mean_turning_angle(scaled_to_range(np.stack([*weights[list(pair)], loss], axis=1)))
        for pair in weight_paths._pairs(len(weights))
    ]
    return float(np.mean(angles))


def percentiles(record: Record) -> Values:
    """Change per reading after the first epoch, for each activation by its place."""
    rows = rows_of(record, "percentiles")
    rows = rows[rows["quantity"].isin(distribution_change.COMPARED)]
    values = {}
    for place, (_, own) in enumerate(rows.groupby(rows["layer"].astype(int)), start=1):
        keys = ["epoch", "step"]
        table = own.pivot(index=keys, columns=distribution_change.KEYS, values="value")  # noqa: PD010
        every = [
            distribution_change._change(before, after)
            for (_, before), (at, after) in itertools.pairwise(table.iterrows())
            if at[0] > 0
        ]
        values[f"change per reading, doublings, activation {place}"] = np.log2(np.mean(every))
    return values


def gradient(record: Record) -> Values:
    """Medians over the readings whose batch had a loss in an octave, for each octave."""
    bands = along_gradient.bands_of(record)
    bands = bands.assign(
        octave=np.floor(np.log2(bands["loss"])), range=bands["loss_high"] - bands["loss_low"]
    )
    values = {}
    for (scale, octave), there in bands.groupby(["scale", "octave"]):
        if len(there) < FEWEST:
            continue
        how = "relative step" if scale == "relative" else "the learning rate"
        where = f"doublings, by {how}, at a loss from {2.0**octave:g} to {2.0 ** (octave + 1):g}"
        for name, column in MEASURED.items():
            values[f"{name}, {where}"] = np.log2(there[column].median())
    return values


LOOKS = {
    "paths": (paths, "weights"),
    "percentiles": (percentiles, "percentiles"),
    "gradient": (gradient, "along-gradient"),
}


def look(name: str, folder: Path, network: str = NETWORK) -> pd.DataFrame:
    """Return a row per value: its mean without BN, with it, and the difference by seed."""
    measured, kind = LOOKS[name]
    both = [
        (measured(without), measured(with_bn)) for without, with_bn in pairs(folder, kind, network)
    ]
    rows = []
    for value in dict.fromkeys(key for one in both for each in one for key in each):
        there = [(a[value], b[value]) for a, b in both if value in a and value in b]
        if not there:
            continue
        without, with_bn = np.array(there).T
        found = summarise(with_bn - without)
        rows.append({
            "value": value, "n": found.n, "without": without.mean(), "with BN": with_bn.mean(),
            "with minus without": found.mean, "low": found.low, "high": found.high,
        })  # fmt: skip
    return pd.DataFrame(rows)


if __name__ == "__main__":
    if len(sys.argv) != 1 + ARGUMENTS or sys.argv[1] not in LOOKS:
        sys.exit(__doc__)
    look(sys.argv[1], Path(sys.argv[2])).to_csv(sys.stdout, index=False, float_format="%.3f")
