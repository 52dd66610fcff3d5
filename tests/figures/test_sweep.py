"""Figures of sweeps: what is drawn for each arm and seed, and what is said about n."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn_figures import inside, legend_of, outcomes_table, panel, rows_of, texts, xs, ys
from made_histories import IDENTICAL, STAND_IN
from made_sweeps import made_sweep
from matplotlib.patches import Rectangle
from scipy import stats

from hindi_bn.errors import HindiBnError
from hindi_bn.figures.over_seeds import arm_looks, intervals, number, quantity
from hindi_bn.figures.style import looks, save
from hindi_bn.figures.sweep import (
    curves_figure,
    heat_figure,
    paired_figure,
    strip_figure,
    sweep_figures,
)
from hindi_bn.figures.sweep_curves import mean_curves
from hindi_bn.figures.sweep_maps import mean_map
from hindi_bn.figures.sweep_strips import paired_strips, seed_strips

ARMS = ["norm=none", "norm=batch"]
Grid = dict[str, list[Any]]
LONG = "group normalisation with a very long name, and with many more words"


# what all share


@pytest.mark.parametrize(
    ("outcome", "axis", "difference"),
    [
        ("final_test_accuracy", "Final test accuracy (%)", "points"),
        ("last5_test_accuracy", "Test accuracy, mean of the last 5 epochs (%)", "points"),
        ("train_loss_at_1", "Training loss after 1 epoch (cross-entropy, nats)", "nats"),
        ("train_loss_at_10", "Training loss after 10 epochs (cross-entropy, nats)", "nats"),
        ("final_train_loss", "Final training loss (cross-entropy, nats)", "nats"),
        ("epochs_to_95", "Epochs to 95 % test accuracy", "epochs"),
        ("generalisation_gap", "Generalisation gap (points)", "points"),
    ],
)
def test_outcomes_are_named_with_their_unit(outcome: str, axis: str, difference: str) -> None:
    assert quantity(outcome).axis == axis
    assert quantity(outcome).difference("none").endswith(f": difference from none ({difference})")


def test_an_unknown_outcome_is_drawn_as_it_is() -> None:
    assert quantity("turning_angle").axis == "Turning angle"
    assert quantity("turning_angle").factor == 1
    assert quantity("turning_angle").difference("a") == "Turning angle: difference from a"


def test_intervals_are_scipy_s_and_missing_for_one_value() -> None:
    rows = pd.DataFrame({"arm": list("bbba"), "value": [1.0, 2.0, 6.0, 5.0]})
    made = intervals(rows, "arm", "value")
    half = stats.t.ppf(0.975, 2) * stats.sem([1.0, 2.0, 6.0])
    assert list(made.index) == ["b", "a"]
    assert list(made["n"]) == [3, 1]
    assert list(made["mean"]) == [3, 5]
    assert list(made["low"]) == pytest.approx([3 - half, np.nan], nan_ok=True)
    assert list(made["high"]) == pytest.approx([3 + half, np.nan], nan_ok=True)


def test_arms_look_like_the_normalisation_that_they_name() -> None:
    assert arm_looks(ARMS)["norm=batch"] == looks(["batch"])["batch"]
    assert len(set(arm_looks(["a=1", "b=1"]).values())) == 2


def test_numbers_keep_their_zeros() -> None:
    assert [number(98.0), number(12345.0), number(-0.5, 3, "+")] == ["98.00", "12345", "−0.500"]


# curves


def test_curves_show_every_seed_their_mean_and_its_interval() -> None:
    epochs = pd.DataFrame(
        {"arm": "bn", "seed": [0, 0, 1, 1], "epoch": [0, 1, 0, 1],
         "test_accuracy": [0.8, 0.9, 0.6, 0.9]}
    )  # fmt: skip
    ax = mean_curves(epochs, panel())
    first, second, mean = ax.lines
    assert ys(first) == [80, 90]
    assert ys(second) == [60, 90]
    assert ys(mean) == pytest.approx([70, 90])
    assert mean.get_label() == "bn"
    band = ax.collections[0].get_paths()[0].vertices
    half = stats.t.ppf(0.975, 1) * 10  # the standard error of 80 and 60 is 10
    at_start = sorted(set(np.asarray(band)[np.asarray(band)[:, 0] == 0][:, 1].round(6)))
    assert at_start == pytest.approx([70 - half, 70 + half])
    assert (ax.get_ylabel(), ax.get_yscale()) == ("Test accuracy (%)", "linear")


def test_a_diverged_run_ends_with_a_cross_and_is_no_part_of_the_mean() -> None:
    runs, epochs = made_sweep({"norm": ["none"]}, 3, 6, [("norm=none", 1)])
    ax = mean_curves(epochs, panel(), "train_loss", runs)
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [xs(line) for line in crosses] == [[1]]
    kept = epochs[epochs["seed"] != 1].groupby("epoch")["train_loss"].mean()
    (mean,) = [line for line in ax.lines if line.get_label() == "norm=none"]
    assert ys(mean) == pytest.approx(list(kept))
    figure = curves_figure(epochs, "train_loss", IDENTICAL, "", runs)
    assert legend_of(figure) == ["norm=none (n = 2, 1 diverged)"]
    assert "× diverged" in texts(figure)


def test_a_loss_over_a_decade_is_logarithmic() -> None:
    _, epochs = made_sweep({"norm": ["none"]}, 2, 30)
    assert mean_curves(epochs, panel(), "train_loss").get_yscale() == "log"
    assert mean_curves(epochs[epochs["epoch"] < 3], panel(), "train_loss").get_yscale() == "linear"


def test_many_epochs_have_a_closer_look_at_the_end() -> None:
    _, epochs = made_sweep({"norm": ["none", "batch"]}, 2, 30)
    figure = curves_figure(epochs, "test_accuracy", STAND_IN, "details")
    whole, closer = figure.axes
    assert [whole.get_title(), closer.get_title()] == ["", "The last third, closer"]
    assert closer.get_xlim()[0] > 18
    assert f"Data: {STAND_IN} · details · 2 seeds, 2 arms, 95 % t-interval" in texts(figure)


# strips and pairs


def test_strips_draw_every_seed_and_the_mean_with_its_interval() -> None:
    runs = outcomes_table({"norm=none": [0.9, 0.92, 0.94], "norm=batch": [0.97, np.nan, 0.98]})
    ax = seed_strips(runs, panel())
    assert rows_of(ax) == ["norm=none (n = 3)", "norm=batch (n = 2, 1 diverged)"]
    dots = [line for line in ax.lines if len(xs(line)) > 1 and line.get_marker() != "None"]
    assert [xs(line) for line in dots] == [[90, 92, 94], [97, 98]]
    assert [line.get_color() for line in dots] == [look.colour for look in looks(["none", "batch"])
                                                   .values()]  # fmt: skip
    assert "92.00  [87.03, 96.97]" in texts(ax)  # 4.302653 standard errors of 2 / sqrt(3)
    assert ax.yaxis_inverted()


def test_runs_without_a_result_are_counted() -> None:
    runs = outcomes_table({"a": [0.9, 0.8, np.nan, np.nan], "b": [np.nan]}, "epochs_to_90")
    runs["status"] = ["finished", "failed", "missing", "finished", "diverged"]
    runs.loc[1, "epochs_to_90"] = np.nan
    ax = seed_strips(runs, panel(), "epochs_to_90")
    assert rows_of(ax) == [
        "a (n = 1, 1 failed, 1 missing, 1 without a value)", "b (n = 0, 1 diverged)",
    ]  # fmt: skip
    assert "no run counts" in texts(ax)


def test_losses_of_several_decades_stand_on_a_logarithmic_axis() -> None:
    runs = outcomes_table({"a": [1.0, 1.1], "b": [0.01, 0.012]}, "final_train_loss")
    ax = seed_strips(runs, panel(), "final_train_loss")
    assert ax.get_xscale() == "log"
    assert ax.get_xlim()[0] < 0.01


def test_pairs_are_the_differences_seed_by_seed() -> None:
    runs = outcomes_table({"none": [0.90, 0.92, np.nan, 0.95], "bn": [0.96, 0.95, 0.99, np.nan]})
    ax = paired_strips(runs, "none", panel())
    assert rows_of(ax) == ["bn (n = 2 pairs, 2 diverged)"]
    (dots,) = [line for line in ax.lines if line.get_marker() == looks(["bn"])["bn"].marker]
    assert xs(dots) == pytest.approx([6, 3])
    assert xs(ax.lines[0]) == [0, 0]
    assert "+4.50" in texts(ax)
    assert "difference from none (points)" in ax.get_xlabel().replace("\n", " ")
    low, high = ax.get_xlim()
    assert low < 0 < high


def test_an_unknown_baseline_is_named_with_the_arms() -> None:
    with pytest.raises(HindiBnError, match="no arm 'bm'") as caught:
        paired_figure(outcomes_table({"none": [0.9], "bn": [0.9]}), "bm")
    assert "none, bn" in caught.value.why


def test_an_arm_has_the_same_colour_in_strips_and_pairs() -> None:
    runs = outcomes_table({"a": [0.9, 0.91], "b": [0.92, 0.93], "c": [0.94, 0.95]})
    whole = {line.get_color() for line in seed_strips(runs, panel()).lines}
    pairs = {line.get_color() for line in paired_strips(runs, "a", panel()).lines}
    given = arm_looks("abc")
    assert {given[arm].colour for arm in "abc"} <= whole
    assert {given["b"].colour, given["c"].colour} <= pairs
    assert given["a"].colour not in pairs


# maps


def test_a_map_has_means_n_and_marks_of_diverged_runs() -> None:
    gone = [("lr=1.0, norm=none", 0), ("lr=1.0, norm=none", 1), ("lr=0.1, norm=batch", 0)]
    runs, _ = made_sweep({"lr": [1.0, 0.1], "norm": ["none", "batch"]}, 2, 3, gone)
    runs = runs[runs["arm"] != "lr=1.0, norm=batch"]
    ax = mean_map(runs, panel(), "lr", "norm")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["none", "batch"]
    cells = [text.get_text() for text in ax.texts if text.get_text()]
    mean = 100 * runs[runs["arm"] == "lr=0.1, norm=none"]["final_test_accuracy"].mean()
    assert f"{number(mean)}\nn = 2" in cells
    assert "2 diverged" in cells
    assert any(cell.endswith("n = 1\n1 diverged") for cell in cells)
    assert len(cells) == 3  # the pair without runs stays empty
    rectangles = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sum(not patch.get_fill() for patch in rectangles) == 2
    assert sum(bool(patch.get_hatch()) for patch in rectangles) == 1


def test_panels_of_a_map_share_their_keys_and_colours() -> None:
    grid: Grid = {"dropout": [0.0, 0.5], "norm": ["none", "batch"], "train_images": [1700, 17000]}
    runs, _ = made_sweep(grid, 2, 3)
    runs = runs[~((runs["train_images"] == 1700) & (runs["dropout"] == 0.5))]
    figure = heat_figure(runs, "dropout", "norm", facet="train_images", data_title=IDENTICAL)
    left, right, bar = figure.axes
    assert [left.get_title(), right.get_title()] == ["train_images = 1700", "train_images = 17000"]
    assert left.collections[0].get_clim() == right.collections[0].get_clim()
    assert left.get_xlim() == right.get_xlim()
    assert bar.get_ylabel() == "Final test accuracy (%)"
    assert inside(figure)


def test_a_map_of_nothing_but_diverged_runs_can_be_drawn() -> None:
    runs = outcomes_table({"a": [np.nan], "b": [np.nan]}).assign(x=[1, 2], y=None)
    figure = heat_figure(runs, "x", "y")
    assert texts(figure).count("1 diverged") == 2
    assert "none" in texts(figure)
    assert inside(figure)


# a sweep's figures


def test_a_sweep_of_one_key_has_curves_strips_and_pairs() -> None:
    runs, epochs = made_sweep({"norm": ["none", "batch"]}, 3, 4)
    figures = sweep_figures(runs, epochs, ["norm"], STAND_IN, "sweep two")
    assert list(figures) == [
        "curves-test-accuracy", "curves-train-loss", "final-accuracy", "paired",
    ]  # fmt: skip
    for figure in figures.values():
        assert f"Data: {STAND_IN} · sweep two · 3 seeds" in texts(figure)
        assert inside(figure)


def test_keys_that_vary_decide_on_the_map() -> None:
    def drawn(grid: dict[str, list[float]]) -> bool:
        runs, epochs = made_sweep(grid, 1, 1)
        return "heat-map" in sweep_figures(runs, epochs.iloc[:0], list(grid), STAND_IN)

    assert drawn({"lr": [1, 2], "dropout": [0, 0.5]})
    assert drawn({"lr": [1, 2], "dropout": [0, 0.5], "momentum": [0.1, 0.9]})
    assert drawn({"lr": [1, 2], "dropout": [0, 0.5], "momentum": [0.9]})
    assert not drawn({"lr": [1, 2], "momentum": [0.9]})
    assert not drawn({"a": [1, 2], "b": [1, 2], "c": [1, 2], "d": [1, 2]})


def test_one_seed_of_one_arm_has_no_pairs_and_no_interval() -> None:
    runs, epochs = made_sweep({"norm": ["batch"]}, 1, 1)
    figures = sweep_figures(runs, epochs, ["norm"], IDENTICAL)
    assert list(figures) == ["curves-test-accuracy", "curves-train-loss", "final-accuracy"]
    for figure in figures.values():
        assert "1 seed, 1 arm, no interval from a single seed" in texts(figure)
        assert inside(figure)


def test_what_has_no_result_is_not_drawn() -> None:
    runs, epochs = made_sweep({"norm": ["batch"]}, 1, 1)
    unfinished = runs.drop(columns=["final_test_accuracy", "final_train_loss"])
    unfinished = unfinished.assign(status="failed")
    assert sweep_figures(unfinished, epochs.iloc[:0], ["norm"], IDENTICAL) == {}


def test_many_arms_with_long_names_stay_inside() -> None:
    grid: Grid = {"lr": [1e-4, 1e-3, 1e-2, 0.1, 1.0, 3.0], "norm": ["none", "batch", "layer", LONG]}
    runs, epochs = made_sweep(grid, 2, 3, [("lr=3.0, norm=none", 0), ("lr=3.0, norm=none", 1)])
    curves = curves_figure(epochs, "train_loss", IDENTICAL, "", runs)
    assert len(legend_of(curves)) == 24
    assert inside(curves)
    assert inside(strip_figure(runs, data_title=IDENTICAL))
    assert inside(heat_figure(runs, "lr", "norm", data_title=IDENTICAL))


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    digests = []
    for turn in "12":
        runs, epochs = made_sweep({"norm": ["none", "batch"]}, 2, 3)
        figure = sweep_figures(runs, epochs.iloc[:0], ["norm"], IDENTICAL)["paired"]
        (path,) = save(figure, tmp_path / turn, ("svg",))
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_a_strip_figure_names_outcome_and_data() -> None:
    runs = outcomes_table({"a": [0.01, 0.02]}, "oscillation")
    figure = strip_figure(runs, "oscillation", STAND_IN)
    assert "Oscillation of the test accuracy by arm" in texts(figure)
    assert f"Data: {STAND_IN}" in texts(figure)
