"""Where the published gap in accuracy falls among seeds and stopping epochs."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from hindi_bn.article.facts import ARTICLE
from hindi_bn.claims.plan import TrainedClaim
from hindi_bn.stats.metrics import metric_named
from hindi_bn.stats.tables import epoch_values, paired_values, summary_by

LAST = 10
"""Stopping epochs that are looked at, counted from the end."""


@dataclass(frozen=True)
class Gaps:
    """Gaps in test accuracy by seed and stopping epoch, the first of `arms` less the second.

    Args:
        pairs, means: `seed`, `epoch` and `value`, a share; and a table of means of it by `epoch`.
        late: The pairs of the last epochs, with `reached`: whether the gap is at least the
            published one.
        published: The published gap, in points.
    """

    pairs: pd.DataFrame
    means: pd.DataFrame
    late: pd.DataFrame
    published: float
    arms: tuple[str, str]


def gaps_of(trained: TrainedClaim) -> Gaps:
    """Pair the runs of a claim's first sweep by seed and stopping epoch."""
    table = trained.tables[trained.first]
    (with_bn,), (without,) = table.select({"norm": "batch"}), table.select({"norm": "none"})
    epochs, metric = trained.epochs[trained.first], metric_named("test_accuracy")
    values = epoch_values(epochs, "test_accuracy", metric, table.runs)
    values = values[values["arm"].isin([with_bn, without])]
    pairs = paired_values(values, without, on=("seed", "epoch")).dropna(subset="value")
    final = ARTICLE.final_test_accuracy
    published = final["bn"] - final["no-bn"]
    late = pairs[pairs["epoch"] > pairs["epoch"].max() - LAST]
    late = late.assign(reached=late["value"] >= published)
    means = summary_by(pairs, ["epoch"]).sort_values("epoch")
    return Gaps(pairs, means, late, 100 * published, (with_bn, without))


def gap_findings(trained: TrainedClaim) -> Iterator[str]:
    """Say where the published gap falls, at the last epoch and over the last ten."""
    gaps = gaps_of(trained)
    if gaps.pairs.empty:
        return
    late = gaps.late.assign(gap=100 * gaps.late["value"])
    last = late[late["epoch"] == late["epoch"].max()]
    yield (
        f"Stopped after the last epoch the gap ranges from {last['gap'].min():.2f} to "
        f"{last['gap'].max():.2f} points over {len(last)} seeds (median "
        f"{last['gap'].median():.2f}); the article's is {gaps.published:.2f}, which "
        f"{int(last['reached'].sum())} of them reach."
    )
    yield (
        f"Stopped at any of the last {late['epoch'].nunique()} epochs it ranges from "
        f"{late['gap'].min():.2f} to {late['gap'].max():.2f} points; {int(late['reached'].sum())} "
        f"of {len(late)} gaps reach the article's."
    )
