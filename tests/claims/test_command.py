"""The command `hindi-bn claims` on tiny digits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_claims import DIGITS, Here
from typer.testing import CliRunner

import hindi_bn.cli.claims as command
from hindi_bn.claims.claim import choose, load_claims
from hindi_bn.claims.plan import plan_claim
from hindi_bn.claims.running import cells_of
from hindi_bn.cli import app
from hindi_bn.digits import Digits
from hindi_bn.runners.jobs import Failure, Job, JobResult, write_failure
from hindi_bn.sweeps.store import RunStore

CLAIMS = load_claims()


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["claims", *arguments])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """The command on tiny digits, trained in this process."""
    one = Here()
    monkeypatch.setattr(command, "loader", lambda data_dir, quiet: lambda name: DIGITS)
    monkeypatch.setattr(command.options, "runner", lambda *arguments: one)
    return one


@pytest.mark.usefixtures("unrendered")
def test_the_command_lists_explains_and_runs(tmp_path: Path, here: Here) -> None:
    out = ("--out", str(tmp_path))
    listed = json.loads(invoke("--json", *out).stdout)
    assert [entry["id"] for entry in listed] == list(range(1, len(CLAIMS) + 1))
    assert {entry["verdict"] for entry in listed} == {None}
    assert "not tested" in invoke(*out).stdout
    shown = invoke("show", "momentum", *out)
    assert "Not tested yet: hindi-bn claims run 27" in shown.stdout
    assert "above 0.5 points" in shown.stdout
    ran = invoke("run", "27", "--stage", "smoke", "--seeds", "3", *out)
    assert ran.exit_code == 0, ran.output
    assert len(here.trained) == 9
    assert "Verdicts" in ran.stdout
    assert "9 runs to train, 9 epochs: about" in ran.stderr
    again = ("run", "27", "--stage", "smoke", "--seeds", "3", "--json", "--quiet", *out)
    document = json.loads(invoke(*again).stdout)
    assert len(here.trained) == 9
    assert (
        document[0]["effects"][0]["label"] == "Range of test accuracy over momenta after one epoch"
    )
    assert document[0]["verdict"] == "pilot"
    assert "smoke" in invoke(*out).stdout
    assert "Its tests" in invoke("show", "27", *out).stdout
    known = json.loads(invoke("show", "27", "--json", *out).stdout)
    assert known["result"]["stage"] == "smoke"
    assert known["result"]["rules"] == {known["result"]["rule"]: 9}
    assert known["claim"]["id"] == 27


@pytest.mark.usefixtures("unrendered")
def test_runs_without_a_result_are_an_error_and_refused_ones_are_not(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(jobs: Sequence[Job], digits: Digits, **_: Any) -> Iterator[JobResult]:
        for job in jobs:
            yield JobResult(job, 0.0, Failure("OSError", "It broke."))

    monkeypatch.setattr(here, "run", broken)
    out = ("--stage", "smoke", "--seeds", "1", "--out", str(tmp_path))
    result = invoke("run", "9", "--quiet", *out)
    assert result.exit_code == 1
    assert "2 runs have no result" in result.stderr
    refused = Failure("StudyError", "No.")
    store = RunStore(tmp_path)
    plan = plan_claim(choose(CLAIMS, ["9"])[0], "smoke", 70, 1)
    for cell in cells_of([plan]):
        write_failure(JobResult(store.place(cell, DIGITS).job, 0.0, refused))
    assert invoke("run", "9", "--quiet", *out).exit_code == 0


@pytest.mark.usefixtures("unrendered")
def test_what_was_found_on_the_stand_in_is_listed_where_there_is_nothing_else(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = replace(DIGITS, name="stand-in")
    monkeypatch.setattr(command, "loader", lambda data_dir, quiet: lambda name: drawn)
    out = ("--out", str(tmp_path))
    assert invoke("run", "27", "--stage", "smoke", "--quiet", *out).exit_code == 0
    assert (tmp_path / "claims-stand-in" / "claims.md").exists()
    verdicts = {one["id"]: one["verdict"] for one in json.loads(invoke("--json", *out).stdout)}
    assert verdicts[27] == "pilot"
    assert "Its tests" in invoke("show", "27", *out).stdout


def test_the_command_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    assert invoke("show", "99", "--out", str(tmp_path)).exit_code == 1
    assert invoke("run", "--ray-address", "x", "--out", str(tmp_path)).exit_code == 2
