"""Claim 1's second question: where the published gap falls among seeds and stopping epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hindi_bn.article.facts import ARTICLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hindi_bn.claims.plan import Trained

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


def gap_findings(trained: Trained) -> Iterator[str]:
    """Say where the published gap falls, at the last epoch and over the last ten."""
    from hindi_bn.figures.claims import paired_gaps

    gaps = paired_gaps(trained.epochs[trained.first], *arms_of(trained))
    if gaps.empty:
        return
    published, ends = 100 * published_gap(), gaps["epoch"].max()
    last = gaps[gaps["epoch"] == ends]["gap"]
    late = gaps[gaps["epoch"] > ends - LAST]["gap"]
    yield (
        f"Stopped after the last epoch the gap ranges from {last.min():.2f} to {last.max():.2f} "
        f"points over {len(last)} seeds (median {last.median():.2f}); the article's is "
        f"{published:.2f}, which {int((last >= published).sum())} of them reach."
    )
    yield (
        f"Stopped at any of the last {min(LAST, ends + 1)} epochs it ranges from {late.min():.2f} "
        f"to {late.max():.2f} points; {int((late >= published).sum())} of {len(late)} gaps reach "
        "the article's."
    )
