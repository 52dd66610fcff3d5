"""The curvature of runs, untrained, trained and along a recorded path: tables and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import tiny_digits, tiny_study

import hindi_bn
from hindi_bn.errors import HindiBnError
from hindi_bn.records import Record
from hindi_bn.training.run import train_run

DIGITS = tiny_digits(40)
ASKED: dict[str, Any] = {"images": 20, "eigenvalues": 2, "steps": 6, "digits": DIGITS}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    study = tiny_study(
        epochs=2, network="mlp", options__width=2, halved=True, stream="paired", lr=0.01,
        momentum=0.9, recordings=[{"kind": "path", "every": 1}],
    )  # fmt: skip
    out = tmp_path_factory.mktemp("out")
    return [train_run(study, name, DIGITS, out) for name in ("no-bn", "bn")]


def quantity(values: pd.DataFrame, name: str, **where: Any) -> list[float]:
    for column, value in {"quantity": name, **where}.items():
        values = values[values[column] == value]
    return values["value"].tolist()


@pytest.mark.slow
def test_tables_and_figures_of_two_runs(records: list[Record], tmp_path: Path) -> None:
    found = hindi_bn.landscape_curvature(records, to=tmp_path / "a", **ASKED)
    values = found.table
    assert quantity(values, "edge") == [2 * 1.9 / 0.01] * 8  # with momentum, per network and kind
    assert sorted(set(values["step"])) == [0, 4]
    without = {kind: quantity(values, "largest", run="no-bn", statistics=kind)
               for kind in ("batch", "running")}  # fmt: skip
    assert without["batch"] == pytest.approx(without["running"], rel=1e-3)  # no BN: one function
    first = values[(values["quantity"] == "eigenvalue") & (values["rank"] == 1)]
    assert first["value"].tolist() == quantity(values, "largest")
    sums = found.density.groupby(["run", "statistics", "step"]).apply(
        lambda rows: np.trapezoid(rows["density"], rows["eigenvalue"])
    )
    assert sums.to_numpy() == pytest.approx(1, abs=0.02)
    document = json.loads((tmp_path / "a" / "curvature.json").read_text(encoding="utf-8"))
    assert document["lengths_without_effect"] == {"no-bn": False, "bn": True}
    names = {f"curvature{part}.{s}" for part in ("", "-density") for s in ("csv", "json", "png")}
    assert {file.name for file in found.files} == names
    again = hindi_bn.landscape_curvature(records, to=tmp_path / "b", **ASKED)
    for one, other in zip(found.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_along_a_recorded_path(records: list[Record], tmp_path: Path) -> None:
    asked = ASKED | {"steps": 0, "points": 3, "statistics": ["running"]}
    found = hindi_bn.landscape_curvature(records[1:], to=tmp_path, **asked)
    assert sorted(set(found.table["step"])) == [0, 2, 4]
    assert found.density.empty
    ends = hindi_bn.landscape_curvature(records[1:], to=tmp_path, **(asked | {"points": 2}))
    rows = found.table[found.table["step"] != 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, ends.table)


def test_more_images_than_there_are_are_refused(records: list[Record]) -> None:
    with pytest.raises(HindiBnError, match="multiple of 10 up to 40"):
        hindi_bn.landscape_curvature(records, **(ASKED | {"images": 50}))
