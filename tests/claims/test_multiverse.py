"""Claims under other analyses, and the seeds of their confirmation, on made tables of runs."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

import hindi_bn.api.claims as api
from hindi_bn.claims import rule
from hindi_bn.claims.claim import Claim, family_of, load_families
from hindi_bn.claims.effects import ArmTable
from hindi_bn.claims.multiverse import Sample, multiverse
from hindi_bn.claims.power import needed_by, write_seeds
from hindi_bn.claims.results import ClaimResult, decided, effects_of, write_results
from hindi_bn.claims.tables import read_runs, write_runs
from hindi_bn.claims.verdict import together
from hindi_bn.cli import app
from hindi_bn.errors import ClaimsError

ARMS = {"norm=none": {"norm": "none"}, "norm=batch": {"norm": "batch"}}


def a_claim(**changes: Any) -> Claim:
    test = {
        "label": "Accuracy", "metric": "final_test_accuracy", "unit": "points",
        "plus": [{"where": {"norm": "batch"}}], "minus": [{"where": {"norm": "none"}}],
    }  # fmt: skip
    return Claim.model_validate({
        "id": 1, "name": "shape", "title": "BN helps", "statement": "It does.", "source": "Nobody.",
        "method": "By looking.",
        "sweeps": [{"name": "seeds", "study": {"name": "made"}, "set": {"epochs": 30},
                    "grid": {"norm": ["none", "batch"]}}],
        "tests": [test | {"above": 0}],
    } | changes)  # fmt: skip


def tables(gains: list[float], diverged: int = 0, spread: float = 0.02) -> dict[str, ArmTable]:
    """Runs that gain so many points at the last epoch, ten more at the best."""
    rows = []
    for place, gain in enumerate(gains):
        for arm in ARMS:
            with_bn = arm == "norm=batch"
            lost = with_bn and place < diverged
            last = 0.80 + (gain / 100 if with_bn else 0)
            rows.append({
                "arm": arm, "seed": 5842 + place, "key": f"{arm}{place}", "epochs": 30,
                "status": "diverged" if lost else "finished",
                "final_test_accuracy": 0.1 if lost else last,
                "last5_test_accuracy": 0.1 if lost else last - (spread if with_bn else 0),
                "best_test_accuracy": 0.1 if lost else last + (0.1 if with_bn else 0),
            })  # fmt: skip
    return {"seeds": ArmTable(ARMS, pd.DataFrame(rows))}


def result_of(claim: Claim, runs: dict[str, ArmTable]) -> ClaimResult:
    found = effects_of(claim, runs)
    holds, fails, opposite = together([effect.shown for effect in found])
    result = ClaimResult(
        claim.id, claim.name, claim.title, "", claim.statement, "Nobody", "x", "pilot",
        {"seeds": {"arms": 2, "seeds": len(found[0].seeds), "epochs": 30}}, "made digits",
        {"finished": 20}, rule.rule_digest(claim, "pilot"), {}, found,
        p_holds=holds, p_fails=fails, p_opposite=opposite,
    )  # fmt: skip
    return decided([result], [[1, 2]])[0]


def sample(gains: list[float], **changes: Any) -> Sample:
    claim, runs = a_claim(), tables(gains, **changes)
    return Sample(claim, result_of(claim, runs), runs)


GAINS = [3.0, 4.0, 5.0, 6.0, 4.5, 3.5, 5.5, 4.2, 4.8, 5.2]


@pytest.fixture(scope="module")
def lost() -> pd.DataFrame:
    """Every specification of a claim with one run that diverged."""
    (found,) = multiverse([sample(GAINS, diverged=1)], families=[[1]])
    return found.rows


def test_every_choice_that_makes_a_difference_is_a_specification(lost: pd.DataFrame) -> None:
    (found,) = multiverse([sample(GAINS)], families=[[1]])
    assert len(found.rows) == 4 * 3 * 3 * 2
    assert found.counts["supported"] + found.counts["undecided"] == 72
    choices = list(lost.columns[:5])
    assert len(lost) == 144
    assert not lost.duplicated(choices).any()
    options = [sorted(set(lost[choice])) for choice in choices]
    assert len(list(itertools.product(*options))) == 144
    (few,) = multiverse([sample(GAINS[:5])], families=[[1]])
    assert len(few.rows) == 36  # half of five seeds is too few


def chosen(rows: pd.DataFrame, **choices: Any) -> pd.Series[Any]:
    for key, value in choices.items():
        rows = rows[rows[key] == value]
    (row,) = rows.to_dict("records")
    return pd.Series(row)


PLAIN = {"test": "t", "correction": "none", "epoch": "last epoch", "diverged": "as 10 %",
         "seeds": "all"}  # fmt: skip


def test_effects_and_intervals_of_specifications_by_hand(lost: pd.DataFrame) -> None:
    counted = np.array([10.0 - 80, *GAINS[1:]])
    row = chosen(lost, **PLAIN)
    interval = stats.ttest_1samp(counted, 0).confidence_interval(0.95)
    assert (row.effect, row.low, row.high, row.n) == pytest.approx((counted.mean(), *interval, 10))
    assert row.verdict == "undecided"
    out = chosen(lost, **PLAIN | {"diverged": "left out"})
    assert (out.effect, out.n) == (pytest.approx(np.mean(GAINS[1:])), 9)
    assert out.verdict == "supported"
    median = chosen(lost, **PLAIN | {"test": "median"})
    assert median.effect == pytest.approx(np.median(counted))
    best = chosen(lost, **PLAIN | {"epoch": "best", "diverged": "left out"})
    assert best.effect == pytest.approx(np.mean(GAINS[1:]) + 10)
    five = chosen(lost, **PLAIN | {"epoch": "last five", "diverged": "left out"})
    assert five.effect == pytest.approx(np.mean(GAINS[1:]) - 2)
    half = chosen(lost, **PLAIN | {"seeds": "first half"})
    assert (half.effect, half.n) == (pytest.approx(counted[:5].mean()), 5)


def test_corrections_count_the_other_claims_analysed_alike() -> None:
    one, other = sample(GAINS), sample([-gain for gain in GAINS])
    found, _ = multiverse([one, other], families=[range(1, 21)])
    row = chosen(found.rows, **PLAIN | {"correction": "Holm"})
    interval = stats.ttest_1samp(GAINS, 0).confidence_interval(1 - 0.05 / 20)
    assert (row.low, row.high) == pytest.approx(tuple(interval))
    row = chosen(found.rows, **PLAIN | {"correction": "Benjamini-Hochberg"})
    interval = stats.ttest_1samp(GAINS, 0).confidence_interval(1 - 2 * 0.05 / 20)  # two are shown
    assert (row.low, row.high) == pytest.approx(tuple(interval))
    flipped = chosen(found.rows, **PLAIN | {"test": "sign-flip", "correction": "Holm"})
    assert flipped.verdict == "supported"  # 2 / 1024 is below 0.05 / 20
    third, _ = multiverse([one, other], families=[range(1, 31)])
    flipped = chosen(third.rows, **PLAIN | {"test": "sign-flip", "correction": "Holm"})
    assert flipped.verdict == "undecided"


def test_metrics_that_are_no_accuracy_have_no_choice_of_the_epoch() -> None:
    test = a_claim().tests[0].model_copy(update={"metric": "oscillation"})
    claim, runs = a_claim(), tables(GAINS)
    claim = claim.model_copy(update={"tests": (test,)})
    runs["seeds"].runs["oscillation"] = np.random.default_rng(0).normal(size=20)
    (found,) = multiverse([Sample(claim, result_of(claim, runs), runs)], families=[[1]])
    assert len(found.rows) == 24
    assert set(found.rows["epoch"]) == {"as the rule"}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The claim's file and its pilot, as the commands find them."""
    folder = tmp_path / "claims"
    claim = a_claim()
    write_runs(folder, claim, "pilot", tables(GAINS))
    write_results(folder, [result_of(claim, tables(GAINS))], {})
    monkeypatch.setattr(api, "load_claims", lambda: [claim])
    return tmp_path


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["claims", *arguments])


