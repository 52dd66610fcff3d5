"""The figure of each claim, from its result and the tables of its runs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hindi_bn.claims.gap import gaps_of
from hindi_bn.claims.plan import TrainedClaim
from hindi_bn.claims.report import decisive, sentence
from hindi_bn.claims.results import ClaimResult
from hindi_bn.claims.verdict import Effect
from hindi_bn.figures import all_claims, claims, dose, sweeps
from hindi_bn.figures.style import Caption, Part, compose
from hindi_bn.measures import metric_named
from hindi_bn.stats.tables import epoch_values, summary_by, values_of
from hindi_bn.study.words import counted


def draw(result: ClaimResult, trained: TrainedClaim) -> Figure:
    """Draw what the claim's file asks for, and below it the tests that the verdict rests on."""
    name = trained.plan.claim.figure.sweep or trained.first
    count = result.sizes[name]["epochs"]
    size = f"claim {result.id}, {result.stage}, {counted(count, 'epoch')}"
    effect = decisive(result)
    found = all_claims.effect_in_words(
        effect.mean, effect.corrected_low, effect.corrected_high, effect.unit
    )
    title = f"Claim {result.id}: {result.title}\n{sentence(result.with_n)}: {found}"
    runs = _runs(trained, name)
    caption = Caption(result.data, size).plus(
        f"{'below: ' if runs else ''}the claim's tests, means over seeds with 95 % t-intervals, "
        "each coloured as it comes out by itself; the title's interval is at the level of the "
        "verdict, corrected"
    )
    parts = [*runs, claims.forest_part(forest_table(result))]
    return compose(title, caption, *parts)


def _runs(trained: TrainedClaim, name: str) -> list[Part]:
    """Return the part of the figure that shows a sweep's runs, if there is one."""
    figure = trained.plan.claim.figure
    runs, epochs = trained.tables[name].runs, trained.epochs[name]
    chosen = trained.tables[name].select(figure.where)
    runs, epochs = runs[runs["arm"].isin(chosen)], epochs[epochs["arm"].isin(chosen)]
    if figure.kind == "forest" or epochs.empty:
        return []
    if figure.kind == "gap":
        return [claims.gap_part(**vars(gaps_of(trained)))]
    metric = metric_named(figure.metric)
    if figure.kind == "curves":
        values = epoch_values(epochs, figure.metric, metric, runs)
        means = summary_by(values, ["arm", "epoch"], metric.possible)
        return [sweeps.curves_part(values, means, metric)]
    values = values_of(runs, figure.metric, metric)
    if figure.kind == "strip":
        means = summary_by(values, ["arm"], metric.possible)
        return [sweeps.strip_part(values, means, metric)]
    assert figure.x is not None
    means = summary_by(values, [figure.x, figure.hue], metric.possible)
    return [dose.dose_part(dose.Dose(values, means, figure.x, figure.hue, metric))]


def draw_all(results: Sequence[ClaimResult]) -> Figure:
    """Draw the forest plot of claims, at least one."""
    table = pd.DataFrame([_row(result, decisive(result)) for result in results])
    data = "; ".join(sorted({result.data for result in results}))
    return all_claims.all_claims_figure(table, Caption(data))


def _row(result: ClaimResult, effect: Effect) -> dict[str, Any]:
    """Return a claim's row of `hindi_bn.figures.all_claims.all_claims`."""
    low, high = effect.corrected_low, effect.corrected_high
    end, inward, margin, width = margins(effect)
    estimate, *ends = (inward * (value - end) / margin for value in (effect.mean, low, high))
    stage = "" if result.stage == "confirm" else result.stage
    notes = (f"n = {effect.n}", stage, "runs missing" if result.incomplete else "")
    return {
        "label": f"{result.id}  {result.title}",
        "estimate": estimate, "low": min(ends), "high": max(ends),
        "width": width,
        "effect": all_claims.effect_in_words(effect.mean, low, high, effect.unit),
        "n": ", ".join(filter(None, notes)), "verdict": result.verdict,
        "confirmed": result.stage == "confirm",
    }  # fmt: skip


class Margins(NamedTuple):
    """The plot's unit: value v of an effect stands at inward * (v - end) / margin, right of 0.

    `end` is that end of the test's region which is nearest to the mean, `width` how far the other
    one is, in margins; a margin is the end itself, or the smallest effect of interest, or else 1.
    """

    end: float
    inward: int
    margin: float
    width: float


def margins(effect: Effect) -> Margins:
    """Return where an effect's values stand in the plot of all claims."""
    above = -np.inf if effect.above is None else effect.above
    below = np.inf if effect.below is None else effect.below
    by_above = effect.mean - above <= below - effect.mean
    end, inward = (above, 1) if by_above else (below, -1)
    margin = abs(end) or abs(effect.least or 1.0)
    return Margins(end, inward, margin, (below - above) / margin)


def forest_table(result: ClaimResult) -> pd.DataFrame:
    """Return a row per test, as `hindi_bn.figures.claims.forest` draws it."""
    table = pd.DataFrame([asdict(effect) | {"n": effect.n} for effect in result.effects])
    ends = {"above": table["above"].astype(float).fillna(-np.inf),
            "below": table["below"].astype(float).fillna(np.inf)}  # fmt: skip
    names = {"mean": "estimate", "above": "margin_low", "below": "margin_high"}
    return table.assign(**ends).rename(columns=names)
