"""What came of a run, as numbers: the outcomes that sweeps and claims compare.

A history is a DataFrame with a row an epoch, the columns of history.csv (see `compare`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hindi_bn.article.compare import LAST, check_histories
from hindi_bn.article.findings import LAST_CHANGES
from hindi_bn.errors import RunError

STATUSES = ("finished", "diverged", "failed", "unfinished", "missing")
GUESSING = 0.1  # test accuracy of a network that diverged: ten classes, equally frequent
LOSS_EPOCHS = (1, 3, 5, 10, 30)
ACCURACY_PERCENTS = (90, 95, 98)

_ACCURACIES = ("final_test_accuracy", "best_test_accuracy", "last5_test_accuracy")

# What each outcome is, with its unit. Accuracies are shares, 0..1.
OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "final_test_accuracy": "test accuracy after the last epoch (share)",
        "best_test_accuracy": "highest test accuracy of any epoch (share)",
        "last5_test_accuracy": f"mean test accuracy of the last {LAST} epochs (share)",
        **{
            f"train_loss_at_{epochs}": f"train loss of epoch number {epochs} (nats)"
            for epochs in LOSS_EPOCHS
        },
        "final_train_loss": "train loss of the last epoch (nats)",
        **{
            f"epochs_to_{percent}": f"epochs until the test accuracy first reaches {percent} %"
            for percent in ACCURACY_PERCENTS
        },
        "loss_area": "area under the train loss, per epoch (nats)",
        "oscillation": (
            f"standard deviation of the last {LAST_CHANGES} epoch-to-epoch changes of test "
            "accuracy (share)"
        ),
        "generalisation_gap": "train accuracy minus test accuracy after the last epoch (share)",
        "final_test_loss": "test loss after the last epoch (nats)",
    }
)


def outcomes(history: pd.DataFrame, status: str = "finished") -> dict[str, float]:
    """Condense a run's history to its outcomes.

    Parameters
    ----------
    history
        A row an epoch with the columns of history.csv; not looked at unless the run finished.
    status
        One of `STATUSES`. A run that diverged counts as a network that guesses: its three test
        accuracies are 0.1. What a run did not reach, or has too few epochs for, is NaN.

    Returns
    -------
    A number for each name of `OUTCOMES`, in that order.

    Raises
    ------
    RunError
        When the status is unknown, or a finished run's history has no epoch, lacks columns, or does
        not count its epochs from 0.
    """
    if status not in STATUSES:
        raise RunError(
            f"A run cannot have the status {status!r}.", "", f"use one of {', '.join(STATUSES)}"
        )
    values = dict.fromkeys(OUTCOMES, float("nan"))
    if status == "finished":
        check_histories({"this one": history})
        values |= _accuracy_outcomes(history) | _loss_outcomes(history)
    elif status == "diverged":
        values |= dict.fromkeys(_ACCURACIES, GUESSING)
    return values


def _accuracy_outcomes(history: pd.DataFrame) -> dict[str, float]:
    accuracy = history["test_accuracy"].to_numpy(dtype=float)
    values = {
        "final_test_accuracy": float(accuracy[-1]),
        "best_test_accuracy": float(accuracy.max()),
        "last5_test_accuracy": float(accuracy[-LAST:].mean()),
        "oscillation": _oscillation(accuracy),
        "generalisation_gap": float(history["train_accuracy"].iloc[-1] - accuracy[-1]),
    }
    reached = {
        f"epochs_to_{percent}": _epochs_to(accuracy, percent / 100) for percent in ACCURACY_PERCENTS
    }
    return values | reached


def _oscillation(accuracy: NDArray[np.float64]) -> float:
    changes = np.diff(accuracy)[-LAST_CHANGES:]
    return float(changes.std(ddof=1)) if len(changes) > 1 else float("nan")


def _epochs_to(accuracy: NDArray[np.float64], share: float) -> float:
    reached = np.flatnonzero(accuracy >= share)
    return float(reached[0] + 1) if reached.size else float("nan")


def _loss_outcomes(history: pd.DataFrame) -> dict[str, float]:
    loss = history["train_loss"].to_numpy(dtype=float)
    values = {
        f"train_loss_at_{epochs}": float(loss[epochs - 1])
        for epochs in LOSS_EPOCHS
        if epochs <= len(loss)
    }
    return values | {
        "final_train_loss": float(loss[-1]),
        "loss_area": float(loss.mean()),
        "final_test_loss": float(history["test_loss"].iloc[-1]),
    }