@pytest.mark.usefixtures("unrendered")
def test_the_command_writes_tables_and_figures(written: Path) -> None:
    found = json.loads(invoke("multiverse", "1", "--json", "--out", str(written)).stdout)
    assert (found[0]["all"], found[0]["opposite found"]) == (72, 0)
    assert "72" in invoke("multiverse", "--out", str(written)).stdout
    folder = written / "claims"
    assert len(pd.read_csv(folder / "multiverse.csv")) == 72
    table = (folder / "multiverse.md").read_text()
    assert "| 1 | BN helps |" in table
    (entry,) = json.loads((folder / "multiverse.json").read_text())
    assert sum(entry["specifications"].values()) == 72
    assert (folder / "figures" / "multiverse-01-shape.png").exists()
    empty = invoke("multiverse", "--out", str(written / "nowhere"))
    assert empty.exit_code == 1
    assert "result" in empty.stderr


def test_the_command_computes_the_seeds_of_the_confirmation(written: Path) -> None:
    (one,) = json.loads(invoke("power", "--json", "--out", str(written)).stdout)
    family = len(family_of(1, load_families()))
    fewest = next(n for n in range(10, 41) if family * 2 / 2**n <= 0.05)  # what signs allow
    assert (one["seeds"], one["expects"], one["pilot"]) == (fewest, "supported", 10)
    assert one["level"] == pytest.approx(0.05 / family)
    assert '"Accuracy" (4.57 points, the claim holds above 0 points' in one["why"]
    assert "supported" in invoke("power", "--out", str(written)).stdout
    assert invoke("power", "--out", str(written / "nowhere")).exit_code == 1


