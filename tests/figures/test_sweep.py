"""Figures of sweeps: what is drawn for each arm and seed, and what is said about n."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn_figures import inside, metrics_table, panel, rows_of, texts, xs, ys
from made_histories import IDENTICAL, STAND_IN
from made_sweeps import made_sweep
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import stats

from hindi_bn.figures.over_seeds import number
from hindi_bn.figures.style import Caption, Part, compose, looks, save
from hindi_bn.figures.sweeps import (
    curves_part,
    heat_figure,
    mean_curves,
    mean_map,
    paired_strips,
    seed_strips,
    strip_part,
)
from hindi_bn.stats.metrics import metric_named
from hindi_bn.stats.tables import (
    epoch_values,
    paired_table,
    paired_values,
    summary_by,
    summary_table,
    values_of,
)
from hindi_bn.study.words import arms_in_words
from hindi_bn.sweeps.drawing import sweep_figures
from hindi_bn.sweeps.run import SweepResult

ARMS = ["norm=none", "norm=batch"]
ACCURACY = "final_test_accuracy"
Grid = dict[str, list[Any]]
LONG = "group normalisation with a very long name, and with many more words"


def strips(runs: pd.DataFrame, name: str = ACCURACY) -> tuple[Any, ...]:
    metric = metric_named(name)
    values = values_of(runs, name, metric)
    return values, summary_by(values, ["arm"]), metric


def pairs(runs: pd.DataFrame, baseline: str, name: str = ACCURACY) -> tuple[Any, ...]:
    metric = metric_named(name)
    values = paired_values(values_of(runs, name, metric), baseline)
    return values, paired_table(runs, baseline, [name]), baseline, metric


def curves(epochs: pd.DataFrame, name: str, runs: pd.DataFrame | None = None) -> tuple[Any, ...]:
    metric = metric_named(name)
    values = epoch_values(epochs, name, metric, runs)
    return values, summary_by(values, ["arm", "epoch"]), metric


def cells(runs: pd.DataFrame, *keys: str) -> pd.DataFrame:
    return summary_by(values_of(runs, ACCURACY, metric_named(ACCURACY)), keys)


def drawn(
    runs: pd.DataFrame, epochs: pd.DataFrame, varied: list[str], caption: Caption | None = None
) -> dict[str, Figure]:
    baseline = str(runs["arm"].iloc[0])
    result = SweepResult(runs, epochs, varied, (), (), ())
    statistics = summary_table(runs), paired_table(runs, baseline)
    return sweep_figures(result, *statistics, caption or Caption(IDENTICAL))


# what all share


def test_arms_look_like_the_normalisation_that_they_name() -> None:
    assert looks(ARMS)["norm=batch"] == looks(["batch"])["batch"]
    assert len(set(looks(["a=1", "b=1"]).values())) == 2
    rates = looks(["norm=batch, lr=0.1", "norm=none, lr=0.1", "norm=batch, lr=1"])
    reds = [int(look.colour[1:3], 16) for look in rates.values()]
    assert reds[0] < reds[2] < reds[1]  # both blues have less red than the orange
    assert rates["norm=none, lr=0.1"] == looks(["no-bn"])["no-bn"]


def test_numbers_keep_their_zeros() -> None:
    assert [number(98.0), number(12345.0), number(-0.5, 3, "+")] == ["98.00", "12345", "−0.500"]


# curves


def test_curves_show_every_seed_their_mean_and_its_interval() -> None:
    epochs = pd.DataFrame(
        {"arm": "bn", "seed": [0, 0, 1, 1, 2, 2, 3, 3], "epoch": [0, 1] * 4,
         "test_accuracy": [0.8, 0.9, 0.6, 0.9] * 2}
    )  # fmt: skip
    ax = mean_curves(*curves(epochs, "test_accuracy"), panel())
    first, second, _, _, mean = ax.lines
    assert ys(first) == [80, 90]
    assert ys(second) == [60, 90]
    assert ys(mean) == pytest.approx([70, 90])
    assert mean.get_label() == "bn"
    band = ax.collections[0].get_paths()[0].vertices
    half = stats.t.ppf(0.975, 3) * 10 / 3**0.5  # of 80 and 60, each twice
    at_start = sorted(set(np.asarray(band)[np.asarray(band)[:, 0] == 0][:, 1].round(6)))
    assert at_start == pytest.approx([70 - half, 70 + half])
    assert (ax.get_ylabel(), ax.get_yscale()) == ("Test accuracy (%)", "linear")


def test_an_interval_of_accuracies_is_cut_to_what_is_possible_and_the_figure_says_so() -> None:
    runs = metrics_table({"a": [0.99, 0.99, 0.99, 0.5]})
    metric = metric_named(ACCURACY)
    values = values_of(runs, ACCURACY, metric)
    means = summary_by(values, ["arm"], metric.possible)
    whole = stats.ttest_1samp([0.99, 0.99, 0.99, 0.5], 0).confidence_interval()
    assert whole.high > 1
    assert (means["high"][0], means["method"][0]) == (1.0, "t, cut")
    assert means["low"][0] == pytest.approx(whole.low)
    assert "intervals end at what is possible" in strip_part(values, means, metric).details


def test_two_and_three_seeds_are_points_without_an_interval() -> None:
    ax = seed_strips(*strips(metrics_table({"a": [0.9, 0.92, 0.94]})), panel())
    assert "92.00" in texts(ax)
    assert "[" not in texts(ax)
    _, epochs = made_sweep({"norm": ["none"]}, 3, 6)
    band = mean_curves(*curves(epochs, "test_accuracy"), panel()).collections[0]
    assert not np.isfinite(band.get_datalim(band.axes.transData).height)


def test_arms_and_keys_are_read_in_words() -> None:
    arms = ["norm=none, lr=0.1", "norm=batch, batch_size=2", "norm=layer, placement=after"]
    assert list(arms_in_words(arms).values()) == [
        "without BN, learning rate 0.1", "with BN, batch size 2", "layer norm, after the ReLU",
    ]  # fmt: skip
    assert list(arms_in_words(["bn", "batch"]).values()) == ["bn", "batch"]  # they would be alike


def figure_of(part: Part) -> Figure:
    return compose("", Caption(STAND_IN, "details"), part)


def ends_of(figure: Figure) -> list[str]:
    """The labels at the ends of the lines, from the lowest up."""
    labels = sorted(figure.axes[-1].texts, key=lambda text: text.get_position()[1])
    return [label.get_text().replace("\n", " ") for label in labels]


def test_losses_of_a_diverged_run_end_with_a_cross_and_are_no_part_of_the_mean() -> None:
    runs, epochs = made_sweep({"norm": ["none"]}, 3, 6, [("norm=none", 1)])
    ax = mean_curves(*curves(epochs, "train_loss", runs), panel())
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [xs(line) for line in crosses] == [[1]]
    kept = epochs[epochs["seed"] != 1].groupby("epoch")["train_loss"].mean()
    (mean,) = [line for line in ax.lines if line.get_label() == "norm=none"]
    assert ys(mean) == pytest.approx(list(kept))
    figure = figure_of(curves_part(*curves(epochs, "train_loss", runs)))
    assert ends_of(figure) == ["without BN (n = 2, 1 diverged)"]
    assert "× diverged, without a value" in texts(figure)


def test_the_accuracy_of_a_diverged_run_goes_on_at_chance() -> None:
    runs, epochs = made_sweep({"norm": ["none"]}, 3, 6, [("norm=none", 1)])
    ax = mean_curves(*curves(epochs, "test_accuracy", runs), panel())
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [(xs(line), ys(line)) for line in crosses] == [([2], [10])]
    kept = epochs[epochs["seed"] != 1].groupby("epoch")["test_accuracy"].mean()
    (mean,) = [line for line in ax.lines if line.get_label() == "norm=none"]
    assert ys(mean)[2:] == pytest.approx([100 * (2 * m + 0.1) / 3 for m in kept[2:]])
    figure = figure_of(curves_part(*curves(epochs, "test_accuracy", runs)))
    assert ends_of(figure) == ["without BN (n = 3, 1 of them diverged)"]
    assert "× diverged, counted as 10 %" in texts(figure)


def test_a_loss_over_a_decade_is_logarithmic() -> None:
    _, epochs = made_sweep({"norm": ["none"]}, 2, 30)
    assert mean_curves(*curves(epochs, "train_loss"), panel()).get_yscale() == "log"
    early = curves(epochs[epochs["epoch"] < 3], "train_loss")
    assert mean_curves(*early, panel()).get_yscale() == "linear"


def test_many_epochs_have_a_closer_look_at_the_end() -> None:
    _, epochs = made_sweep({"norm": ["none", "batch"]}, 4, 30)
    figure = figure_of(curves_part(*curves(epochs, "test_accuracy")))
    whole, closer = figure.axes
    assert [whole.get_title(), closer.get_title()] == ["", "The last third, closer"]
    assert closer.get_xlim()[0] > 18
    assert f"Data: {STAND_IN} · details · 4 seeds, 2 arms, 95 % t-interval" in texts(figure)


# strips and pairs


def test_strips_draw_every_seed_and_the_mean_with_its_interval() -> None:
    runs = metrics_table({"norm=none": [0.9, 0.92, 0.94, 0.92], "norm=batch": [0.97, np.nan, 0.98]})
    ax = seed_strips(*strips(runs), panel())
    assert rows_of(ax) == ["without BN (n = 4)", "with BN (n = 3, 1 of them diverged)"]
    dots = [line for line in ax.lines if len(xs(line)) > 1 and line.get_marker() != "None"]
    assert [xs(line) for line in dots] == [[90, 92, 94, 92], [97, 98]]
    assert [xs(line) for line in ax.lines if line.get_marker() == "x"] == [[10]]
    assert [line.get_color() for line in dots] == [look.colour for look in looks(["none", "batch"])
                                                   .values()]  # fmt: skip
    assert "92.00  [89.40, 94.60]" in texts(ax)  # 3.182446 standard errors of sqrt(8 / 3) / 2
    assert ax.yaxis_inverted()


def test_runs_without_a_result_are_counted() -> None:
    runs = metrics_table({"a": [0.9, 0.8, np.nan, np.nan], "b": [np.nan]}, "epochs_to_90")
    runs["status"] = ["finished", "failed", "missing", "finished", "diverged"]
    runs.loc[1, "epochs_to_90"] = np.nan
    ax = seed_strips(*strips(runs, "epochs_to_90"), panel())
    assert rows_of(ax) == [
        "a (n = 1, 3 without a value)", "b (n = 0, 1 diverged)",
    ]  # fmt: skip
    assert "no value" in texts(ax)


def test_losses_of_several_decades_stand_on_a_logarithmic_axis() -> None:
    runs = metrics_table({"a": [1.0, 1.1], "b": [0.01, 0.012]}, "final_train_loss")
    ax = seed_strips(*strips(runs, "final_train_loss"), panel())
    assert ax.get_xscale() == "log"
    assert ax.get_xlim()[0] < 0.01


def test_pairs_are_the_differences_seed_by_seed() -> None:
    runs = metrics_table({"none": [0.90, 0.92, 0.90, 0.95], "bn": [0.96, 0.95, np.nan]})
    ax = paired_strips(*pairs(runs, "none"), panel())
    assert rows_of(ax) == ["with BN (n = 3 pairs, 1 of them diverged)"]
    (dots,) = [line for line in ax.lines if line.get_marker() == looks(["bn"])["bn"].marker]
    assert xs(dots) == pytest.approx([6, 3])
    assert [xs(line) for line in ax.lines if line.get_marker() == "x"] == [[-80]]
    assert xs(ax.lines[0]) == [0, 0]
    assert "−23.7" in texts(ax)
    assert "difference from without BN (points)" in ax.get_xlabel().replace("\n", " ")
    low, high = ax.get_xlim()
    assert low < 0 < high


def test_an_arm_has_the_same_colour_in_strips_and_pairs() -> None:
    runs = metrics_table({"a": [0.9, 0.91], "b": [0.92, 0.93], "c": [0.94, 0.95]})
    whole = {line.get_color() for line in seed_strips(*strips(runs), panel()).lines}
    paired = {line.get_color() for line in paired_strips(*pairs(runs, "a"), panel()).lines}
    given = looks("abc")
    assert {given[arm].colour for arm in "abc"} <= whole
    assert {given["b"].colour, given["c"].colour} <= paired
    assert given["a"].colour not in paired


# maps


def test_a_map_has_means_n_and_marks_of_diverged_runs() -> None:
    gone = [("lr=1.0, norm=none", 0), ("lr=1.0, norm=none", 1), ("lr=0.1, norm=batch", 0)]
    runs, _ = made_sweep({"lr": [1.0, 0.1], "norm": ["none", "batch"]}, 2, 3, gone)
    runs = runs[runs["arm"] != "lr=1.0, norm=batch"]
    ax = mean_map(cells(runs, "lr", "norm"), "lr", "norm", metric_named(ACCURACY), panel())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["without BN", "with BN"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "normalisation")
    written = [text.get_text() for text in ax.texts if text.get_text()]
    mean = 100 * runs[runs["arm"] == "lr=0.1, norm=none"][ACCURACY].mean()
    assert f"{number(mean)}\nn = 2" in written
    assert "10.00\nn = 2\n2 diverged" in written
    assert any(cell.endswith("n = 2\n1 diverged") for cell in written)
    assert len(written) == 3  # the pair without runs stays empty
    rectangles = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sum(not patch.get_fill() for patch in rectangles) == 2


def test_panels_of_a_map_share_their_keys_and_colours() -> None:
    grid: Grid = {"dropout": [0.0, 0.5], "norm": ["none", "batch"], "train_images": [1700, 17000]}
    runs, _ = made_sweep(grid, 2, 3)
    runs = runs[~((runs["train_images"] == 1700) & (runs["dropout"] == 0.5))]
    means = cells(runs, "dropout", "norm", "train_images")
    figure = heat_figure(
        means, "dropout", "norm", "train_images", metric_named(ACCURACY), Caption(IDENTICAL)
    )
    left, right, bar = figure.axes
    assert [left.get_title(), right.get_title()] == [
        "training images 1700",
        "training images 17000",
    ]
    assert left.collections[0].get_clim() == right.collections[0].get_clim()
    assert left.get_xlim() == right.get_xlim()
    assert bar.get_ylabel() == "Final test accuracy (%)"
    assert inside(figure)


def test_a_map_of_runs_without_a_value_can_be_drawn() -> None:
    runs = metrics_table({"a": [np.nan], "b": [np.nan]}, "loss_area").assign(x=[1, 2], y=None)
    metric = metric_named("loss_area")
    means = summary_by(values_of(runs, "loss_area", metric), ["x", "y"])
    figure = heat_figure(means, "x", "y", None, metric, Caption(IDENTICAL))
    assert texts(figure).count("1 diverged") == 2
    assert sum(bool(patch.get_hatch()) for patch in figure.axes[0].patches) == 2
    assert "none" in texts(figure)
    assert inside(figure)


# a sweep's figures


def test_a_sweep_of_one_key_has_curves_strips_and_pairs() -> None:
    runs, epochs = made_sweep({"norm": ["none", "batch"]}, 3, 4)
    figures = drawn(runs, epochs, ["norm"], Caption(STAND_IN, "sweep two"))
    assert list(figures) == [
        "curves-test-accuracy", "curves-train-loss", "final-accuracy", "paired",
    ]  # fmt: skip
    for figure in figures.values():
        assert f"Data: {STAND_IN} · sweep two · 3 seeds" in texts(figure)
        assert inside(figure)


def test_keys_that_vary_decide_on_the_map() -> None:
    def mapped(grid: dict[str, list[float]]) -> bool:
        runs, epochs = made_sweep(grid, 1, 1)
        return "heat-map" in drawn(runs, epochs.iloc[:0], list(grid))

    assert mapped({"lr": [1, 2], "dropout": [0, 0.5]})
    assert mapped({"lr": [1, 2], "dropout": [0, 0.5], "momentum": [0.1, 0.9]})
    assert mapped({"lr": [1, 2], "dropout": [0, 0.5], "momentum": [0.9]})
    assert not mapped({"lr": [1, 2], "momentum": [0.9]})
    assert not mapped({"a": [1, 2], "b": [1, 2], "c": [1, 2], "d": [1, 2]})


def test_keys_that_vary_together_are_one_axis_of_the_map() -> None:
    runs, epochs = made_sweep({"norm": ["none", "batch"], "batch_size": [2, 8, 32]}, 2, 1)
    tied = runs.assign(lr=runs["batch_size"] / 1000)
    plain, both = (
        drawn(table, epochs.iloc[:0], keys)["heat-map"]
        for table, keys in (
            (runs, ["norm", "batch_size"]), (tied, ["norm", "batch_size", "lr"]),
        )
    )  # fmt: skip
    assert texts(both) == texts(plain)


def test_one_seed_of_one_arm_has_no_pairs_and_no_interval() -> None:
    runs, epochs = made_sweep({"norm": ["batch"]}, 1, 1)
    figures = drawn(runs, epochs, ["norm"])
    assert list(figures) == ["curves-test-accuracy", "curves-train-loss", "final-accuracy"]
    for figure in figures.values():
        assert "1 seed, 1 arm, no interval below n = 4" in texts(figure)
        assert inside(figure)


def test_what_has_no_result_is_not_drawn() -> None:
    runs, epochs = made_sweep({"norm": ["batch"]}, 1, 1)
    unfinished = runs.drop(columns=["final_test_accuracy", "final_train_loss"])
    unfinished = unfinished.assign(status="failed")
    assert drawn(unfinished, epochs.iloc[:0], ["norm"]) == {}


@pytest.mark.slow
def test_many_arms_with_long_names_stay_inside() -> None:
    grid: Grid = {"lr": [1e-4, 1e-3, 1e-2, 0.1, 1.0, 3.0], "norm": ["none", "batch", "layer", LONG]}
    runs, epochs = made_sweep(grid, 2, 3, [("lr=3.0, norm=none", 0), ("lr=3.0, norm=none", 1)])
    figure = figure_of(curves_part(*curves(epochs, "train_loss", runs)))
    assert len(ends_of(figure)) == 24
    assert inside(figure)
    assert inside(figure_of(strip_part(*strips(runs))))
    assert inside(drawn(runs, epochs.iloc[:0], ["lr", "norm"])["heat-map"])


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    digests = []
    for turn in "12":
        runs, epochs = made_sweep({"norm": ["none", "batch"]}, 2, 3)
        figure = drawn(runs, epochs.iloc[:0], ["norm"])["paired"]
        (path,) = save(figure, tmp_path / turn, ("svg",))
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_a_strip_figure_names_metric_and_data() -> None:
    runs = metrics_table({"a": [0.01, 0.02]}, "oscillation")
    figure = figure_of(strip_part(*strips(runs, "oscillation")))
    assert figure.axes[0].get_xlabel() == "Oscillation of the test accuracy (points)"
    assert f"Data: {STAND_IN}" in texts(figure)


# tables and figures


def numbers_drawn(ax: Axes) -> list[list[float]]:
    """Mean, low and high of every row of strips, from the artists."""
    means = [line for line in ax.lines if line.get_marker() == "d"]
    ends = [line for line in ax.lines if line.get_color() == "black" and len(xs(line)) == 2]
    return [[*xs(mean), *xs(end)] for mean, end in zip(means, ends, strict=True)]


@pytest.mark.parametrize("gone", [[], [("norm=none", 2)]], ids=["finished", "one diverged"])
def test_figures_show_the_numbers_of_the_tables(gone: list[tuple[str, int]]) -> None:
    """A run that diverged is no less a run in a figure than in a table."""
    runs, epochs = made_sweep({"norm": ["none", "batch", "layer"]}, 4, 6, gone)
    summary, paired = summary_table(runs), paired_table(runs, "norm=none")
    result = SweepResult(runs, epochs, ["norm"], (), (), ())
    figures = sweep_figures(result, summary, paired, Caption(STAND_IN))
    for name, table, mean in (
        ("final-accuracy", summary, "mean"), ("paired", paired, "mean_difference"),
    ):  # fmt: skip
        rows = table[table["metric"] == ACCURACY]
        expected = 100 * rows[[mean, "low", "high"]].to_numpy()
        assert np.array(numbers_drawn(figures[name].axes[0])) == pytest.approx(expected)
        labels = rows_of(figures[name].axes[0])
        for label, row in zip(labels, rows.to_dict("records"), strict=True):
            assert f"(n = {row['n']}" in label
            assert ("1 of them diverged" in label) == bool(row["n_diverged"])
    ends = {str(line.get_label()): ys(line)[-1] for line in figures["curves-test-accuracy"].axes[0]
            .lines}  # fmt: skip
    for row in summary[summary["metric"] == ACCURACY].to_dict("records"):
        assert ends[row["arm"]] == pytest.approx(100 * row["mean"])
