"""Figures of claims: estimates beside the rule, and the gap by stopping epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn_figures import inside, labelled, panel, texts, xs, ys
from made_histories import IDENTICAL, STAND_IN
from matplotlib.patches import Rectangle
from scipy import stats

from hindi_bn.figures.claims import (
    VERDICTS,
    forest,
    forest_part,
    gap_by_epoch,
    gap_histogram,
    gap_part,
)
from hindi_bn.figures.style import Caption, compose
from hindi_bn.stats.metrics import metric_named
from hindi_bn.stats.tables import epoch_values, paired_values, summary_by

COLUMNS = ["label", "estimate", "low", "high", "margin_low", "margin_high", "unit", "verdict", "n"]
TESTS = pd.DataFrame(
    [
        ("Final accuracy", 3.1, 2.2, 4.0, 0.5, np.inf, "points", "supported", 10),
        ("At the best rate", 0.1, -0.6, 0.8, -np.inf, 0.5, "points", "undecided", 5),
        ("Oscillation " * 5, -0.4, -0.6, -0.2, 0.0, np.inf, "log ratio", "opposite found", 10),
        ("One pair", 0.1, np.nan, np.nan, -1.0, 1.0, "log ratio", "undecided", 1),
    ],
    columns=COLUMNS,
)


def made_epochs() -> pd.DataFrame:
    """Seeds 0 and 1 and twelve epochs; with BN 4.1 and 8.1 points better, at the end 1.1 and 7.1.

    Two further seeds are like those.
    """
    rows = []
    for seed, gap in ((0, 0.041), (1, 0.081), (3, 0.041), (4, 0.081)):
        for epoch in range(12):
            base = 0.9 + (0.03 - 0.02 * (seed in (1, 4)) if epoch == 11 else 0.0)
            rows.append(("no-bn", seed, epoch, base))
            rows.append(("bn", seed, epoch, 0.9 + gap))
    rows.append(("bn", 2, 0, 0.95))  # a seed that has no partner
    return pd.DataFrame(rows, columns=["arm", "seed", "epoch", "test_accuracy"])


def test_a_forest_has_estimate_interval_and_region_of_each_test() -> None:
    part = TESTS[TESTS["unit"] == "points"]
    ax = forest(part, panel())
    zero, first_line, first, second_line, second = ax.lines
    assert xs(zero) == [0, 0]
    assert xs(first_line) == [2.2, 4.0]
    assert xs(second_line) == [-0.6, 0.8]
    assert [xs(first), xs(second)] == [[3.1], [0.1]]
    assert first.get_color() == VERDICTS["supported"].colour
    assert second.get_color() == VERDICTS["undecided"].colour
    low, high = ax.get_xlim()
    spans = [region.get_paths()[0].get_extents() for region in ax.collections]
    ends = [end for box in spans for end in (box.x0, box.x1)]
    assert ends == pytest.approx([0.5, high, low, 0.5])
    assert "+3.10  [+2.20, +4.00]  n = 10" in texts(ax)
    assert ax.get_xlabel() == "points"
    assert ax.yaxis_inverted()


def test_a_forest_figure_has_a_panel_a_unit_and_the_verdicts_that_occur() -> None:
    title = "With batch norm the network reads more of the test digits, after every epoch; " * 2
    figure = compose(title, Caption(STAND_IN, "95 % t-intervals"), forest_part(TESTS))
    assert [ax.get_xlabel() for ax in figure.axes] == ["points", "log ratio"]
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "supported", "opposite found", "undecided", "the claim holds here",
    ]  # fmt: skip
    assert "+0.100  n = 1" in texts(figure)
    assert f"Data: {STAND_IN} · 95 % t-intervals" in texts(figure)
    assert inside(figure)


def test_a_test_without_an_estimate_says_so() -> None:
    nothing = TESTS.iloc[:1].assign(estimate=np.nan, low=np.nan, high=np.nan, n=0)
    figure = compose("A claim", Caption(IDENTICAL), forest_part(nothing))
    assert "no estimate  n = 0" in texts(figure)
    assert inside(figure)


def test_a_region_that_cannot_be_met_is_not_shaded() -> None:
    impossible = TESTS.iloc[:1].assign(margin_low=5.0, margin_high=4.0)
    assert len(forest(impossible, panel()).collections) == 0


def gaps(epochs: pd.DataFrame, baseline: str = "no-bn") -> tuple[pd.DataFrame, ...]:
    """Pairs, their means by epoch, and those of the last ten epochs."""
    values = epoch_values(epochs, "test_accuracy", metric_named("test_accuracy"))
    pairs = paired_values(values, baseline, on=("seed", "epoch"))
    late = pairs[pairs["epoch"] > 1]
    return pairs, summary_by(pairs, ["epoch"]), late.assign(reached=late["value"] >= 0.067)


def test_gaps_are_paired_by_seed_and_epoch() -> None:
    pairs, _, _ = gaps(made_epochs())
    assert len(pairs) == 48
    last = pairs[pairs["epoch"] == 11].sort_values("seed")["value"]
    assert list(100 * last) == pytest.approx([1.1, 7.1] * 2)
    assert set(pairs["seed"]) == {0, 1, 3, 4}


def test_the_gap_by_epoch_has_seeds_mean_interval_and_the_published_one() -> None:
    pairs, means, _ = gaps(made_epochs())
    ax = gap_by_epoch(pairs, means, 6.7, panel())
    lines = labelled(ax)
    assert ys(lines["mean"]) == pytest.approx([6.1] * 11 + [4.1])
    assert ys(lines["published (6.7)"]) == [6.7, 6.7]
    t = stats.t.ppf(0.975, 3)
    last, first = 3**0.5 * t, 2 / 3**0.5 * t  # of 1.1 and 7.1 points, of 4.1 and 8.1, each twice
    box = ax.collections[0].get_paths()[0].get_extents()
    assert (box.y0, box.y1) == pytest.approx((4.1 - last, 6.1 + first))
    low, high = ax.get_ylim()
    assert -6 < low < 0  # a wide interval does not squash the curves
    assert 8 < high < 14


def test_the_histogram_counts_the_gaps_of_late_epochs() -> None:
    ax = gap_histogram(gaps(made_epochs())[2], 6.7, panel())
    bars = [bar for bar in ax.patches if isinstance(bar, Rectangle) and bar.get_height()]
    counts = {round(bar.get_x(), 6): bar.get_height() for bar in bars}
    assert counts == {1.0: 2, 4.0: 18, 7.0: 2, 8.0: 18}
    assert ax.get_title() == "20 of 40 gaps reach the published one"
    assert xs(ax.lines[0]) == [6.7, 6.7]


@pytest.mark.parametrize("seeds", [1, 4])
def test_the_gap_figure_says_n_and_interval(seeds: int) -> None:
    epochs = made_epochs()
    epochs = epochs[epochs["seed"] < (1 if seeds == 1 else 9)]
    epochs = epochs.replace({"arm": {"bn": "a", "no-bn": "b"}})
    part = gap_part(*gaps(epochs, "b"), 6.7, ("a", "b"))
    figure = compose("A claim", Caption(IDENTICAL, "claim 1"), part)
    expected = {1: "n = 1 pair of runs · no interval below n = 4", 4: "n = 4 pairs of runs · 95 %"}
    assert expected[seeds] in texts(figure)
    assert "right: last 10 epochs" in texts(figure)
    assert "a minus b, by seed" in texts(figure)
    assert "published (6.7)" in texts(figure)
    assert inside(figure)
