"""The documents against what they quote: links, ledgers, and verdicts made again from the runs."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hindi_bn.claims.claim import load_claims, load_families
from hindi_bn.claims.report import anchor, document, ledger
from hindi_bn.claims.results import ClaimResult, decided, effects_of, marked, read_results
from hindi_bn.claims.rule import rule_digest
from hindi_bn.claims.tables import read_runs

ROOT = Path(__file__).parent.parent
CLAIMS = ROOT / "results" / "claims"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *CLAIMS.glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if fragment and target.suffix == ".md":
            assert fragment in headings(target), link


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found)
    return {heading.replace(" ", "-") for heading in plain}


def quoted_ledger(page: str) -> str:
    text = (ROOT / page).read_text(encoding="utf-8")
    return text.partition("<!-- ledger -->\n")[2].partition("\n<!-- /ledger -->")[0]


def test_ledgers_are_those_of_the_results() -> None:
    """Made again by `hindi-bn claims --markdown`; README quotes some rows."""
    results = read_results(CLAIMS)
    assert quoted_ledger("docs/claims.md") == ledger(results, "claims.md")
    rows = quoted_ledger("README.md").splitlines()
    assert len(rows) == 2 + 4
    assert set(rows) <= set(ledger(results, "docs/claims.md").splitlines())


def test_make_docs_writes_the_ledgers_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdicts and counts that were changed come back as they are here."""
    (tmp_path / "docs").mkdir()
    for page in ("README.md", "docs/claims.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        text = re.sub(r"\*\*(supported|not as stated)\*\*", "**?**", text)
        text = re.sub(r"\d+ of them decided", "9 of them decided", text)
        (tmp_path / page).write_text(text, encoding="utf-8")
    script = runpy.run_path(str(ROOT / "docs" / "ledgers.py"))
    monkeypatch.setitem(script["main"].__globals__, "ROOT", tmp_path)
    script["main"]()
    for page in ("README.md", "docs/claims.md"):
        assert (tmp_path / page).read_bytes() == (ROOT / page).read_bytes()


def test_every_claim_has_a_section_with_what_is_said_and_what_is_asked() -> None:
    claims, results = load_claims(), read_results(CLAIMS)
    assert {result.id for result in results} <= {claim.id for claim in claims}
    page = ROOT / "docs" / "claims.md"
    text = " ".join(page.read_text(encoding="utf-8").split())
    for claim in claims:
        assert f"Claim {claim.id}: {claim.title}" in text
        assert claim.says.strip() in text
        assert claim.statement.strip() in text
    assert {anchor(result) for result in results} <= headings(page)
    assert (CLAIMS / "claims.md").read_text(encoding="utf-8") == document(results)


COUNTS = re.compile(
    r"(\d+) judged by fresh seeds, (\d+) of them decided; (\d+) with a pilot; (\d+) not trained yet"
)


def test_documents_say_how_many_claims_are_judged_and_which_are_left() -> None:
    claims, results = load_claims(), {result.id: result for result in read_results(CLAIMS)}
    judged = [result for result in results.values() if result.stage == "confirm"]
    decided_by_it = [result for result in judged if result.verdict != "undecided"]
    pilots, left = len(results) - len(judged), len(claims) - len(results)
    for page in ("README.md", "docs/claims.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        (found,) = COUNTS.findall(text)
        assert tuple(map(int, found)) == (len(judged), len(decided_by_it), pilots, left), page
    text = " ".join((ROOT / "docs/claims.md").read_text(encoding="utf-8").split())
    sections = re.split(r"### Claim (\d+):", text)
    for number, section in zip(map(int, sections[1::2]), sections[2::2], strict=True):
        missing = number not in results
        assert ("Not trained yet: " in section) == missing, number
        assert (f"hindi-bn claims run {number}`" in section) == missing, number
        pilot = not missing and results[number].stage == "pilot"
        assert (f"hindi-bn claims run {number} --stage confirm`" in section) == pilot, number


STATEMENT = re.compile(r"^\| ([ADTL]\d+) \| .* \| ([\d, ]+) \|$", re.MULTILINE)


def test_every_statement_of_the_sources_names_the_claims_that_ask_it() -> None:
    table = STATEMENT.findall((ROOT / "docs" / "sources.md").read_text(encoding="utf-8"))
    asked = {number: set(map(int, claims.split(", "))) for number, claims in table}
    assert len(asked) == len(table) == 27
    cited: dict[str, set[int]] = {number: set() for number in asked}
    for claim in load_claims():
        for source in claim.source:
            number = source.removeprefix("against it: ")
            if re.fullmatch(r"[ADTL]\d+", number):
                cited[number].add(claim.id)
    assert cited == asked


@pytest.mark.parametrize("result", read_results(CLAIMS), ids=lambda result: result.slug)
def test_verdicts_follow_from_the_committed_runs_by_the_claims_rules(result: ClaimResult) -> None:
    claim = {claim.id: claim for claim in load_claims()}[result.id]
    found = effects_of(claim, read_runs(CLAIMS, claim, result.stage))
    assert [test.label for test in claim.tests] == [effect.label for effect in result.effects]
    for again, effect in zip(found, result.effects, strict=True):
        assert again.by_seed == pytest.approx(effect.by_seed, rel=1e-9)
        assert (again.seeds, again.region) == (effect.seeds, effect.region)
        assert again.shown == pytest.approx(effect.shown, rel=1e-6, abs=1e-12)
        if effect.n >= 10:  # by scipy, without the code of verdicts
            assert effect.p_holds >= p_of_holding(effect.by_seed, effect.above, effect.below)
        else:
            assert (effect.verdict, effect.p_holds) == ("pilot", 1)


def p_of_holding(values: tuple[float, ...], above: float | None, below: float | None) -> float:
    """Twice the largest one-sided p against an end: scipy's t, and the least that signs allow."""
    ends = [np.array(values) - above] if above is not None else []
    ends += [below - np.array(values)] if below is not None else []
    p = [stats.ttest_1samp(end, 0.0, alternative="greater").pvalue for end in ends]
    p += [(end > 0).all() / 2 ** len(end) for end in ends]
    return float(min(1.0, 2 * max(p))) - 1e-12


def test_corrected_verdicts_are_those_of_all_claims_together() -> None:
    results = read_results(CLAIMS)
    assert decided(results, load_families()) == results


def test_verdicts_are_corrected_over_all_claims_that_there_are() -> None:
    assert [one for each in load_families() for one in each] == [
        claim.id for claim in load_claims()
    ]


def test_no_rule_has_changed_since_it_was_registered_or_judged() -> None:
    claims = {claim.id: claim for claim in load_claims()}
    for claim in claims.values():
        assert claim.registered is None or claim.registered.digest == rule_digest(claim), claim.id
    for result in read_results(CLAIMS):
        assert marked(result, claims[result.id]) == result


def test_rules_are_called_fixed_beforehand_only_where_they_are_registered() -> None:
    registered = [claim for claim in load_claims() if claim.registered is not None]
    confirmed = [result for result in read_results(CLAIMS) if result.stage == "confirm"]
    for page in (ROOT / "README.md", ROOT / "docs" / "claims.md"):
        text = " ".join(page.read_text(encoding="utf-8").split())
        says = "fixed beforehand" in text or "before the runs were made" in text
        assert not says or (registered and confirmed and not any(r.rule_changed for r in confirmed))


def test_the_multiverse_of_the_documents_is_the_one_that_was_written() -> None:
    """Made again by `hindi-bn claims multiverse`."""
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    quoted = text.partition("<!-- multiverse -->\n")[2].partition("<!-- /multiverse -->")[0]
    assert quoted == (CLAIMS / "multiverse.md").read_text(encoding="utf-8")
    rows = pd.read_csv(CLAIMS / "multiverse.csv")
    found = json.loads((CLAIMS / "multiverse.json").read_text(encoding="utf-8"))
    results = {result.id: result for result in read_results(CLAIMS)}
    assert [one["id"] for one in found] == list(results)
    for one in found:
        verdicts = rows.loc[rows["id"] == one["id"], "verdict"].value_counts().to_dict()
        assert {k: v for k, v in one["specifications"].items() if v} == verdicts
        assert one["verdict"] == results[one["id"]].in_words
