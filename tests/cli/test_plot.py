"""`hindi-bn plot`: every kind of figure, what it shows, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from tiny import tiny_digits, tiny_study
from torch import nn
from typer.testing import CliRunner, Result

import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.errors import StudyError
from hindi_bn.figures import recordings as drawn
from hindi_bn.figures.maps import filters_figure, logit_bars, maps_figure, tiles
from hindi_bn.figures.percentiles import channel_figure, ridges
from hindi_bn.figures.style import Caption
from hindi_bn.networks import build, layer_table
from hindi_bn.plots import Choice, write_plot
from hindi_bn.plots.maps import feature_maps, pick
from hindi_bn.records import RunFolder
from hindi_bn.records.recordings import read_recordings
from hindi_bn.stats.recordings import channel_medians, channel_percentiles, weight_changes
from hindi_bn.training.run import Reporter, RunInterrupted, load_network, train_run

TINY = Caption("tiny")

CAPTURES: list[Any] = [
    {"kind": "gradients", "every": 1},
    {"kind": "statistics", "every": 1},
    {"kind": "activations", "per_class": 1},
    {"kind": "activations", "per_class": 2, "mode": "train", "name": "in-train"},
    {"kind": "weight", "name": "wx", "layer": "last-conv", "index": [3, 4, 1, 0]},
    {"kind": "weight", "name": "corner", "layer": "0", "index": [0, 0, 0, 0]},
    {"kind": "percentiles", "per_class": 1},
]


@pytest.fixture(autouse=True)
def _tiny_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the runs no-bn, bn and mlp, with captures, and plain, without."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs")
    study = tiny_study(recordings=CAPTURES, stream="paired")
    for name in ("no-bn", "bn"):
        train_run(study, name, tiny_digits(), out)
    one = {"epochs": 1, "stream": "paired"}
    for name, captures in (("mlp", [{"kind": "gradients", "every": 99}]), ("plain", [])):
        changes = {"runs__bn__name": name, "network": "mlp", "recordings": captures}
        train_run(tiny_study(**one, **changes), name, tiny_digits(), out)
    return out / "article"


def plot(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["plot", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("curves", ["curves"]),
        ("gradients", ["gradients"]),
        ("activations", ["activations", "activations-in-train"]),
        ("weights", ["weights"]),
        ("filters", ["filters-no-bn", "filters-bn"]),
        pytest.param("maps", ["maps-no-bn", "maps-bn"], marks=pytest.mark.slow),
        pytest.param(
            "percentiles",
            ["percentiles", *(f"percentiles-channels-{n}" for n in ("no-bn", "bn"))],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_kind_is_drawn_for_two_runs(runs: Path, kind: str, names: list[str]) -> None:
    result = plot(kind, runs / "no-bn", runs / "bn", "--to", "here", "--dpi", "40")
    assert result.stdout.split() == [f"here/{name}.png" for name in names]
    for name in names:
        assert Path("here", f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_statistics_are_a_figure_a_run_beside_it_in_every_format(runs: Path) -> None:
    result = plot("statistics", runs / "bn", "--format", "svg", "--format", "pdf")
    folder = runs / "bn" / "figures"
    assert result.stdout.split() == [str(folder / f"statistics-bn.{s}") for s in ("svg", "pdf")]
    first = (folder / "statistics-bn.svg").read_bytes()
    plot("statistics", runs / "bn", "--format", "svg")
    assert (folder / "statistics-bn.svg").read_bytes() == first  # equal input, equal bytes


def test_figures_of_several_runs_stand_beside_the_first(runs: Path) -> None:
    plot("curves", runs / "no-bn", runs / "bn", "--dpi", "40")
    assert (runs / "figures" / "curves.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["statistics", "no-bn"], "no layer with gamma, beta or running averages"),
        (["statistics", "plain"], "recordings: [{kind: statistics, every: 50}]"),
        (["weights", "plain"], "records is: nothing more"),
        (["weights", "mlp"], "What its study records is: gradients"),
        (["gradients", "mlp"], "recordings.gradients.every"),
        (["filters", "mlp"], "has no convolution"),
        (["maps", "bn", "--digit", "3", "--index", "4"], "no test image 4 of digit 3"),
        (["curves", "nowhere"], "not a run's folder"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_to_do(
    runs: Path, arguments: list[str], said: str
) -> None:
    kind, name, *rest = arguments
    result = plot(kind, runs / name, *rest, "--to", "here", code=1)
    assert said in result.stderr
    assert "Next: " in result.stderr
    assert not Path("here").exists()


@pytest.mark.parametrize("arguments", [["sketch", "x"], ["maps", "x", "--digit", "10"], ["maps"]])
def test_usage_errors_have_exit_code_2(arguments: list[str]) -> None:
    result = plot(*arguments, code=2)
    assert result.stderr.startswith("Usage: ")
    assert result.stdout == ""


def test_maps_of_a_run_on_other_data_are_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits(seed=1))
    assert "trained on other data" in plot("maps", runs / "bn", code=1).stderr


def test_an_unfinished_run_shows_what_it_recorded_but_no_filters(tmp_path: Path) -> None:
    def stop(row: Any) -> None:
        raise KeyboardInterrupt

    study = tiny_study(recordings=CAPTURES)
    with pytest.raises(RunInterrupted):
        train_run(study, "bn", tiny_digits(), tmp_path, reporter=Reporter(epoch=stop))
    folder = tmp_path / "article" / "bn"
    plot("gradients", folder, "--to", "here", "--dpi", "40")
    assert "The run is unfinished" in plot("filters", folder, code=1).stderr


def lines(ax: Any) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in ax.get_lines()
    }


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_a_line_a_layer_with_the_colour_of_its_block() -> None:
    layers = layer_table(build("three_convs", "batch"))[1:]
    rows = frame(layer=["0", "1", "3", "0"], step=[0, 0, 0, 5], value=[1.0, 2.0, 3.0, 4.0])
    ax = drawn.layer_lines(rows, layers, Figure().add_subplot())
    found = lines(ax)
    assert list(found) == [
        "0 · Conv2d 1 → 16, 3 × 3, padding 1", "1 · BatchNorm2d 16",
        "3 · Conv2d 16 → 16, 3 × 3, padding 1",
    ]  # fmt: skip
    assert found["0 · Conv2d 1 → 16, 3 × 3, padding 1"] == ([0, 5], [1.0, 4.0])
    first, norm, second = ax.get_lines()
    assert first.get_color() == norm.get_color() != second.get_color()
    assert first.get_linestyle() != norm.get_linestyle()


def test_a_line_a_channel_and_their_median_in_black() -> None:
    rows = frame(index=["0", "1", "2"] * 2, step=[0] * 3 + [9] * 3, value=[1.0, 2, 6, 4, 9, 5])
    medians = channel_medians(rows.assign(layer="1", quantity="gamma"))
    drawn_lines = drawn.channel_lines(rows, medians, Figure().add_subplot()).get_lines()
    values = [list(line.get_ydata()) for line in drawn_lines]
    assert values == [[1, 4], [2, 9], [6, 5], [2, 5]]
    assert drawn_lines[-1].get_color() == "black"


def test_weights_are_drawn_as_change_since_the_first_record() -> None:
    def rows(name: str, values: list[float]) -> pd.DataFrame:
        return frame(name=name, layer="4", index="3 4 1 0", step=[0, 10], value=values)

    captures = {
        "a": weight_changes(pd.concat([rows("wx", [1.0, 1.5]), rows("wy", [2.0, 0.0])])),
        "b": weight_changes(rows("wx", [-1.0, 0.0])),
    }
    wx, wy = drawn.weights_figure(captures, TINY).get_axes()
    assert lines(wx) == {
        "a, from 1.000000": ([0, 10], [0, 0.5]),
        "b, from -1.000000": ([0, 10], [0, 1]),
    }
    assert list(lines(wy)) == ["a, from 2.000000"]
    assert "layer 4 [3 4 1 0]" in wx.get_title(loc="left")


def test_training_curves_show_both_splits_of_every_run() -> None:
    history = frame(
        epoch=[0, 1], train_loss=[2.0, 1.0], train_accuracy=[0.5, 0.75],
        test_loss=[1.5, 1.25], test_accuracy=[0.6, 0.7],
    )  # fmt: skip
    caption = Caption("tiny", "n = 1 run each")
    figure = drawn.curves_figure({"bn": history, "no-bn": history}, caption)
    loss, accuracy = figure.get_axes()
    assert lines(loss)["with BN, training"] == ([0, 1], [2.0, 1.0])
    assert lines(loss)["without BN, test"] == ([0, 1], [1.5, 1.25])
    assert lines(accuracy)["with BN, test"] == ([0, 1], [60.0, 70.0])
    assert "tiny · n = 1 run each" in figure.texts[-1].get_text()
    with mpl.rc_context():
        assert loss.get_yscale() == "log"
        assert accuracy.get_yscale() == "linear"


def percentile_rows() -> pd.DataFrame:
    """Channels 0 and 1 of one layer at two steps; percentiles p5, p15, p50, p85, p95."""
    values = {(0, 0): range(5), (0, 10): range(10, 15), (1, 0): range(5), (1, 10): range(-5, 0)}
    return frame(
        layer="2", index=[str(channel) for channel, _ in values for _ in range(5)],
        step=[step for _, step in values for _ in range(5)],
        quantity=["p5", "p15", "p50", "p85", "p95"] * 4,
        value=[float(each) for five in values.values() for each in five],
    )  # fmt: skip


def edges(band: Any) -> set[tuple[float, float]]:
    return {(float(x), float(y)) for x, y in band.get_paths()[0].vertices}


def test_a_channel_s_bands_lie_between_its_percentiles() -> None:
    table = channel_percentiles(percentile_rows())
    figure = channel_figure({"bn": table, "old": table.drop(columns=["p15", "p85"])}, 1, TINY)
    both, old = figure.get_axes()
    outer, inner = both.collections
    assert edges(outer) == {(0, 0), (0, 4), (10, -5), (10, -1)}
    assert edges(inner) == {(0, 1), (0, 3), (10, -4), (10, -2)}
    (median,) = both.lines
    assert (list(median.get_xdata()), list(median.get_ydata())) == ([0, 10], [2, -3])
    assert len(old.collections) == 1


def test_ridges_stand_one_span_apart() -> None:
    ax = ridges(channel_percentiles(percentile_rows()), Figure().add_subplot(), "black")
    medians = [list(line.get_ydata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert [2, 12] in medians
    assert [2 - 4, -3 - 4] in medians  # the largest span is 4
    assert list(ax.get_yticks()) == [0, -4]
    assert "4 apart" in ax.texts[0].get_text()


def test_a_channel_that_no_layer_has_is_refused(runs: Path) -> None:
    assert "no channel 16" in plot("percentiles", runs / "bn", "--channel", 16, code=1).stderr


def test_every_layer_with_statistics_has_a_column(runs: Path) -> None:
    record = RunFolder(runs / "bn").read()
    captured = read_recordings(RunFolder(runs / "bn"))
    rows = captured[captured["name"] == "statistics"]
    layers = layer_table(build("three_convs", "batch"))[1:]
    medians = channel_medians(rows)
    figure = drawn.statistics_figure(rows, medians, layers, record.run.name, TINY)
    axes = figure.get_axes()
    assert len(axes) == 4 * 3
    assert [ax.get_title() for ax in axes[:3]] == [f"{n} · BatchNorm2d 16" for n in "147"]
    assert [ax.get_ylabel() for ax in axes[::3]] == [
        "Gamma", "Beta", "Running mean", "Running variance",
    ]  # fmt: skip
    assert all(len(ax.get_lines()) == 17 for ax in axes)
    assert [ax.get_yscale() for ax in axes[::3]] == ["linear", "linear", "linear", "log"]


def test_tiles_stand_side_by_side_on_one_scale() -> None:
    maps = torch.arange(12.0).view(3, 2, 2)
    ax = tiles(maps, Figure().add_subplot(), columns=2)
    (image,) = ax.get_images()
    shown = np.ma.filled(image.get_array(), math.nan)
    gap = math.nan
    expected = [
        [gap, gap, gap, gap, gap, gap, gap],
        [gap, 0, 1, gap, 4, 5, gap],
        [gap, 2, 3, gap, 6, 7, gap],
        [gap, gap, gap, gap, gap, gap, gap],
        [gap, 8, 9, gap, gap, gap, gap],
        [gap, 10, 11, gap, gap, gap, gap],
        [gap, gap, gap, gap, gap, gap, gap],
    ]
    np.testing.assert_array_equal(shown, np.array(expected, dtype=np.float32))
    assert image.get_clim() == (0, 11)
    (signed,) = tiles(maps - 3, Figure().add_subplot(), columns=2).get_images()
    assert signed.get_clim() == (-8, 8)
    (black,) = tiles(torch.zeros(1, 2, 2), Figure().add_subplot(), columns=1).get_images()
    assert black.get_clim() == (0, 1)


def test_filters_stand_in_rows_of_their_channels() -> None:
    filters = {"first": torch.rand(5, 1, 3, 3), "second": torch.rand(4, 5, 3, 3)}
    first, second = filters_figure(filters, "bn", TINY).get_axes()[:2]
    assert first.get_images()[0].get_array().shape == (2 * 4 + 1, 3 * 4 + 1)  # 3 in a row
    assert second.get_images()[0].get_array().shape == (4 * 4 + 1, 5 * 4 + 1)
    assert (first.get_xlabel(), second.get_xlabel()) == ("5 filters", "5 input channels")


def test_feature_maps_are_what_forward_hooks_see(runs: Path) -> None:
    network = load_network(RunFolder(runs / "bn").read())
    image = pick(tiny_digits(), digit=7, index=2)
    assert torch.equal(image, tiny_digits().test_images[27])
    scaled = image[None].float() / 255
    seen: dict[str, torch.Tensor] = {}
    for name, layer in network.named_children():
        layer.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out[0]}))
    outputs = dict(feature_maps(network, scaled))
    assert list(outputs) == [
        n for n, m in network.named_children() if not isinstance(m, nn.Flatten)
    ]
    for name, output in outputs.items():
        torch.testing.assert_close(output, seen[name])
    with pytest.raises(StudyError, match="There are 4, counted from 0"):
        pick(tiny_digits(), digit=7, index=4)


def test_the_digits_own_maps_and_logits_are_drawn() -> None:
    outputs = [
        ("Image", torch.rand(1, 4, 4)),
        ("9 · Linear", torch.randn(7)),
        ("10", torch.arange(3.0)),
    ]
    figure = maps_figure(outputs, "a title", TINY)
    panels = [ax for ax in figure.get_axes() if ax.get_title()]
    assert [ax.get_title() for ax in panels] == ["Image", "9 · Linear", "10"]
    assert panels[1].get_images()[0].get_array().shape == (3, 3)  # 7 features in a square
    assert [bar.get_height() for bar in panels[2].patches] == [0, 1, 2]
    dark = [bar.get_facecolor() for bar in logit_bars(torch.tensor([0.0, 5, 1]), panels[2]).patches]
    assert dark[-2] != dark[-1] == dark[-3]


def test_figures_on_the_stand_in_say_so(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    original = drawn.curves_figure

    def seen(histories: Any, caption: Caption, title: str) -> Any:
        titles.append(caption.data)
        return original(histories, caption, title)

    monkeypatch.setattr(drawn, "curves_figure", seen)
    record = RunFolder(runs / "bn").read()
    data = record.environment["data"] | {"title": "drawn stand-in, not the article's data"}
    stood_in = dataclasses.replace(record, environment=record.environment | {"data": data})
    write_plot("curves", [stood_in], Path("here"), Choice(Path("data"), 3, 0), dpi=40)
    assert titles == ["drawn stand-in, not the article's data"]
