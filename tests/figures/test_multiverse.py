"""The specification curve: effects in order, choices below them, nothing clipped at any size."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from drawn_figures import inside, legend_of, panel, rows_of, texts, xs, ys
from made_histories import STAND_IN

from hindi_bn.figures.multiverse import curve, multiverse_figure
from hindi_bn.figures.style import Caption

OPTIONS = {
    "test": ["t", "sign-flip", "bootstrap", "median"],
    "correction": ["none", "Holm", "Benjamini-Hochberg"],
    "epoch": ["last epoch", "last five", "best"],
    "diverged": ["as 10 %", "left out"],
    "seeds": ["all", "first half"],
}
VERDICTS = ["supported", "undecided", "opposite found", "not as stated"]


def made(size: int) -> pd.DataFrame:
    """So many specifications, every fifth with an interval that has no end."""
    rows = pd.DataFrame(list(itertools.product(*OPTIONS.values()))[:size], columns=list(OPTIONS))
    effect = np.sin(np.arange(size)) * 3 + 2
    width = np.where(np.arange(size) % 5 == 4, np.inf, 1.5)
    verdict = [VERDICTS[place % 4] for place in range(size)]
    return rows.assign(effect=effect, low=effect - width, high=effect + width, verdict=verdict)


@pytest.mark.parametrize("size", [3, 24, 144])
def test_a_curve_of_any_size_shows_its_choices(size: int) -> None:
    rows = made(size)
    label = "Final test accuracy over all rates and both networks, with BN minus without (points)"
    title = "Claim 6: BN allows a higher learning rate, and does so at every batch size " * 2
    figure = multiverse_figure(rows, list(OPTIONS), label, (0.0, None), Caption(STAND_IN), title)
    above, below = figure.axes
    varied = [name for name in OPTIONS if len(set(rows[name])) > 1]
    expected = [f"{name}: {option}" for name in varied for option in OPTIONS[name]
                if option in set(rows[name])]  # fmt: skip
    assert sorted(rows_of(below)) == sorted(expected)
    marks = [line for line in below.lines if line.get_marker() == "|"]
    assert sum(len(xs(line)) for line in marks) == size * len(varied)
    drawn = {x: y for line in above.lines[1:] for x, y in zip(xs(line), ys(line), strict=True)}
    assert [drawn[place] for place in sorted(drawn)] == pytest.approx(sorted(rows["effect"]))
    assert f"{size} specifications" in texts(figure)
    assert inside(figure)
    assert not legend_of(figure)


def test_marks_stand_below_their_specification() -> None:
    rows = made(48).sort_values("effect").reset_index(drop=True)
    figure = multiverse_figure(rows, ["test"], "x", (None, 1.0), Caption(STAND_IN), "T")
    place = rows_of(figure.axes[1]).index("test: sign-flip")
    found = [xs(line) for line in figure.axes[1].lines if set(ys(line)) == {place}]
    assert found == [[float(x) for x in rows.index[rows["test"] == "sign-flip"]]]


def test_open_intervals_reach_the_end_of_the_axis_and_no_estimate_draws_nothing() -> None:
    rows = made(10)
    rows.loc[0, ["effect", "low", "high"]] = np.nan
    ax = curve(rows, (-1.0, 1.0), panel())
    low, high = ax.get_ylim()
    assert low < rows["effect"].min() < rows["effect"].max() < high < 30
    legend = ax.get_legend()
    assert legend is not None
    assert "supported: 3" in [text.get_text() for text in legend.get_texts()]
