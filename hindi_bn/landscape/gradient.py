"""The loss and its gradient along the gradient while networks train, over seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hindi_bn.errors import RunError, StudyError
from hindi_bn.landscape.arms import arms_of
from hindi_bn.measures import along_gradient
from hindi_bn.measures.along_gradient import VALUES
from hindi_bn.records import Record
from hindi_bn.stats.tables import summary_by
from hindi_bn.training.recordings.along_gradient import AlongGradient

DRAWN = ("loss", "loss_low", "loss_high", "change_low", "change_high", "smoothness")


def bands_of(records: Sequence[Record]) -> pd.DataFrame:
    """Return the bands of every run: `arm`, `seed` and the columns of `bands_along_gradient`.

    RunError for a run that has not recorded along the gradient, or not got to its first reading;
    StudyError where runs recorded other lengths or other steps, or an arm has a seed twice.
    """
    parts = []
    for record, arm in zip(records, arms_of(records), strict=True):
        if record.history.empty:
            raise RunError(
                f"{record.folder} has nothing recorded along the gradient yet.",
                "It has no finished epoch.",
                "go on with it: --resume",
            )
        parts.append(along_gradient.bands_of(record).assign(arm=arm, seed=record.study.seed))
    _refuse_other_lengths(records)
    table = pd.concat(parts, ignore_index=True)
    return table[["arm", "seed", *table.columns.drop(["arm", "seed"])]]


def _refuse_other_lengths(records: Sequence[Record]) -> None:
    asked = [asked_of(each).model_dump(exclude={"name"}) for each in records]
    for record, one in zip(records, asked, strict=True):
        if one != asked[0]:
            raise StudyError(
                f"{records[0].folder} and {record.folder} cannot stand side by side.",
                "They were read at other steps, or over other lengths, along the gradient.",
                "take runs whose recordings have the same every, multiples and relative",
            )


def asked_of(record: Record) -> AlongGradient:
    """Return the recording of a run that has one: its first, as its measure takes it."""
    return next(each for each in record.run.recordings if isinstance(each, AlongGradient))


def lengths_of(record: Record) -> dict[str, str]:
    """Say of each scale over which steps a run's bands go."""
    asked = asked_of(record)
    multiples, relative = (f"{x[0]:g} to {x[-1]:g}" for x in (asked.multiples, asked.relative))
    return {
        "lr": f"{multiples} times the learning rate",
        "relative": f"relative steps of {relative}",
    }


def bands_over_seeds(bands: pd.DataFrame) -> pd.DataFrame:
    """Return medians over seeds: `arm`, `scale`, `step`, `n`, and the columns of `DRAWN`.

    `smoothness_low` and `smoothness_high` are the smallest and the largest of a seed.
    """
    groups = bands.groupby(["arm", "scale", "step"], sort=False)
    found = groups[list(DRAWN)].median()
    found["n"] = groups["seed"].nunique()
    found["smoothness_low"], found["smoothness_high"] = (
        groups["smoothness"].min(), groups["smoothness"].max(),
    )  # fmt: skip
    return found.reset_index()


def values_over_seeds(bands: pd.DataFrame) -> pd.DataFrame:
    """Return the measure `along-gradient` of every arm: `quantity`, its `label`, `arm`, means.

    A run whose value is not finite has none.
    """
    rows = [
        {
            "quantity": name,
            "label": VALUES[name].label,
            "arm": arm,
            "value": value,
            "status": "finished",
        }
        for (arm, _), part in bands.groupby(["arm", "seed"], sort=False)
        for name, value in along_gradient.along_gradient(part).items()
        if name != "readings"
    ]
    values = pd.DataFrame(rows).replace({"value": {np.inf: np.nan}})
    return summary_by(values, ["quantity", "label", "arm"])
