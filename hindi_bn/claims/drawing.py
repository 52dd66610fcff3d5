"""The figure of each claim, from its result and the tables of its runs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from hindi_bn.claims.gap import gaps_of
from hindi_bn.claims.plan import TrainedClaim
from hindi_bn.claims.results import ClaimResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


TITLE_WIDTH = 48  # characters in a line, beside a legend


def draw(result: ClaimResult, trained: TrainedClaim) -> Figure:
    """Draw what the claim's file asks for."""
    from hindi_bn.figures import claims, dose, sweep_curves, sweep_strips
    from hindi_bn.figures.style import Caption
    from hindi_bn.measures import metric_named
    from hindi_bn.stats.tables import epoch_values, summary_by, values_of

    figure = trained.plan.claim.figure
    name = figure.sweep or trained.first
    runs, epochs = trained.runs[name], trained.epochs[name]
    chosen = trained.tables[name].select(figure.where)
    runs, epochs = runs[runs["arm"].isin(chosen)], epochs[epochs["arm"].isin(chosen)]
    count = result.sizes[name]["epochs"]
    size = f"claim {result.id}, {result.scale} scale, {count} epoch{'s' * (count != 1)}"
    caption = Caption(result.data, size)
    title = textwrap.fill(f"Claim {result.id}: {result.title}", TITLE_WIDTH)
    if figure.kind == "forest" or epochs.empty:
        caption = caption.plus("dots: means over seeds, lines: 95 % t-intervals")
        return claims.forest_figure(forest_table(result), caption, title)
    if figure.kind == "gap":
        gaps = gaps_of(trained)
        return claims.gap_figure(
            gaps.pairs, gaps.means, gaps.late, gaps.published, gaps.arms, caption
        )
    metric = metric_named(figure.metric)
    if figure.kind == "curves":
        values = epoch_values(epochs, figure.metric, metric, runs)
        means = summary_by(values, ["arm", "epoch"])
        return sweep_curves.curves_figure(values, means, metric, caption)
    values = values_of(runs, figure.metric, metric)
    if figure.kind == "strip":
        return sweep_strips.strip_figure(values, summary_by(values, ["arm"]), metric, caption)
    assert figure.x is not None
    means = summary_by(values, [figure.x, figure.hue])
    drawn = dose.Dose(values, means, figure.x, figure.hue, metric)
    return dose.dose_figure(drawn, caption, title)


def forest_table(result: ClaimResult) -> pd.DataFrame:
    """Return a row per test, as `hindi_bn.figures.claims.forest` draws it."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {
            "label": effect.label,
            "estimate": effect.mean,
            "low": effect.low,
            "high": effect.high,
            "margin_low": -np.inf if effect.above is None else effect.above,
            "margin_high": np.inf if effect.below is None else effect.below,
            "unit": effect.unit,
            "verdict": effect.verdict,
            "n": effect.n,
        }
        for effect in result.effects
    ]
    return pd.DataFrame(rows)
