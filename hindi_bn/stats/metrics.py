"""The metrics: numbers of a run that sweeps and claims compare, each with its label and unit.

**A run that diverged** has a test accuracy of chance, 10 %, in every table, figure and verdict, and
nothing else: every other metric of it is missing. How many runs diverged, and their share, stands
beside every mean. `Metric.diverged` is where this is decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hindi_bn.errors import RunError, StatisticsError
from hindi_bn.records import COLUMNS
from hindi_bn.stats import fit
from hindi_bn.stats.intervals import EVERYWHERE

STATUSES = ("finished", "diverged", "failed", "unfinished", "missing")
ENDED = ("finished", "diverged")
CHANCE = 0.1  # test accuracy of a network that guesses: ten classes, equally frequent
LAST = 5  # epochs in the mean and the median of the last ones
LAST_CHANGES = 20  # epochs whose change from the epoch before enters the oscillation
LOSS_EPOCHS = (1, 3, 5, 10, 30)
ACCURACY_PERCENTS = (90, 95, 98)
DIP = 0.02  # of the test accuracy below its neighbours'
NEIGHBOURS = 3  # epochs either side of one that may be a dip
FIRST_EPOCHS = 5  # that are no dips, as the accuracy still climbs


@dataclass(frozen=True)
class Metric:
    """A number of a run.

    Args:
        label: As it is called on an axis.
        unit, difference_unit, factor: A table's value times `factor` is in `unit`; differences of
            such are in `difference_unit`.
        diverged: What a run that diverged counts as, in the table's unit; NaN: it has no value.
    """

    label: str
    unit: str = ""
    difference_unit: str = ""
    factor: float = 1.0
    diverged: float = float("nan")

    @property
    def counts_diverged(self) -> bool:
        """Whether a run that diverged has a value."""
        return not np.isnan(self.diverged)

    @property
    def possible(self) -> tuple[float, float]:
        """The least and the largest value that there can be, in the table's unit."""
        return (0.0, 1.0) if self.unit == "%" else EVERYWHERE

    @property
    def axis(self) -> str:
        """The label of an axis of values."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def difference(self, baseline: str) -> str:
        """Return the label of an axis of differences from the baseline arm."""
        unit = f" ({self.difference_unit})" if self.difference_unit else ""
        return f"{self.label}: difference from {baseline}{unit}"


def accuracy(label: str, diverged: float = float("nan")) -> Metric:
    """Return a metric that is a share, shown in per cent."""
    return Metric(label, "%", "points", 100.0, diverged)


def points(label: str) -> Metric:
    """Return a metric that is a difference of shares, shown in points."""
    return Metric(label, "points", "points", 100.0)


def nats(label: str) -> Metric:
    """Return a metric that is a cross-entropy."""
    return Metric(label, "cross-entropy, nats", "nats")


# Of a run, in the order of the tables' columns. Accuracies are shares, 0..1, in tables.
METRICS: Mapping[str, Metric] = {
    "final_test_accuracy": accuracy("Final test accuracy", CHANCE),
    "best_test_accuracy": accuracy("Best test accuracy", CHANCE),
    "last5_test_accuracy": accuracy(f"Test accuracy, mean of the last {LAST} epochs", CHANCE),
    "last5_median_test_accuracy": accuracy(
        f"Test accuracy, median of the last {LAST} epochs", CHANCE
    ),
    **{
        f"train_loss_at_{n}": nats(f"Training loss after {n} epoch{'s' * (n > 1)}")
        for n in LOSS_EPOCHS
    },
    "final_train_loss": nats("Final training loss"),
    **{
        f"epochs_to_{percent}": Metric(f"Epochs to {percent} % test accuracy", "", "epochs")
        for percent in ACCURACY_PERCENTS
    },
    "loss_area": nats("Mean training loss"),
    "oscillation": points("Oscillation of the test accuracy"),
    "generalisation_gap": points("Generalisation gap"),
    "final_test_loss": nats("Final test loss"),
    "falling_epochs": accuracy("Epochs in which the test accuracy falls"),
    "dips": Metric("Dips of the test accuracy", "", "dips"),
    "dip_share": accuracy("Epochs that are dips of the test accuracy"),
    "ends_in_dip": accuracy("Runs whose last epoch is a dip"),
    **{
        f"test_{of}_at_loss_{name}": unit(f"Test {of} where the training loss is {level:g}")
        for of, unit in (("accuracy", accuracy), ("loss", nats))
        for name, level in fit.LEVELS.items()
    },
    "epochs_to_flat": Metric("Epochs until the training loss is flat", "", "epochs"),
    "flat_test_accuracy": accuracy(
        f"Test accuracy, mean of the {LAST} epochs until the training loss is flat", CHANCE
    ),
}

# Of an epoch, columns of the history.
EPOCH_METRICS: Mapping[str, Metric] = {
    "test_accuracy": accuracy("Test accuracy", CHANCE),
    "train_accuracy": accuracy("Training accuracy"),
    "train_loss": nats("Training loss"),
    "test_loss": nats("Test loss"),
}


def metric_named(name: str) -> Metric:
    """Return the metric of a run or of an epoch that is called `name`; StatisticsError for none."""
    known = {**METRICS, **EPOCH_METRICS}
    if name not in known:
        raise StatisticsError(
            f"There is no metric {name!r}.",
            f"The metrics are {', '.join(known)}.",
            "name one of these, or a value of a measure as MEASURE.VALUE",
        )
    return known[name]


def check_histories(histories: Mapping[str, pd.DataFrame]) -> None:
    """Refuse histories that cannot be analysed.

    RunError when there is no run, or a history lacks columns, has no epoch, or does not count its
    epochs from 0.
    """
    if not histories:
        raise RunError("There is no run to analyse.", "", "train one with `hindi-bn train`")
    for run, history in histories.items():
        missing = [column for column in COLUMNS if column not in history.columns]
        if missing:
            why, option = f"It has no column {', '.join(missing)}.", "--overwrite"
        elif history.empty:
            why, option = "It has no finished epoch.", "--resume"
        elif list(history["epoch"]) != list(range(len(history))):
            why, option = "Its epochs do not count up from 0.", "--overwrite"
        else:
            continue
        what = f"The history of run {run!r} cannot be analysed."
        raise RunError(what, why, f"train it with {option}")


def metrics_of(history: pd.DataFrame, status: str = "finished") -> dict[str, float]:
    """Condense a run's history to its metrics: a number for each name of `METRICS`.

    What a run did not reach, or has too few epochs for, is NaN; for a run that diverged see the
    module. The history is not looked at unless the run finished. RunError when the status is
    unknown, or a finished run's history cannot be analysed.
    """
    if status not in STATUSES:
        raise RunError(
            f"A run cannot have the status {status!r}.", "", f"use one of {', '.join(STATUSES)}"
        )
    if status == "diverged":
        return {name: metric.diverged for name, metric in METRICS.items()}
    values = dict.fromkeys(METRICS, float("nan"))
    if status == "finished":
        check_histories({"this one": history})
        values |= _accuracies(history) | _losses(history) | _dips(history) | _fitted(history)
    return values


def _accuracies(history: pd.DataFrame) -> dict[str, float]:
    shares = history["test_accuracy"].to_numpy(dtype=float)
    changes = np.diff(shares)[-LAST_CHANGES:]
    return {
        "final_test_accuracy": float(shares[-1]),
        "best_test_accuracy": float(shares.max()),
        "last5_test_accuracy": float(shares[-LAST:].mean()),
        "last5_median_test_accuracy": float(np.median(shares[-LAST:])),
        "oscillation": float(changes.std(ddof=1)) if len(changes) > 1 else float("nan"),
        "generalisation_gap": float(history["train_accuracy"].iloc[-1] - shares[-1]),
        **{f"epochs_to_{p}": _epochs_to(shares, p / 100) for p in ACCURACY_PERCENTS},
    }


def _epochs_to(shares: NDArray[np.float64], wanted: float) -> float:
    reached = np.flatnonzero(shares >= wanted)
    return float(reached[0] + 1) if reached.size else float("nan")


def _losses(history: pd.DataFrame) -> dict[str, Any]:
    loss = history["train_loss"].to_numpy(dtype=float)
    at = {f"train_loss_at_{n}": float(loss[n - 1]) for n in LOSS_EPOCHS if n <= len(loss)}
    return at | {
        "final_train_loss": float(loss[-1]),
        "loss_area": float(loss.mean()),
        "final_test_loss": float(history["test_loss"].iloc[-1]),
    }


def _dips(history: pd.DataFrame) -> dict[str, float]:
    """Count the epochs whose test accuracy lies well below that of their neighbours.

    A dip is more than two points below the median of the three epochs before and the three after,
    as far as there are such; the first five epochs are none.
    """
    shares = history["test_accuracy"].to_numpy(dtype=float)
    dips = [_is_dip(shares, place) for place in range(FIRST_EPOCHS, len(shares))]
    changes = np.diff(shares)
    return {
        "falling_epochs": float((changes < 0).mean()) if len(changes) else float("nan"),
        "dips": float(sum(dips)) if dips else float("nan"),
        "dip_share": float(np.mean(dips)) if dips else float("nan"),
        "ends_in_dip": float(dips[-1]) if dips else float("nan"),
    }


def _is_dip(shares: NDArray[np.float64], place: int) -> bool:
    before, after = shares[place - NEIGHBOURS : place], shares[place + 1 : place + 1 + NEIGHBOURS]
    return bool(shares[place] < np.median(np.concatenate([before, after])) - DIP)


def _fitted(history: pd.DataFrame) -> dict[str, float]:
    """Return what a test gives at equal training loss, and once the training loss is flat."""
    losses = history["train_loss"].to_numpy(dtype=float)
    ends, values = fit.at_epochs_ends(losses), {}
    for of in ("accuracy", "loss"):
        tested = fit.without_spikes(history[f"test_{of}"].to_numpy(dtype=float))[:-1]
        for name, level in fit.LEVELS.items():
            values[f"test_{of}_at_loss_{name}"] = fit.at_level(ends, tested, level)
    flat = fit.flat_at(losses)
    if flat is not None:
        last = history["test_accuracy"].iloc[flat + 1 - LAST : flat + 1]
        values |= {"epochs_to_flat": flat + 1.0, "flat_test_accuracy": float(last.mean())}
    return values
