"""From recordings along the gradient to bands, values, arms, figure and command."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_figures import labelled, legend_of, panel, texts, ys
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner

import hindi_bn
from hindi_bn.cli import app
from hindi_bn.errors import HindiBnError
from hindi_bn.figures.along_gradient import along_gradient_figure, band_line
from hindi_bn.figures.style import WITH, Caption, Look
from hindi_bn.landscape.arms import arms_of
from hindi_bn.landscape.gradient import bands_of, bands_over_seeds
from hindi_bn.measures import along_gradient, measure
from hindi_bn.records import Record, RunFolder
from hindi_bn.stats.recordings import bands_along_gradient
from hindi_bn.training.run import train_run

KIND = {"kind": "along-gradient", "every": 2, "multiples": [1, 2], "relative": [0.1, 0.2]}
CHANGES: dict[str, Any] = {
    "network": "fully_connected", "options": {"width": 8}, "stream": "paired", "recordings": [KIND],
}  # fmt: skip


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Two seeds of both arms, and a seed without the recording."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("out")
    return [
        train_run(tiny_study(seed=seed, **CHANGES), name, tiny_digits(), out / str(seed))
        for seed in (1, 2)
        for name in ("no-bn", "bn")
    ]


def rows_of(readings: dict[tuple[int, int], dict[str, float]]) -> pd.DataFrame:
    """Rows of captures.csv; keys as `loss lr 1`."""
    return pd.DataFrame(
        [
            {"quantity": q, "index": index, "epoch": epoch, "step": step, "value": value}
            for (epoch, step), values in readings.items()
            for key, value in values.items()
            for q, _, index in [key.partition(" ")]
        ]
    )


FIRST = {
    "loss": 1.0, "norm lr": 2.0, "loss lr 1": 0.9, "change lr 1": 0.1, "loss lr 3": 0.5,
    "change lr 3": 0.6, "norm relative": 5.0, "loss relative 0.1": 0.8,
    "change relative 0.1": 2.0, "loss relative 0.2": 1.4, "change relative 0.2": 3.0,
}  # fmt: skip
BLOWN = {**FIRST, "loss lr 3": math.nan, "change lr 3": math.nan}
STILL = {key: 0.0 if key.startswith(("norm", "change")) else 1.0 for key in FIRST}
LATER = {key: 2 * value for key, value in FIRST.items()}


def test_bands_by_hand() -> None:
    table = bands_along_gradient(rows_of({(0, 1): FIRST, (0, 4): BLOWN, (1, 8): STILL}), lr=0.5)
    by_rate, relative = (table[table["scale"] == scale] for scale in ("lr", "relative"))
    assert by_rate["step"].tolist() == [1, 4, 8]
    assert by_rate["loss_low"].tolist() == [0.5, 0.9, 1.0]
    assert by_rate["loss_high"].tolist() == [0.9, math.inf, 1.0]  # what is no number is not hidden
    assert by_rate["change_high"].tolist() == [0.6, math.inf, 0.0]
    # 0.1 over 0.5 * 1 * 2 and 0.6 over 0.5 * 3 * 2; 0 gradient: no distance
    np.testing.assert_allclose(by_rate["smoothness"], [0.2, math.inf, math.nan])
    np.testing.assert_allclose(relative["smoothness"], [20.0, 20.0, math.nan])
    np.testing.assert_allclose(relative["change_low"], [2.0, 2.0, 0.0])


def test_values_are_medians_over_readings() -> None:
    readings = {(0, 1): FIRST, (0, 4): FIRST, (1, 8): LATER, (1, 9): LATER, (1, 12): LATER}
    bands = bands_along_gradient(rows_of(readings), lr=0.5)
    found = along_gradient.along_gradient(bands)
    assert set(found) == set(along_gradient.VALUES)
    assert found["loss_range"] == pytest.approx(0.8)
    assert found["loss_range_first_epoch"] == pytest.approx(0.4)
    assert found["relative_loss_range_last_epoch"] == pytest.approx(1.2)
    assert found["gradient_change"] == pytest.approx(1.2)
    assert found["gradient_change_share"] == pytest.approx(0.3)
    assert found["smoothness"] == pytest.approx(0.2)
    assert found["relative_smoothness"] == pytest.approx(40)
    assert found["relative_gradient_change_share_first_epoch"] == pytest.approx(0.6)
    assert found["readings"] == 5


def test_a_run_is_measured_from_its_own_recording(records: list[Record]) -> None:
    values = measure(RunFolder(records[0].folder), "along-gradient", tiny_digits())
    assert values["readings"] == 4  # steps 1, 2, 4 and 6
    assert set(values) == set(along_gradient.VALUES)


def test_arms_are_what_differs_but_for_the_seed(records: list[Record]) -> None:
    assert arms_of(records) == ["no-bn", "bn"] * 2
    alike = [
        dataclasses.replace(each, run=each.run.model_copy(update={"name": "run"}))
        for each in records
    ]
    assert arms_of(alike) == ["norm=none", "norm=batch"] * 2
    labelled_ones = [dataclasses.replace(each, label="all") for each in (records[0], records[3])]
    assert arms_of(labelled_ones) == ["all", "all"]
    with pytest.raises(HindiBnError, match="seed 1"):
        arms_of([*records, records[0]])


def test_medians_are_over_seeds(records: list[Record]) -> None:
    bands = bands_of(records)
    medians = bands_over_seeds(bands)
    assert medians["n"].unique().tolist() == [2]
    assert len(medians) == 2 * 2 * 4  # arms, scales, steps
    here = {"arm": "bn", "scale": "relative", "step": 4}
    ours, seeds = (
        table.loc[(table[list(here)] == list(here.values())).all(axis=1)]
        for table in (medians, bands)
    )
    low, high = sorted(seeds["smoothness"])
    assert ours["smoothness"].item() == pytest.approx((low + high) / 2)
    assert (ours["smoothness_low"].item(), ours["smoothness_high"].item()) == (low, high)
    assert ours["loss_high"].item() == pytest.approx(seeds["loss_high"].mean())


def test_a_band_shows_the_table_and_crosses_what_is_infinite() -> None:
    rows = pd.DataFrame(
        {"step": [1, 5, 9], "change_low": [1.0, 2, 3], "change_high": [4.0, math.inf, 6]}
    )
    ax = band_line(rows, "change", Look(WITH, "o"), "with BN", panel())
    line = labelled(ax)["with BN"]
    assert [ys(line)[0], ys(line)[2]] == [4, 6]
    assert math.isnan(ys(line)[1])
    assert [float(x) for x in np.asarray(ax.lines[1].get_xdata())] == [5]
    band = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert {tuple(point) for point in band} >= {(1.0, 1.0), (1.0, 4.0), (9.0, 3.0), (9.0, 6.0)}


def test_the_figure_names_arms_seeds_and_lengths(records: list[Record]) -> None:
    medians = bands_over_seeds(bands_of(records))
    figure = along_gradient_figure(medians, {"lr": "by rate", "relative": "by share"}, Caption("d"))
    assert legend_of(figure) == ["without BN", "with BN"]
    assert "n = 2 an arm" in texts(figure)
    assert len(figure.axes) == 6
    assert [figure.axes[place].get_ylabel() for place in (0, 3)] == ["by rate", "by share"]


@pytest.mark.usefixtures("unrendered")
def test_the_command_writes_table_settings_and_figure(
    records: list[Record], tmp_path: Path
) -> None:
    folders = [str(record.folder) for record in records]
    result = CliRunner().invoke(app, ["landscape", "gradient", *folders, "--to", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "Effective beta-smoothness" in result.output
    names = ("gradient.csv", "gradient.json", "gradient.png")
    first = [(tmp_path / name).read_bytes() for name in names]
    table = pd.read_csv(tmp_path / "gradient.csv")
    assert set(table["arm"]) == {"no-bn", "bn"}
    pd.testing.assert_frame_equal(table, bands_of(records), rtol=1e-12)
    document = json.loads(first[1])
    assert document["recording"]["multiples"] == [1, 2]
    assert [run["seed"] for run in document["runs"]] == [1, 1, 2, 2]
    again = CliRunner().invoke(
        app, ["landscape", "gradient", *folders, "--to", str(tmp_path), "--json"]
    )
    assert json.loads(again.stdout)["values"] == document["values"]
    assert [(tmp_path / name).read_bytes() for name in names] == first


def test_runs_that_cannot_be_shown_are_refused(records: list[Record], tmp_path: Path) -> None:
    plain = train_run(
        tiny_study(**CHANGES | {"recordings": [], "epochs": 1}), "bn", tiny_digits(), tmp_path
    )
    with pytest.raises(HindiBnError, match=r"recordings: \[along-gradient\]"):
        hindi_bn.landscape_gradient([plain])
    unfinished = dataclasses.replace(records[0], history=records[0].history[:0])
    with pytest.raises(HindiBnError, match="no finished epoch"):
        hindi_bn.landscape_gradient([unfinished])
    settings = records[0].run.model_copy(
        update={"recordings": (records[0].run.recordings[0].model_copy(update={"every": 3}),)}
    )
    with pytest.raises(HindiBnError, match="same every, multiples and relative"):
        hindi_bn.landscape_gradient([*records[1:], dataclasses.replace(records[0], run=settings)])
