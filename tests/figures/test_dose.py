"""Figures of a metric against a key: its scale, a line per value, and diverged runs below."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn_figures import inside, labelled, legend_of, metrics_table, panel, rows_of, texts, xs, ys
from made_histories import IDENTICAL
from made_sweeps import made_sweep

from hindi_bn.figures.dose import Dose, diverged_crosses, dose_lines, dose_part, places_of
from hindi_bn.figures.style import Caption, compose, looks
from hindi_bn.stats.metrics import metric_named
from hindi_bn.stats.tables import summary_by, values_of


def dose(runs: pd.DataFrame, x: str, hue: str | None, name: str = "final_test_accuracy") -> Dose:
    metric = metric_named(name)
    values = values_of(runs, name, metric)
    return Dose(values, summary_by(values, [x, hue] if hue else [x]), x, hue, metric)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.1, 1e-4, 3.0], "decimal"),
        ([2, 64, 256], "binary"),
        ([0.1, 0.2, 0.5], "linear"),
        ([0.0, 0.01, 1.0], "linear"),
        ([0.1], "linear"),
        (["zeros", "default"], "linear"),
    ],
)
def test_a_key_chooses_its_scale(values: list[float], scale: str) -> None:
    assert places_of(pd.Series(values)).scale == scale


def test_text_keeps_its_order_and_numbers_ascend() -> None:
    assert places_of(pd.Series(["b", "a", "b"])).at == {"b": 0, "a": 1}
    assert list(places_of(pd.Series([3, 1, 2])).at) == ["1", "2", "3"]
    assert places_of(pd.Series([np.nan, 0.5, np.nan])).at == {"none": 0, "0.5": 1}


def test_a_dose_has_a_line_a_value_with_dots_and_band() -> None:
    runs, _ = made_sweep({"lr": [0.001, 0.1], "norm": ["none", "batch"]}, 4, 3)
    ax = dose_lines(dose(runs, "lr", "norm"), panel())
    assert ax.get_xscale() == "log"
    lines = labelled(ax)
    rows = runs[runs["norm"] == "batch"].groupby("lr")["final_test_accuracy"].mean()
    assert xs(lines["batch"]) == [0.001, 0.1]
    assert ys(lines["batch"]) == pytest.approx(list(100 * rows))
    assert lines["batch"].get_color() == looks(["batch"])["batch"].colour
    assert sum(len(xs(line)) for line in ax.lines if line.get_marker() == ".") == 16
    assert len(ax.collections) == 2
    assert ax.get_xlabel() == "learning rate"


def test_text_has_no_order_and_so_no_line_but_bars_side_by_side() -> None:
    runs, _ = made_sweep({"init": ["zeros", "default"], "norm": ["none", "batch"]}, 4, 30)
    ax = dose_lines(dose(runs, "init", "norm", "final_train_loss"), panel())
    lines = {str(line.get_label()): xs(line) for line in ax.lines}
    assert lines["none"] == pytest.approx([-0.07, 0.93])
    assert lines["batch"] == pytest.approx([0.07, 1.07])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["zeros", "default"]
    assert labelled(ax)["batch"].get_linestyle() == "None"
    bars = [bar for drawn in ax.collections for bar in drawn.get_paths()]
    assert len(bars) == 4


def test_diverged_runs_are_crosses_below_with_their_number() -> None:
    gone = [("lr=3.0, norm=none", 0), ("lr=3.0, norm=none", 1)]
    runs, _ = made_sweep({"lr": [0.1, 3.0], "norm": ["none", "batch"]}, 3, 3, gone)
    ax = diverged_crosses(dose(runs, "lr", "norm"), panel())
    assert rows_of(ax) == ["diverged: without BN"]
    assert [xs(line) for line in ax.lines] == [[3]]
    assert [text.get_text() for text in ax.texts] == ["2/3"]
    figure = compose("A claim", Caption(IDENTICAL), dose_part(dose(runs, "lr", "norm")))
    assert "n = 3 per mean, 3 seeds, no interval below n = 4" in texts(figure)
    assert "× diverged, counted as 10 %" in texts(figure)
    lines = labelled(figure.axes[0])
    kept = runs[runs["arm"] == "lr=3.0, norm=none"]["final_test_accuracy"].max()
    assert ys(lines["none"])[1] == pytest.approx(100 * (kept + 0.2) / 3)
    assert legend_of(figure) == ["without BN", "with BN"]
    assert inside(figure)


def test_a_single_line_needs_no_legend_and_many_values_turn() -> None:
    runs, _ = made_sweep({"init": [f"a longer name {i}" for i in range(6)]}, 1, 3)
    part = dose_part(dose(runs, "init", None, "final_train_loss"))
    figure = compose("A claim", Caption(IDENTICAL), part)
    assert legend_of(figure) == []
    assert {label.get_rotation() for label in figure.axes[0].get_xticklabels()} == {30}
    assert "A claim" in texts(figure)
    assert "no interval below n = 4" in texts(figure)
    assert inside(figure)


def test_doses_of_nothing_but_diverged_runs_can_be_drawn() -> None:
    runs = metrics_table({"a": [np.nan, np.nan]}, "final_train_loss").assign(lr=[1.0, 3.0])
    part = dose_part(dose(runs, "lr", None, "final_train_loss"))
    figure = compose("A claim", Caption(IDENTICAL), part)
    assert "no run has a value" in texts(figure)
    assert rows_of(figure.axes[1]) == ["diverged"]
