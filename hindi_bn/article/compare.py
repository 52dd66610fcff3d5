"""Runs beside the article's numbers and beside each other, as tables.

A history is a DataFrame with a row per epoch: `epoch` (from 0), `seconds` (cumulative, training
passes), `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy`, and
`wx`, `wy` of runs that record them.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from hindi_bn.article.facts import ARTICLE, HALF_LAST_DIGIT, published_head
from hindi_bn.stats.metrics import LAST, check_histories

QUANTITIES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "wx", "wy")

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


def against_published(
    histories: Mapping[str, pd.DataFrame], called: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Compare with every published number of an epoch that the runs have reached, a row for each.

    `called` has the article's name of each run, where that is another one.

    `difference` is ours minus published; `verdict` is "agrees" when that is at most the tolerance
    plus half a unit of the last of the six printed decimals, else "differs": a tolerance of 0 means
    equal at the digits shown. The rows are ordered by run and epoch, the final accuracy last.
    """
    check_histories(histories)
    rows = [
        (run, epoch, quantity, published, float(history[quantity].iloc[epoch]), tolerance)
        for run, history in histories.items()
        for epoch, quantity, published, tolerance in _published((called or {}).get(run, run))
        if epoch < len(history) and quantity in history
    ]
    columns = ["run", "epoch", "quantity", "published", "ours", "tolerance"]
    compared = pd.DataFrame(rows, columns=columns)
    compared.insert(5, "difference", compared["ours"] - compared["published"])
    allowed = compared["tolerance"] + HALF_LAST_DIGIT + 1e-12  # rounding of the difference itself
    agrees = compared["difference"].abs() <= allowed
    return compared.assign(verdict=agrees.map({True: "agrees", False: "differs"}))


def _published(run: str) -> Iterator[tuple[int, str, float, float]]:
    head = published_head()
    for row in head[head["run"] == run].to_dict("records"):
        for quantity in QUANTITIES:
            yield int(row["epoch"]), quantity, float(row[quantity]), TOLERANCES[run][quantity]
    if run in ARTICLE.final_test_accuracy:
        final = ARTICLE.final_test_accuracy[run]
        yield ARTICLE.last_epoch, "test_accuracy", final, FINAL_TOLERANCE


def agreement(comparison: pd.DataFrame) -> pd.DataFrame:
    """Condense `against_published` to a row per run and quantity.

    `numbers` compared, how many `agree`, and the `largest_difference` (absolute).
    """
    measured = comparison.assign(
        agree=comparison["verdict"] == "agrees", distance=comparison["difference"].abs()
    )
    return measured.groupby(["run", "quantity"], sort=False, as_index=False).agg(
        numbers=("agree", "size"), agree=("agree", "sum"), largest_difference=("distance", "max")
    )


def summary(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Sum up each run in a row.

    `best_epoch` is the first with the best accuracy, from 0; accuracies are shares, 0 to 1; the
    mean is of all epochs where there are fewer than five; seconds are those of training passes.
    """
    check_histories(histories)
    rows = []
    for run, history in histories.items():
        accuracy = history["test_accuracy"].to_numpy(dtype=float)
        rows.append(
            {
                "run": run,
                "epochs": len(history),
                "final_test_accuracy": float(accuracy[-1]),
                "best_test_accuracy": float(accuracy.max()),
                "best_epoch": int(accuracy.argmax()),
                "last_five_mean_test_accuracy": float(accuracy[-LAST:].mean()),
                "final_train_loss": float(history["train_loss"].iloc[-1]),
                "seconds": float(history["seconds"].iloc[-1]),
            }
        )
    return pd.DataFrame(rows)
