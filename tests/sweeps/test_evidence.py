"""Sweeps and claims that find their runs in the evidence: nothing is trained, nothing differs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import tiny_digits
from tiny_sweeps import Here, compared, load, sweep, train

import hindi_bn
from hindi_bn.claims.claim import Claim
from hindi_bn.claims.plan import plan_claim
from hindi_bn.claims.results import ClaimResult
from hindi_bn.claims.running import cells_of, judge_claims
from hindi_bn.errors import EvidenceError
from hindi_bn.measures import drift
from hindi_bn.sweeps.estimate import estimate
from hindi_bn.sweeps.output import write_sweep
from hindi_bn.sweeps.run import plan_sweep, run_sweep
from hindi_bn.sweeps.store import RunStore

ACTIVATIONS = {"kind": "activations", "per_class": 2, "every": 2}
LOSSES = {"kind": "losses"}


def fresh(out: Path) -> Path:
    """A folder of results that holds the evidence of another and nothing else."""
    shutil.copytree(out / "evidence", out / "fresh" / "evidence")
    return out / "fresh"


@pytest.mark.slow
def test_a_fresh_clone_trains_nothing_and_has_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hindi_bn.sweeps.drawing.sweep_figures", lambda *tables: {})
    what = sweep(grid={"lr": [0.1, 1e9]}, study={"recordings": ["pair"]})
    told: list[str] = []
    trained, keys = train(what, tmp_path, note=told.append)
    assert len(keys) == 4
    added = hindi_bn.add_evidence(out=tmp_path)
    assert (added.added, added.known) == (4, 0)
    assert told == []
    found, none = train(what, fresh(tmp_path), note=told.append)
    assert none == []
    assert told == ["4 of 4 runs come from the evidence."]
    assert not (tmp_path / "fresh" / "runs").exists()
    pd.testing.assert_frame_equal(found.runs, trained.runs)  # the seconds too
    pd.testing.assert_frame_equal(found.epochs, trained.epochs)
    assert {"wx", "wy"} <= set(found.epochs)
    documents = [
        write_sweep(each, what, tmp_path / str(i)) for i, each in enumerate((trained, found))
    ]
    assert documents[0] == documents[1]
    for name in ("runs.parquet", "epochs.parquet", "summary.csv", "paired.csv", "summary.json"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()
    more = sweep(grid={"lr": [0.1]}, seeds=3)
    assert len(train(more, tmp_path / "fresh")[1]) == 1  # the third seed; it wants no pair
    assert hindi_bn.add_evidence(out=tmp_path).shard is None
    plan = plan_sweep(what, load, RunStore(tmp_path / "fresh"), "")
    assert estimate(plan, RunStore(tmp_path / "fresh"), 1).todo == 0
    elsewhere = RunStore(tmp_path / "elsewhere", tmp_path / "evidence")
    assert run_sweep(what, load, elsewhere, Here()).complete


def test_what_a_run_records_does_not_train_it_twice_unless_it_is_wanted(tmp_path: Path) -> None:
    watched = sweep(study={"recordings": [LOSSES]}, seeds=1)
    plain = sweep(seeds=1)
    one, (name,) = train(watched, tmp_path)
    other, none = train(plain, tmp_path)
    assert none == []
    assert compared(one).equals(compared(other))
    assert one.epochs.equals(other.epochs)
    key = one.runs["key"][0]
    assert name.startswith(f"{key}-")
    _, both = train(sweep(study={"recordings": [ACTIVATIONS, LOSSES]}, seeds=1), tmp_path)
    assert len(both) == 1
    assert both != [name]
    shutil.rmtree(tmp_path / "runs" / name)
    assert train(watched, tmp_path)[1] == []  # what recorded more serves
    hindi_bn.add_evidence(out=tmp_path)
    told: list[str] = []
    _, again = train(watched, fresh(tmp_path), note=told.append)
    assert again == [name]
    assert told == [
        "Trained again: 1 of the runs in the evidence, which lacks the recording losses."
    ]


def test_runs_of_one_sweep_that_differ_in_what_they_record_are_trained_once(tmp_path: Path) -> None:
    study = {"runs": [{"name": "plain"}, {"name": "watched", "recordings": [LOSSES]}]}
    result, trained = train(sweep(study=study, seeds=1), tmp_path)
    assert len(trained) == 1
    assert result.complete
    plain, watched = result.runs.to_dict("records")
    assert plain["key"] == watched["key"]
    assert plain["final_train_loss"] == watched["final_train_loss"]


def claim(metric: str, **study: Any) -> Claim:
    return Claim.model_validate({
        "id": 1, "name": "shape", "title": "It drifts", "statement": "It does.",
        "source": "Nobody.", "method": "By looking.",
        "sweeps": [{
            "name": "seeds", "study": {"name": "tiny", "threads": 1, "epochs": 1} | study,
            "grid": {"norm": ["batch"]},
        }],
        "tests": [{
            "label": "It", "metric": metric, "above": 0,
            "plus": [{"where": {"norm": "batch"}}],
        }],
        "figure": "strip",
    })  # fmt: skip


def judged(
    what: Sequence[Claim], out: Path, told: list[str] | None = None
) -> tuple[list[ClaimResult], list[str]]:
    digits, store, here = tiny_digits(), RunStore(out), Here()
    plans = [plan_claim(each, "pilot", 70, 2) for each in what]
    note = (told if told is not None else []).append
    run_sweep(cells_of(plans), lambda name: digits, store, here, note=note)
    return judge_claims(plans, digits, store, out / "claims"), [job.run for job in here.jobs]


@pytest.mark.usefixtures("unrendered")
def test_a_claim_finds_its_measures_in_the_evidence_or_trains_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifting = claim("drift.drift_mean", recordings=[ACTIVATIONS])
    results, trained = judged([drifting], tmp_path)
    assert len(trained) == 2
    hindi_bn.add_evidence(out=tmp_path)
    out = fresh(tmp_path)
    found, none = judged([drifting], out)
    assert none == []
    assert [one.as_json() for one in found] == [one.as_json() for one in results]
    assert (out / "claims/runs/01-shape.csv").read_bytes() == (
        tmp_path / "claims/runs/01-shape.csv"
    ).read_bytes()
    told: list[str] = []
    rougher = claim("loss-roughness.change_std", recordings=[LOSSES])
    assert len(judged([rougher], out, told)[1]) == 2
    assert told == [
        "Trained again: 2 of the runs in the evidence, which lacks the measure loss-roughness "
        "(version 2)."
    ]
    shutil.rmtree(out / "runs")
    rarer = claim("drift.drift_mean", recordings=[ACTIVATIONS | {"every": 4}])
    assert len(judged([rarer], out)[1]) == 2  # drift between other steps
    shutil.rmtree(out / "runs")
    assert judged([claim("final_train_loss", recordings=[LOSSES])], out)[1] == []
    monkeypatch.setattr(drift, "VERSION", drift.VERSION + 1)
    assert len(judged([drifting], out)[1]) == 2


@pytest.mark.usefixtures("unrendered")
def test_a_run_serves_every_claim_that_asks_less_of_it(tmp_path: Path) -> None:
    drifting, plain = claim("drift.drift_mean", recordings=[ACTIVATIONS]), claim("loss_area")
    other = plain.model_copy(update={"id": 2, "name": "other"})
    _, trained = judged([other, drifting], tmp_path)
    assert len(trained) == 2
    assert all("-" in name for name in trained)


def test_evidence_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="There is no evidence in"):
        hindi_bn.sweep(sweep(), load=load, out=tmp_path, evidence=tmp_path / "evidense")


def test_damaged_evidence_stops_a_sweep_before_it_trains(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "2026-11-22-0.parquet").write_bytes(b"PAR1")
    runner = Here()
    with pytest.raises(EvidenceError, match=r"2026-11-22-0\.parquet cannot be read"):
        train(sweep(seeds=1), tmp_path, runner)
    assert runner.jobs == []
