"""Claim 1's second question: where the published gap falls among seeds and stopping epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hindi_bn.analysis.article import ARTICLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from hindi_bn.claims.trial import Trained

LAST = 10
"""Stopping epochs that are looked at, counted from the end."""


def published_gap() -> float:
    """Return the published gap in final test accuracy, with BN less without: a share."""
    final = ARTICLE.final_test_accuracy
    return float(final["bn"] - final["no-bn"])


def arms_of(trained: Trained) -> tuple[str, str]:
    """Return the names of the arms with BN and without, of a claim's first sweep."""
    table = trained.tables[trained.first]
    (with_bn,), (without,) = table.select({"norm": "batch"}), table.select({"norm": "none"})
    return with_bn, without


def gaps(epochs: pd.DataFrame, with_bn: str, without: str) -> pd.DataFrame:
    """Return the gap in test accuracy had a pair of runs been stopped at an epoch.

    Parameters
    ----------
    epochs
        A row a run and epoch: `arm`, `seed`, `epoch`, `test_accuracy`.

    Returns
    -------
    A row an epoch and a column a seed; shares. Seeds without both runs are left out.
    """
    by_arm = [
        epochs[epochs["arm"] == arm].set_index(["epoch", "seed"])["test_accuracy"]
        for arm in (with_bn, without)
    ]
    difference = (by_arm[0] - by_arm[1]).unstack("seed")  # noqa: PD010
    return difference.dropna(axis=1, how="all")


def gap_findings(trained: Trained) -> Iterator[str]:
    """Say where the published gap falls, at the last epoch and over the last ten."""
    table = gaps(trained.epochs[trained.first], *arms_of(trained))
    if table.empty:
        return
    published, last = 100 * published_gap(), 100 * table.iloc[-1]
    ten = 100 * table.iloc[-LAST:].to_numpy().ravel()
    yield (
        f"Stopped after the last epoch the gap ranges from {last.min():.2f} to {last.max():.2f} "
        f"points over {len(last)} seeds (median {last.median():.2f}); the article's is "
        f"{published:.2f}, which {int((last >= published).sum())} of them reach."
    )
    yield (
        f"Stopped at any of the last {min(LAST, len(table))} epochs it ranges from {ten.min():.2f} "
        f"to {ten.max():.2f} points; {int((ten >= published).sum())} of {len(ten)} gaps reach the "
        "article's."
    )
