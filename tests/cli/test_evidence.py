"""`hindi-bn evidence`, end to end on tiny digits."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_digits
from tiny_sweeps import sweep, train
from typer.testing import CliRunner, Result

import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.evidence.row import Row, row_of
from hindi_bn.evidence.shards import write_shard
from hindi_bn.records import RunFolder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with four runs: two seeds at a good rate, and at one that diverges."""
    out = tmp_path_factory.mktemp("results")
    train(sweep(grid={"lr": [0.1, 1e9]}, study={"numerics": "engine"}), out)
    return out


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["evidence", *arguments])
    assert result.exit_code == code, result.output
    return result


def rows_of(results: Path) -> list[Row]:
    return [row_of(RunFolder(path.parent)) for path in (results / "runs").glob("*/run.yaml")]


def test_runs_are_added_once_listed_and_verified(results: Path, tmp_path: Path) -> None:
    there = ("--out", str(results), "--evidence", str(tmp_path / "e"))
    for command in ("verify", "list", "audit"):
        assert "There is no evidence in" in run(command, *there, code=1).stderr
    assert json.loads(run("verify", "--json", *there[:2]).stdout)["rows"] == 0
    first = run("add", *there).stdout
    assert first.startswith("4 runs in ")
    (shard,) = (tmp_path / "e").iterdir()
    assert str(shard) in first
    again = json.loads(run("add", "--json", *there).stdout)
    assert again == {"shard": None, "added": 0, "known": 4}
    assert "Nothing new; 4 were there before." in run("add", *there).stdout
    listed = json.loads(run("list", "--json", *there).stdout)
    assert [(arm["seeds"], arm["rows"], arm["claim"]) for arm in listed] == [(2, 2, None)] * 2
    assert {arm["arm"] for arm in listed} == {
        "batch_size=16, epochs=1, lr=0.1", "batch_size=16, epochs=1, lr=1000000000.0"
    }  # fmt: skip
    assert "Evidence by arm" in run("list", *there).stdout
    assert "4 rows in 1 shard of" in run("verify", *there).stdout


def test_runs_are_named_one_by_one_or_by_their_folder(results: Path, tmp_path: Path) -> None:
    there = ("--out", str(tmp_path))
    one = min((results / "runs").glob("*/run.yaml")).parent
    assert run("add", str(one), str(results / "runs"), *there).stdout.startswith("4 runs in")
    assert "There are no runs in" in run("add", *there, code=1).stderr


def test_claims_are_listed_with_the_runs_that_they_have(tmp_path: Path, results: Path) -> None:
    row = rows_of(results)[0]
    settings = {"seed": 7, "numerics": "engine", "run": {"norm": {"name": "batch"}}}
    from hindi_bn.evidence.keys import key_of

    key = key_of(settings, row.data["sha256"])
    write_shard(tmp_path, [dataclasses.replace(row, settings=settings, key=key)])
    listed = json.loads(run("list", "--json", "--evidence", str(tmp_path)).stdout)
    claims = {arm["claim"]: arm for arm in listed}
    assert claims["1 accuracy"]["arm"] == "norm=batch"
    assert None not in claims


def test_an_audit_trains_again_and_may_be_added(results: Path, tmp_path: Path) -> None:
    there = ("--out", str(results), "--evidence", str(tmp_path / "e"))
    run("add", *there)
    result = run("audit", "--sample", "2", "--seed", "1", "--add", *there)
    assert result.stdout.count("same bits: batch_size=16") == 2
    assert "Runs to train again: 2, which took" in result.stderr
    assert len(list((tmp_path / "e").iterdir())) == 2
    assert "6 rows in 2 shards" in run("verify", *there).stdout
    assert sum(arm["rows"] for arm in json.loads(run("list", "--json", *there).stdout)) == 6


def test_a_row_that_is_not_true_ends_with_exit_code_1(results: Path, tmp_path: Path) -> None:
    row = next(row for row in rows_of(results) if row.status == "finished")
    history = row.history | {
        "test_accuracy": [share + 0.1 for share in row.history["test_accuracy"]]
    }
    write_shard(tmp_path / "e", [dataclasses.replace(row, history=history)])
    there = ("--out", str(results), "--evidence", str(tmp_path / "e"))
    result = run("audit", "--json", *there, code=1)
    (one,) = json.loads(result.stdout)
    assert one["outcome"] == "different"
    assert "test_accuracy of epoch 1" in one["why"]
    assert "1 of 1 runs came out different" in result.stderr
    for how in ([], ["--json"]):
        refused = run("audit", "--add", *how, *there, code=1)
        assert "disagree on run" in refused.stderr
        assert "different" in refused.stdout
    assert len(list((tmp_path / "e").iterdir())) == 1


def test_what_is_wrong_is_named(results: Path, tmp_path: Path) -> None:
    there = ("--out", str(results), "--evidence", str(tmp_path))
    assert "nothing to train again" in run("audit", *there, code=1).stderr
    (tmp_path / "2026-11-22-00.parquet").write_bytes(b"PAR1")
    for command in (["add"], ["list"], ["audit"]):
        assert "2026-11-22-00.parquet cannot be read" in run(*command, *there, code=1).stderr
    found = run("verify", "--json", *there, code=1)
    document: dict[str, Any] = json.loads(found.stdout)
    assert document["shards"] == 0
    assert "2026-11-22-00.parquet cannot be read" in document["problems"][0]
    assert "is not in order" in found.stderr
    assert "cannot be read" in run("verify", *there, code=1).stderr