def test_the_command_registers_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"registered": {"date": "2026-11-22", "digest": "0" * 64}}
    monkeypatch.setattr(api, "load_claims", lambda: [a_claim()])
    monkeypatch.setattr(api, "register", lambda claim: a_claim(**known))
    (row,) = json.loads(invoke("register", "1", "--json").stdout)
    assert row == {"id": 1, "name": "shape", "date": "2026-11-22", "digest": "0" * 64}
    assert "2026-11-22" in invoke("register").stdout


def power_of(gains: list[float], folder: Path, **test: Any) -> Any:
    claim = a_claim()
    changed = claim.tests[0].model_copy(update=test)
    claim = claim.model_copy(update={"tests": (changed,)})
    write_runs(folder, claim, "pilot", tables(gains))
    return needed_by(claim, folder, 17)


def test_seeds_by_hand(tmp_path: Path) -> None:
    """The t-test's power by the noncentral t, at the family's whole correction."""
    gains = [-0.5, 4.1] * 5
    found = power_of(gains, tmp_path)
    level, d = 0.05 / 17, 1.8 / np.std(gains, ddof=1)

    def power(n: int) -> float:
        return float(stats.nct.sf(stats.t.ppf(1 - level / 2, n - 1), n - 1, d * n**0.5))

    assert found.seeds > 20
    assert power(found.seeds - 1) < 0.8 <= power(found.seeds) == pytest.approx(found.power)
    smaller = power_of(gains, tmp_path, least=0.5)
    assert (smaller.seeds, smaller.mean) == (40, 0.5)
    assert smaller.why.startswith("no more than 40 seeds")
    assert power_of(gains, tmp_path, least=5).seeds == found.seeds
    failing = power_of([-gain for gain in gains], tmp_path)
    assert (failing.expects, failing.seeds) == ("not supported", found.seeds)
    between = power_of(gains, tmp_path, above=-4.0, below=4.0)
    assert between.expects == "supported"
    one_ended = power_of(gains, tmp_path, above=None, below=4.0)
    assert between.seeds == one_ended.seeds  # the farther end takes hardly any power


def test_more_tests_ask_for_more_seeds(tmp_path: Path) -> None:
    claim = a_claim()
    both = claim.model_copy(update={"tests": claim.tests * 2})
    gains = [0.0, 5.0] * 5
    write_runs(tmp_path, claim, "pilot", tables(gains))
    one, two = needed_by(claim, tmp_path, 17), needed_by(both, tmp_path, 17)
    assert two.power >= 0.9 > one.power >= 0.8
    assert two.seeds > one.seeds


def test_a_short_pilot_fixes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = a_claim()
    write_runs(tmp_path, claim, "pilot", tables(GAINS[:4]))
    with pytest.raises(ClaimsError, match="too few seeds"):
        write_seeds([claim], [needed_by(claim, tmp_path, 17)])
    write_runs(tmp_path, claim, "pilot", tables(GAINS[:1]))
    with pytest.raises(ClaimsError, match="does not say"):
        needed_by(claim, tmp_path, 17)
    given: list[str] = []
    monkeypatch.setattr(
        "hindi_bn.claims.power.write_entry", lambda claim, key, value: given.append(value)
    )
    write_runs(tmp_path, claim, "pilot", tables(GAINS))
    write_seeds([claim], [needed_by(claim, tmp_path, 17)])
    assert given[0].startswith('{seeds: 10, why: "')


def test_tables_of_another_claim_are_refused(tmp_path: Path) -> None:
    claim = a_claim()
    with pytest.raises(ClaimsError, match="no table of the pilot runs of claim 1"):
        read_runs(tmp_path, claim, "pilot")
    found = tables(GAINS)["seeds"]
    half = replace(found, runs=found.runs[found.runs["arm"] == "norm=none"])
    write_runs(tmp_path, claim, "pilot", {"seeds": half})
    with pytest.raises(ClaimsError, match="lacks runs of claim 1"):
        read_runs(tmp_path, claim, "pilot")
    other = a_claim(tests=[*a_claim().model_dump(mode="json")["tests"]])
    renamed = other.tests[0].model_copy(update={"label": "Another"})
    with pytest.raises(ClaimsError, match="not of the claim as its file has it"):
        Sample(
            other.model_copy(update={"tests": (renamed,)}),
            result_of(claim, tables(GAINS)), tables(GAINS),
        )  # fmt: skip
