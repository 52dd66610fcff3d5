"""The forest plot of all claims: places in margins, worked out by hand, and what is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_figures import inside, rows_of, texts, xs
from matplotlib.axes import Axes
from tiny_claims import a_claim, claim_file

import hindi_bn
from hindi_bn.claims.claim import Test
from hindi_bn.claims.drawing import draw_all
from hindi_bn.claims.results import ClaimResult, decided, write_results
from hindi_bn.claims.verdict import effect_of
from hindi_bn.errors import ClaimsError
from hindi_bn.figures.claims import VERDICTS


def result(number: int, values: list[float], stage: Any = "confirm", **region: Any) -> ClaimResult:
    """A claim with one test; its effect by seed is given."""
    claim = a_claim(id=number, title=f"Claim called {number}")
    test = Test.model_validate({**claim_file()["tests"][0], "unit": "points"} | region)
    effect = effect_of(test, np.array(values), range(len(values)))
    return ClaimResult(
        id=number, name="shape", title=claim.title, says="", statement="", source="", method="",
        stage=stage, sizes={}, data="drawn", runs={}, rule="", rules={}, effects=(effect,),
        p_holds=effect.p_holds, p_fails=effect.p_fails, p_opposite=effect.p_opposite,
    )  # fmt: skip


SURE = [4.0, 4.2, 3.8, 4.1, 3.9] * 3
RESULTS = decided(
    [
        result(1, SURE, below=None, above=0, least=0.5),  # 4 points are 8 margins
        result(2, SURE, below=5),  # 1 of 5 points inside
        result(3, SURE, "pilot", below=0.5, above=-0.5),  # 3.5 points beyond, 7 margins
        result(4, [1.0], "smoke", below=None, above=0),  # no margin is named: one point
    ],
    [range(1, 5)],
)


def marks(ax: Axes) -> list[Any]:
    return [line for line in ax.lines if line.get_marker() not in ("None", "")]


def test_a_claim_stands_as_many_margins_inside_its_region_as_its_effect_does() -> None:
    figure = draw_all(RESULTS)
    (ax,) = figure.axes
    estimates = [xs(mark)[0] for mark in marks(ax)]
    assert estimates == pytest.approx([8.0, 0.2, -7.0, 1.0])
    assert [mark.get_color() for mark in marks(ax)] == [
        VERDICTS[verdict].colour
        for verdict in ("supported", "supported", "not as stated", "pilot")
    ]  # fmt: skip
    hollow = [mark.get_markerfacecolor() == "white" for mark in marks(ax)]
    assert hollow == [False, False, True, True]
    regions = [region.get_paths()[0].get_extents() for region in ax.collections]
    assert [box.x0 for box in regions] == [0.0] * 4
    assert regions[2].x1 == pytest.approx(2.0)  # from -0.5 to 0.5 points
    assert "n = 15, pilot" in texts(figure)
    assert "+1.00 points" in texts(figure)  # no interval
    assert rows_of(ax)[0] == "1  Claim called 1"
    assert inside(figure)
    assert figure.get_suptitle().replace("\n", " ") == (
        "4 claims about batch norm: 2 supported; "
        "pilots (hollow): 1 not as stated, 1 without a verdict yet"
    )


def test_an_effect_that_should_be_negative_is_measured_in_its_least_too() -> None:
    decline = result(1, [-value for value in SURE], below=0, least=-0.5)
    assert xs(marks(draw_all([decline]).axes[0])[0]) == pytest.approx([8.0])


def test_an_interval_is_that_of_the_verdict() -> None:
    (effect,) = RESULTS[1].effects
    ax = draw_all(RESULTS[1:2]).axes[0]
    interval = next(line for line in ax.lines if len(xs(line)) == 2 and xs(line) != [0.0, 0.0])
    ends = [(5 - effect.corrected_high) / 5, (5 - effect.corrected_low) / 5]
    assert xs(interval) == pytest.approx(ends)
    stopped = replace(RESULTS[1], runs={"missing": 1})
    assert "n = 15, runs missing" in texts(draw_all([stopped]))


def test_the_api_draws_what_is_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="no results of claims"):
        hindi_bn.draw_claims(tmp_path)
    write_results(tmp_path / "claims", RESULTS, {})
    ax = hindi_bn.draw_claims(tmp_path).axes[0]
    assert len(marks(ax)) == 4
