"""The figure of each claim, from its result and the tables of its runs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from hindi_bn.claims.gap import arms_of, published_gap
from hindi_bn.claims.plan import Trained
from hindi_bn.claims.results import ClaimResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


TITLE_WIDTH = 48  # characters in a line, beside a legend


def draw(result: ClaimResult, trained: Trained) -> Figure:
    """Draw what the claim's file asks for."""
    figure = trained.trial.claim.figure
    name = figure.sweep or trained.first
    runs, epochs = trained.runs[name], trained.epochs[name]
    chosen = trained.tables[name].select(figure.where)
    runs, epochs = runs[runs["arm"].isin(chosen)], epochs[epochs["arm"].isin(chosen)]
    details = f"claim {result.id}, {result.scale} scale, {result.sizes[name]['epochs']} epochs"
    title = textwrap.fill(f"Claim {result.id}: {result.title}", TITLE_WIDTH)
    if figure.kind == "forest" or epochs.empty:
        from hindi_bn.figures.claims import forest_figure

        note = f"{details} · dots: means over seeds, lines: 95 % t-intervals"
        return forest_figure(forest_table(result), result.data, note, title)
    if figure.kind == "gap":
        from hindi_bn.figures.claims import gap_figure

        return gap_figure(epochs, published_gap(), result.data, details, *arms_of(trained))
    if figure.kind == "curves":
        from hindi_bn.figures.sweep_curves import curves_figure

        return curves_figure(epochs, figure.outcome, result.data, details, runs)
    if figure.kind == "strip":
        from hindi_bn.figures.sweep_strips import strip_figure

        return strip_figure(runs, figure.outcome, result.data, details)
    from hindi_bn.figures.dose import dose_figure

    assert figure.x is not None
    return dose_figure(runs, figure.x, figure.hue, figure.outcome, result.data, details, title)


def forest_table(result: ClaimResult) -> pd.DataFrame:
    """Return a row a test, as `hindi_bn.figures.claims.forest` draws it."""
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
