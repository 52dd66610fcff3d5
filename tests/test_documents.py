"""The documents against what they quote: links, ledgers, and verdicts made again from the runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hindi_bn.claims.claim import load_claims
from hindi_bn.claims.effects import ArmTable, effects
from hindi_bn.claims.plan import plan_claim
from hindi_bn.claims.report import anchor, document, ledger
from hindi_bn.claims.results import ClaimResult, decided, read_results
from hindi_bn.claims.verdict import region_p

ROOT = Path(__file__).parent.parent
CLAIMS = ROOT / "results" / "claims"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *CLAIMS.glob("*.md")])
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


@pytest.mark.parametrize(
    ("page", "link"), [("README.md", "docs/claims.md"), ("docs/claims.md", "claims.md")]
)
def test_ledgers_are_those_of_the_results(page: str, link: str) -> None:
    """Made again by `hindi-bn claims --markdown`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    quoted = text.partition("<!-- ledger -->\n")[2].partition("\n<!-- /ledger -->")[0]
    assert quoted == ledger(read_results(CLAIMS), link)


def test_every_claim_has_a_verdict_and_a_section() -> None:
    results = read_results(CLAIMS)
    assert [result.id for result in results] == [claim.id for claim in load_claims()]
    sections = headings(ROOT / "docs" / "claims.md")
    assert {anchor(result) for result in results} <= sections
    assert (CLAIMS / "claims.md").read_text(encoding="utf-8") == document(results)


@pytest.mark.parametrize("result", read_results(CLAIMS), ids=lambda result: result.slug)
def test_verdicts_follow_from_the_committed_runs_by_the_claims_rules(result: ClaimResult) -> None:
    claim = {claim.id: claim for claim in load_claims()}[result.id]
    runs = pd.read_csv(CLAIMS / "runs" / f"{result.slug}.csv")
    tables = {}
    for name, cells in plan_claim(claim, result.scale, 17_000).cells.items():
        arms = {cell.arm: dict(cell.values) for cell in cells}
        tables[name] = ArmTable(arms, runs[runs["sweep"] == name])
    assert [test.label for test in claim.tests] == [effect.label for effect in result.effects]
    for test, effect in zip(claim.tests, result.effects, strict=True):
        values = effects(test, tables, claim.sweeps[0].name)
        there = values[np.isfinite(values)]
        assert there.tolist() == pytest.approx(effect.by_seed, rel=1e-9)
        assert effect.region == test.region
        p = region_p(there, test.above, test.below)
        assert p == pytest.approx((effect.p_holds, effect.p_fails), rel=1e-6, abs=1e-12)


def test_corrected_verdicts_are_those_of_all_claims_together() -> None:
    results = read_results(CLAIMS)
    assert decided(results) == results
