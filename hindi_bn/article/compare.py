"""Runs beside the article's numbers and beside each other, as tables.

A history is a DataFrame with a row per epoch: `epoch` (from 0), `seconds` (cumulative, training
passes), `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy`, and
`wx`, `wy` of runs that record them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from hindi_bn.article.facts import ARTICLE, HALF_LAST_DIGIT, published_head
from hindi_bn.stats.metrics import LAST, check_histories

QUANTITIES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "wx", "wy")
COMPARISON_COLUMNS = (
    "run", "epoch", "quantity", "published", "ours", "difference", "tolerance", "verdict",
)  # fmt: skip

# What may differ between machines. Without batch norm the accuracies must be the printed ones; with
# it one test image and three training images may change sides. A final accuracy may differ by six
# test images.
TOLERANCES: Mapping[str, Mapping[str, float]] = {
    "no-bn": {
        "train_loss": 1e-5, "test_loss": 1e-5, "wx": 2e-6, "wy": 2e-6,
        "train_accuracy": 0.0, "test_accuracy": 0.0,
    },
    "bn": {
        "train_loss": 1e-4, "test_loss": 1e-4, "wx": 2e-4, "wy": 2e-4,
        "train_accuracy": 3 / ARTICLE.train_images, "test_accuracy": 1 / ARTICLE.test_images,
    },
}  # fmt: skip
FINAL_TOLERANCE = 0.002


def against_published(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Compare with every published number of an epoch that the runs have reached.

    Runs that the article does not have give no rows.

    Returns:
        A row per published number: `run`, `epoch`, `quantity`, `published`, `ours`, `difference`
        (ours minus published), `tolerance` and `verdict`: "agrees" when the difference is at most
        the tolerance plus half a unit of the last printed digit (5e-7, as published numbers are
        rounded to six decimals), else "differs". A tolerance of 0 therefore means equal at the
        digits shown. Ordered by run and epoch; the final test accuracy is the row of epoch 29.
    """
    check_histories(histories)
    rows = [
        _row(run, epoch, quantity, value, float(history[quantity].iloc[epoch]), tolerance)
        for run, history in histories.items()
        for epoch, quantity, value, tolerance in _published(run)
        if epoch < len(history) and quantity in history
    ]
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def _published(run: str) -> Iterator[tuple[int, str, float, float]]:
    head = published_head()
    for row in head[head["run"] == run].to_dict("records"):
        for quantity in QUANTITIES:
            yield int(row["epoch"]), quantity, float(row[quantity]), TOLERANCES[run][quantity]
    if run in ARTICLE.final_test_accuracy:
        final = ARTICLE.final_test_accuracy[run]
        yield ARTICLE.last_epoch, "test_accuracy", final, FINAL_TOLERANCE


def _row(
    run: str, epoch: int, quantity: str, published: float, ours: float, tolerance: float
) -> dict[str, Any]:
    difference = ours - published
    rounding = 1e-12  # of the subtraction itself
    agrees = abs(difference) <= tolerance + HALF_LAST_DIGIT + rounding
    verdict = "agrees" if agrees else "differs"
    values = (run, epoch, quantity, published, ours, difference, tolerance, verdict)
    return dict(zip(COMPARISON_COLUMNS, values, strict=True))


def agreement(comparison: pd.DataFrame) -> pd.DataFrame:
    """Condense `against_published` to a row per run and quantity.

    Returns:
        `run`, `quantity`, `numbers` (how many were compared), `agree`, `largest_difference`
        (absolute).
    """
    grouped = comparison.assign(
        agree=comparison["verdict"] == "agrees", distance=comparison["difference"].abs()
    ).groupby(["run", "quantity"], sort=False)
    condensed = grouped.agg(
        numbers=("agree", "size"), agree=("agree", "sum"), largest_difference=("distance", "max")
    )
    return condensed.reset_index()


def summary(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Sum up each run.

    Returns:
        A row per run: `run`, `epochs`, `final_test_accuracy`, `best_test_accuracy`, `best_epoch`
        (the first with it, from 0), `last_five_mean_test_accuracy` (of all epochs when there are
        fewer), `final_train_loss`, `seconds` (training passes). Accuracies are shares, 0..1.
    """
    check_histories(histories)
    return pd.DataFrame([_summary_row(run, history) for run, history in histories.items()])


def _summary_row(run: str, history: pd.DataFrame) -> dict[str, Any]:
    accuracy = history["test_accuracy"].to_numpy(dtype=float)
    return {
        "run": run,
        "epochs": len(history),
        "final_test_accuracy": float(accuracy[-1]),
        "best_test_accuracy": float(accuracy.max()),
        "best_epoch": int(accuracy.argmax()),
        "last_five_mean_test_accuracy": float(accuracy[-LAST:].mean()),
        "final_train_loss": float(history["train_loss"].iloc[-1]),
        "seconds": float(history["seconds"].iloc[-1]),
    }
