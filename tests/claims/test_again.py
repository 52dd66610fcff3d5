"""Verdicts from the evidence alone: no digits, no training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from hindi_bn.claims import drawing
from hindi_bn.cli import app

ROOT = Path(__file__).parents[2]
EVIDENCE = ROOT / "results/evidence"


def judged(out: Path, *ids: str, evidence: Path = EVIDENCE) -> Any:
    typed = ["claims", "run", *ids, "--evidence-only", "--out", str(out), "--quiet"]
    return CliRunner().invoke(app, [*typed, "--evidence", str(evidence), "--json"])


def results_of(folder: Path) -> dict[int, Any]:
    document = json.loads((folder / "claims.json").read_text())
    return {each["id"]: each for each in document["claims"]}


def test_a_claim_comes_out_as_it_is_committed_where_there_are_no_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = judged(tmp_path, "left-out")
    assert found.exit_code == 0, found.output
    committed = results_of(ROOT / "results/claims")[26]
    assert [each["id"] for each in json.loads(found.stdout)] == [26]
    again = results_of(tmp_path / "claims")[26]
    for mine, theirs in zip(again["effects"], committed["effects"], strict=True):
        for level in ("corrected_low", "corrected_high"):  # of the claims judged beside it
            assert mine.pop(level) == pytest.approx(theirs.pop(level), rel=0.2)
        assert mine == theirs
    assert (tmp_path / "claims/figures" / "26-left-out.png").exists()
    assert not list(tmp_path.glob("runs*"))


def test_a_claims_figure_is_titled_with_its_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles, compose = list[str](), drawing.compose

    def composed(title: str, *parts: Any) -> Figure:
        titles.append(title)
        return compose(title, *parts)

    monkeypatch.setattr(drawing, "compose", composed)
    assert judged(tmp_path, "left-out").exit_code == 0
    assert [title.partition("\n")[2].partition(":")[0] for title in titles] == ["Supported, n = 11"]


def test_evidence_without_the_runs_of_a_claim_is_told(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    found = judged(tmp_path, "accuracy", evidence=tmp_path / "evidence")
    assert found.exit_code == 1
    assert "has no claim's runs whole" in found.stderr
    assert not (tmp_path / "claims").exists()


@pytest.mark.slow
def test_every_verdict_and_figure_comes_out_as_it_is_committed(tmp_path: Path) -> None:
    found = judged(tmp_path)
    assert found.exit_code == 0, found.output
    there, here = ROOT / "results/claims", tmp_path / "claims"
    assert results_of(here) == results_of(there)
    assert (here / "claims.md").read_text() == (there / "claims.md").read_text()
    runs = sorted(file.relative_to(there) for file in (there / "runs").rglob("*.*"))
    assert runs == sorted(file.relative_to(here) for file in (here / "runs").rglob("*.*"))
    for table in runs:
        assert (here / table).read_bytes() == (there / table).read_bytes(), table
    drawn = {file.name for file in (there / "figures").iterdir()}
    drawn = {name for name in drawn if not name.startswith("multiverse")}
    assert {file.name for file in (here / "figures").iterdir()} == drawn
