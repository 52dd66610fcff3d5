"""Claims end to end on tiny digits: files, runs, verdicts, documents, the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tiny_claims import DIGITS, Here, a_claim, claim_file
from typer.testing import CliRunner

from hindi_bn.claims.claim import STAGES, Claim, choose, load_claims, load_families
from hindi_bn.claims.effects import ArmTable, terms_of
from hindi_bn.claims.numbers import number, p_equation, p_text
from hindi_bn.claims.plan import PILOT_SEEDS, plan_claim
from hindi_bn.claims.report import anchor, decisive, effect_text, ledger
from hindi_bn.claims.results import decided, read_results
from hindi_bn.claims.rule import rule_digest
from hindi_bn.claims.running import cells_of, judge_claims
from hindi_bn.cli import app
from hindi_bn.errors import ClaimsError, StudyError
from hindi_bn.records import RunFolder
from hindi_bn.sweeps.run import run_sweep
from hindi_bn.sweeps.store import RunStore

CLAIMS = load_claims()


def run(
    claims: Sequence[Claim], out: Path, stage: Any = "pilot", seeds: int | None = 3
) -> tuple[Any, Here]:
    store, here = RunStore(out), Here()
    plans = [plan_claim(claim, stage, len(DIGITS.train_labels), seeds) for claim in claims]
    run_sweep(cells_of(plans), lambda name: DIGITS, store, here)
    return judge_claims(plans, DIGITS, store, out / "claims"), here


def test_they_are_numbered_and_every_test_finds_its_arms() -> None:
    assert [claim.id for claim in CLAIMS] == list(range(1, len(CLAIMS) + 1))
    assert all(claim.says for claim in CLAIMS)
    for claim in CLAIMS:
        for stage in STAGES[:2]:
            plan = plan_claim(claim, stage, 17_000)
            for test in claim.comparisons:
                for term, _ in terms_of(test):
                    cells = plan.cells[term.sweep or claim.sweeps[0].name]
                    arms = {cell.arm: dict(cell.values) for cell in cells}
                    chosen = ArmTable(arms, pd.DataFrame()).select(term.where)
                    single = term.take == "mean" and "norm" in term.where
                    assert len(chosen) >= 1
                    if single and {*term.where} >= {*arms[chosen[0]]}:
                        assert len(chosen) == 1


def test_sources_are_named_beside_the_numbers_of_their_statements() -> None:
    claim = a_claim(source=["A2", "T2", "A3", "Wu and He 2018, figure 1"])
    assert claim.sources == "the article (A2, A3), a tutorial (T2), Wu and He 2018, figure 1"
    assert a_claim(source="Nobody.").sources == "Nobody."
    disputed = a_claim(source=["Yang et al. 2019", "A2", "against it: A1"])
    assert disputed.sources == "Yang et al. 2019, the article (A2), against it: the article (A1)"


def test_the_pilot_has_ten_seeds_from_the_articles_on() -> None:
    for claim in choose(CLAIMS, ["accuracy", "loss", "left-out"]):
        cells = cells_of([plan_claim(claim, "pilot", 17_000)])
        assert {cell.run.epochs for cell in cells} == {30}
        assert len(cells) == 20
        assert {cell.seed for cell in cells} == set(range(5842, 5852))
    with pytest.raises(StudyError, match="has 10 seeds, not 11"):
        plan_claim(CLAIMS[0], "pilot", 17_000, 11)


def test_smoke_keeps_the_proportions_of_training_images() -> None:
    both = choose(CLAIMS, ["accuracy", "over-fitting"])
    cells = cells_of([plan_claim(claim, "smoke", 17_000) for claim in both])
    assert {cell.run.train_images for cell in cells} == {30, 320}
    assert {(cell.run.epochs, cell.seed) for cell in cells} == {(1, 5842), (1, 5843)}
    pilot = cells_of([plan_claim(claim, "pilot", 17_000) for claim in both])
    assert {cell.run.train_images for cell in pilot} == {1700, None}


def test_claims_whose_sweeps_vary_different_keys_are_trained_together(tmp_path: Path) -> None:
    """The first names its arms by the runs of a study, the second varies the norm."""
    study = {"name": "tiny", "threads": 1, "epochs": 1,
             "runs": [{"name": "no-bn"}, {"name": "bn", "norm": "batch"}]}  # fmt: skip
    test = {**claim_file()["tests"][0], "plus": [{"where": {"run": "bn"}}],
            "minus": [{"where": {"run": "no-bn"}}]}  # fmt: skip
    by_run = a_claim(id=2, name="runs", sweeps=[{"name": "runs", "study": study}], tests=[test])
    results, here = run([by_run, a_claim()], tmp_path, seeds=1)
    assert len(here.trained) == 4
    assert [result.id for result in results] == [1, 2]


def registered(**changes: Any) -> Claim:
    claim = a_claim(confirm={"seeds": 12, "why": "enough"}, **changes)
    return a_claim(
        confirm={"seeds": 12, "why": "enough"}, **changes,
        registered={"date": "2026-11-22", "digest": rule_digest(claim)},
    )  # fmt: skip


def test_a_confirmation_takes_fresh_seeds_of_a_registered_rule() -> None:
    cells = cells_of([plan_claim(registered(), "confirm", 70)])
    assert {cell.seed for cell in cells} == set(range(1001, 1013))
    assert not set(PILOT_SEEDS) & set(range(1001, 1041))
    assert {*cells[0].claims} == {"01-shape"}
    with pytest.raises(StudyError, match="as many seeds as the claim's file says"):
        plan_claim(registered(), "confirm", 70, 3)
    with pytest.raises(StudyError, match="cannot be confirmed") as unknown:
        plan_claim(a_claim(), "confirm", 70)
    assert "claims power 1 --write" in unknown.value.next_step
    without = a_claim(confirm={"seeds": 12, "why": "enough"})
    with pytest.raises(StudyError, match="cannot be confirmed") as unknown:
        plan_claim(without, "confirm", 70)
    assert "not registered" in unknown.value.why
    changed = registered().model_copy(update={"tests": without.tests[:1] * 2})
    with pytest.raises(StudyError, match="cannot be confirmed") as unknown:
        plan_claim(changed, "confirm", 70)
    assert "not the one that was registered" in unknown.value.why


def test_a_claim_is_trained_once_judged_and_written(tmp_path: Path) -> None:
    aside = {"label": "Loss without", "metric": "final_train_loss"}
    besides = [aside | {"plus": [{"where": {"norm": "none"}}]}]
    claim = a_claim(figure={"kind": "strip"}, besides=besides)
    (result,), here = run([claim], tmp_path)
    assert len(here.trained) == 6
    assert result.findings[0].startswith("Loss without: 2.")
    assert "(n = 3)" in result.findings[0]
    assert result.runs == {"finished": 6}
    (effect,) = result.effects
    store, expected = RunStore(tmp_path), []
    cells = cells_of([plan_claim(a_claim(), "pilot", 70, 3)])
    for none, batch in zip(cells[:3], cells[3:], strict=True):
        losses = [
            RunFolder(store.place(cell, DIGITS).job.folder).read_history()["train_loss"].iloc[-1]
            for cell in (none, batch)
        ]
        expected.append(losses[1] - losses[0])
    assert list(effect.by_seed) == pytest.approx(expected)
    folder = tmp_path / "claims"
    assert [each.as_json() for each in read_results(folder)] == [result.as_json()]
    assert (result.verdict, result.in_words, effect.seeds) == ("pilot", "pilot", PILOT_SEEDS[:3])
    page = (folder / "claims.md").read_text()
    assert "**pilot**" in page
    assert "## Claim 1: BN changes something" in page
    assert effect_text(effect) in page
    assert (folder / "figures/01-shape.png").stat().st_size > 10_000
    runs = pd.read_csv(folder / "runs/01-shape.csv")
    assert len(runs) == 6
    assert set(runs["sweep"]) == {"seeds"}
    assert set(runs["stage"]) == {"pilot"}
    again, idle = run([claim], tmp_path)
    assert idle.trained == []
    assert [each.as_json() for each in again] == [result.as_json()]


@pytest.mark.usefixtures("unrendered")
def test_other_claims_stay_in_the_document_and_count_in_the_correction(tmp_path: Path) -> None:
    (first,), _ = run([a_claim()], tmp_path)
    other = a_claim(id=2, name="other", tests=[{**claim_file()["tests"][0], "below": -100.0}])
    results, here = run([other], tmp_path)
    assert here.trained == []  # the same runs
    assert [result.id for result in results] == [1, 2]
    assert results[0].as_json() == first.as_json()
    sure = [replace(r, p_holds=0.002, p_fails=1.0) for r in results]
    both = decided(sure, [[1, 2]])
    assert [r.p_corrected for r in both] == pytest.approx([0.004, 0.004])
    many = decided(sure, [range(1, 30)])
    assert [r.p_corrected for r in many] == pytest.approx([29 * 0.002] * 2)
    each = decided(sure, [[1], range(2, 30)])  # each in a family of its own
    assert [r.p_corrected for r in each] == pytest.approx([0.002, 28 * 0.002])
    apart = decided([sure[0], replace(sure[1], stage="confirm")], [[1, 2]])
    assert [r.p_corrected for r in apart] == pytest.approx([0.004, 0.004])
    with pytest.raises(StudyError, match="Claim 2 is in no family"):
        decided(results, [[1, 3]])


@pytest.mark.usefixtures("unrendered")
def test_a_rule_that_changed_after_its_runs_is_seen(tmp_path: Path) -> None:
    """Two claims of the same runs: each run records the rules of both."""
    claim, other = a_claim(), a_claim(id=2, name="other", title="Another")
    (result, _), _ = run([claim, other], tmp_path)
    described = json.loads(next(tmp_path.glob("runs/*/environment.json")).read_text())
    assert described["claims"] == {
        "01-shape": rule_digest(claim, "pilot"), "02-other": rule_digest(other, "pilot")
    }  # fmt: skip
    assert (result.rule_changed, result.rules) == (False, {rule_digest(claim, "pilot"): 6})
    prose = a_claim(statement="In other words.", title="BN does something")
    assert not run([prose], tmp_path)[0][0].rule_changed
    moved = a_claim(tests=[{**claim_file()["tests"][0], "below": -1}])
    (result, _), here = run([moved], tmp_path)
    assert here.trained == []
    assert result.in_words == "pilot, rule changed"
    assert "under another one: 6" in (tmp_path / "claims" / "claims.md").read_text()


@pytest.mark.usefixtures("unrendered")
@pytest.mark.slow
def test_a_pilot_does_not_take_the_place_of_a_confirmation(tmp_path: Path) -> None:
    claim = registered()
    (confirmed,), here = run([claim], tmp_path, "confirm", None)
    assert len(here.trained) == 24
    assert confirmed.effects[0].seeds == tuple(range(1001, 1013))
    assert not confirmed.in_words.startswith("pilot")
    sure = replace(confirmed, p_holds=1e-9, p_fails=1.0)
    assert decided([sure], [[1]])[0].in_words == "supported"
    stopped = replace(sure, runs={"finished": 23, "missing": 1})
    assert decided([stopped], [[1]])[0].in_words == "undecided at n = 12, runs missing"
    (kept,), here = run([claim], tmp_path, seeds=1)
    assert len(here.trained) == 2
    assert kept == confirmed
    files = {file.name for file in (tmp_path / "claims" / "runs").iterdir()}
    assert files == {"01-shape.csv", "01-shape-confirm.csv"}


@pytest.mark.parametrize("kind", ["forest", "gap", "curves", "dose"])
@pytest.mark.slow
def test_every_kind_of_figure_is_drawn(tmp_path: Path, kind: str) -> None:
    figure = {"kind": kind}
    if kind == "curves":
        figure["metric"] = "train_loss"
    if kind == "dose":
        figure |= {"x": "lr"}
    sweeps = claim_file()["sweeps"]
    sweeps[0]["grid"] |= {"lr": [0.001, 0.01]} if kind == "dose" else {}
    (result,), _ = run([a_claim(figure=figure, sweeps=sweeps)], tmp_path, seeds=2)
    assert result.verdict == "pilot"  # two seeds decide nothing
    assert (tmp_path / "claims/figures/01-shape.png").exists()
    assert len(result.findings) == (2 if kind == "gap" else 0)
    if kind == "gap":
        assert "6.73" in result.findings[0]


@pytest.mark.usefixtures("unrendered")
def test_a_run_that_cannot_be_is_a_result(tmp_path: Path) -> None:
    """BatchNorm1d refuses a batch of one; the claim counts it as it says."""
    sweeps = [{
        "name": "one",
        "study": {"name": "tiny", "network": "mlp", "norm": "batch", "batch_size": 1,
                  "recordings": [{"kind": "pair", "layer": "1", "wx": [3, 496], "wy": [3, 527]}]},
        "set": {"epochs": 1},
    }]  # fmt: skip
    tests = [{"label": "Accuracy", "metric": "final_test_accuracy", "plus": [{}], "below": 50,
              "unit": "points", "missing": 0.1}]  # fmt: skip
    (result,), _ = run([a_claim(sweeps=sweeps, tests=tests)], tmp_path, seeds=10)
    assert result.runs == {"failed": 10}
    assert result.effects[0].by_seed == (10.0,) * 10
    assert result.p_holds == 2 / 2**10  # all equal: certain by t, and the least by signs
    assert decided([result], [[1]])[0].in_words == "pilot: supported"


def a_test(**changes: Any) -> dict[str, Any]:
    return {"tests": [{"label": "x", "metric": "y", "plus": [{}]} | changes]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (a_test(), "above or below"),
        (a_test(above=1, below=0), "less"),
        (a_test(below=0, least=1), "least is an effect"),
        (a_test(above=1, plus=[{"sweep": "z"}]), "z"),
        (a_test(above=1, plus=[{"key": "lr"}]), "largest"),
        (a_test(above=1, unit="doublings"), "minus"),
        ({"colour": "red"}, "colour"),
        ({"sweeps": [{"name": "a", "study": "mlp", "scales": {}}]}, "scales is gone"),
        ({"confirm": {"seeds": 9, "why": "x"}}, "confirm.seeds"),
        ({"registered": {"date": "2026-11-22", "digest": "1"}}, "registered.digest"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(claim_file(**changes)))
    with pytest.raises(StudyError, match=message) as refused:
        load_claims(tmp_path)
    assert "wrong.yaml" in refused.value.what


def test_outcomes_as_metrics_were_called_before_are_read_with_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    today = claim_file(figure={"kind": "strip", "metric": "loss_area"})
    old = yaml.safe_dump(today).replace("metric:", "outcome:")
    (tmp_path / "old.yaml").write_text(old)
    assert load_claims(tmp_path) == [Claim.model_validate(today)]
    assert "outcome of claims is now called metric" in caplog.text


def test_numbers_are_unique_and_unknown_claims_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(claim_file(name=name)))
    with pytest.raises(StudyError, match="Two claims have the number 1"):
        load_claims(tmp_path)
    assert [claim.id for claim in choose(CLAIMS, ["momentum", "1"])] == [1, 27]
    with pytest.raises(StudyError, match="no claim 'x'"):
        choose(CLAIMS, ["x"])
    with pytest.raises(StudyError, match="There are none"):
        choose([], ["x"])


def test_damaged_results_are_named(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text("{}")
    with pytest.raises(ClaimsError, match=r"claims\.json cannot be read"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (6.7333, "6.73"), (123.4, "123"), (0.01234, "0.0123"), (-0.5, "-0.500"),
     (0.00001, "0"), (float("nan"), "–"), (12.345, "12.3")],
)  # fmt: skip
def test_numbers_are_written_with_three_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.usefixtures("unrendered")
def test_p_values_and_the_ledger_are_written(tmp_path: Path) -> None:
    assert [p_text(p) for p in (0.00001, 0.0123, 1.0, float("nan"))] == [
        "< 0.0001", "0.012", "1", "–",
    ]  # fmt: skip
    assert [p_equation(p) for p in (0.00001, 0.5)] == ["p < 0.0001", "p = 0.5"]
    (result,), _ = run([a_claim()], tmp_path)
    assert anchor(result) == "claim-1-bn-changes-something"
    table = ledger([result], "docs/claims.md")
    assert "[BN changes something](docs/claims.md#claim-1-bn-changes-something)" in table
    label = decisive(result).label
    assert label[0].lower() + label[1:] in table
    asked = ["claims", "--markdown", "--out"]
    printed = CliRunner().invoke(app, [*asked, str(tmp_path)])
    other = replace(result, rule_changed=True)  # the file of claim 1 has another rule
    assert "**pilot, rule changed**" in printed.stdout
    assert printed.stdout == ledger([other], "docs/claims.md") + "\n"
    assert CliRunner().invoke(app, [*asked, str(tmp_path / "none")]).exit_code == 1
    assert decided([], load_families()) == []
