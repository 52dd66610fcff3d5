"""What was found out about a claim, as a document that can be written, read and printed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hindi_bn.claims.claim import STAGES, Claim, Families, Stage, family_of, load_families
from hindi_bn.claims.effects import ArmTable, censored_seeds, effects
from hindi_bn.claims.gap import gap_findings
from hindi_bn.claims.numbers import number
from hindi_bn.claims.plan import TrainedClaim
from hindi_bn.claims.rule import rule_digest
from hindi_bn.claims.verdict import (
    FEWEST,
    LEVEL,
    NOTHING_SHOWN,
    Decision,
    Effect,
    Shown,
    Verdict,
    decide,
    effect_of,
    together,
)
from hindi_bn.errors import ClaimsError
from hindi_bn.files import plain_json, refused, write_json
from hindi_bn.measures import metric_named
from hindi_bn.stats.intervals import EVERYWHERE, summarise
from hindi_bn.stats.intervals import FEWEST as SHOWN_FROM

FILE = "claims.json"


@dataclass(frozen=True)
class ClaimResult:
    """A claim, what was trained for it, and what its tests found.

    Args:
        stage: Of all of its runs.
        sizes: For each sweep, how many arms, seeds and epochs.
        data: Name of the data.
        runs: Number of runs by status.
        rule: Digest of the rule that it was judged by.
        rules: Number of runs by the digest that they were trained under, "" for none recorded.
        findings: Further sentences that no verdict depends on.
        verdict, p_holds, p_fails, p_opposite, p_corrected: See `hindi_bn.claims.verdict`.
        level: What the uncorrected p was held to.
        rule_changed: Whether a rule of these is not the one that the claim's file has now.
    """

    id: int
    name: str
    title: str
    says: str
    statement: str
    source: str
    method: str
    stage: Stage
    sizes: dict[str, dict[str, Any]]
    data: str
    runs: dict[str, int]
    rule: str
    rules: dict[str, int]
    effects: tuple[Effect, ...]
    findings: tuple[str, ...] = ()
    verdict: Verdict = "pilot"
    p_holds: float = 1.0
    p_fails: float = 1.0
    p_opposite: float = 1.0
    p_corrected: float = 1.0
    level: float = LEVEL
    rule_changed: bool = False

    @property
    def slug(self) -> str:
        """Number and name, for files."""
        return f"{self.id:02d}-{self.name}"

    @property
    def n(self) -> str:
        """Number of seeds, a range where tests differ."""
        return _span({effect.n for effect in self.effects})

    @property
    def epochs(self) -> str:
        """Number of epochs of a run, a range where sweeps differ."""
        return _span({size["epochs"] for size in self.sizes.values()})

    @property
    def in_words(self) -> str:
        """The verdict as it is read: how sure, at which n, of which stage, by which rule."""
        words = "smoke" if self.stage == "smoke" else str(self.verdict)
        if self.verdict == "undecided":
            words = f"undecided at n = {self.n}"
        if self.stage == "pilot" and self.verdict != "pilot":
            words = f"pilot: {words}"
        words += ", runs missing" if self.incomplete else ""
        return words + (", rule changed" if self.rule_changed else "")

    @property
    def incomplete(self) -> bool:
        """Whether runs of the confirmation are still to come: stopping early decides nothing."""
        return self.stage == "confirm" and not {"missing", "unfinished"}.isdisjoint(self.runs)

    @property
    def with_n(self) -> str:
        """The verdict as it is read, with its number of seeds."""
        return self.in_words if "n = " in self.in_words else f"{self.in_words}, n = {self.n}"

    @property
    def shown(self) -> Shown:
        """Its p-values."""
        if self.incomplete:
            return NOTHING_SHOWN
        return Shown(self.p_holds, self.p_fails, self.p_opposite)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ClaimResult:
        """Read what `as_json` gave."""
        found = tuple(_effect(effect) for effect in document["effects"])
        return cls(**{**document, "effects": found, "findings": tuple(document["findings"])})

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold; numbers that are none become null."""
        return dict(plain_json(asdict(self)))


def result_of(claim: Claim, trained: TrainedClaim, title: str) -> ClaimResult:
    """Test a claim on its runs; the verdict comes with those of the other claims, by `decided`.

    `title` is the name of the data.
    """
    found = effects_of(claim, trained.tables)
    gap, tables = claim.figure.kind == "gap", {k: v.runs for k, v in trained.tables.items()}
    runs = pd.concat(tables.values()).drop_duplicates("key")
    holds, fails, opposite = together([effect.shown for effect in found])
    result = ClaimResult(
        id=claim.id, name=claim.name, title=claim.title, says=claim.says.strip(),
        statement=claim.statement.strip(), source=claim.sources, method=claim.method.strip(),
        stage=trained.plan.stage, sizes={name: _size(table) for name, table in tables.items()},
        data=title,
        runs={str(k): int(v) for k, v in runs["status"].value_counts().sort_index().items()},
        rule=rule_digest(claim, trained.plan.stage), rules=trained.rules, effects=found,
        findings=(
            *_besides(claim, trained),
            *_censored(claim, trained.tables),
            *(gap_findings(trained) if gap else ()),
        ),
        p_holds=holds, p_fails=fails, p_opposite=opposite,
    )  # fmt: skip
    return marked(result, claim)


def effects_of(claim: Claim, tables: Mapping[str, ArmTable]) -> tuple[Effect, ...]:
    """Test a claim's effects on the tables of its sweeps."""
    found = [(test, effects(test, tables, claim.sweeps[0].name)) for test in claim.tests]
    return tuple(
        effect_of(test, np.asarray(by_seed.to_numpy(), dtype=np.float64), by_seed.index.to_list())
        for test, by_seed in found
    )


def marked(result: ClaimResult, claim: Claim) -> ClaimResult:
    """Say whether the claim's rule is another now than when it was judged or its runs trained."""
    rules = {result.rule, *result.rules} - {""}
    return replace(result, rule_changed=rules != {rule_digest(claim, result.stage)})


def _besides(claim: Claim, trained: TrainedClaim) -> Iterator[str]:
    """Say what was found besides, each with its interval and number of seeds."""
    for comparison in claim.besides:
        values = effects(comparison, trained.tables, trained.first).to_numpy()
        metric = metric_named(comparison.metric)
        ends = [metric.factor * end for end in metric.possible]  # of a value, not of a difference
        possible = EVERYWHERE if comparison.minus else (ends[0], ends[1])
        found = summarise(values[np.isfinite(values)], possible=possible)
        unit = f" {comparison.unit}" if comparison.unit else ""
        between = f" [{number(found.low)}, {number(found.high)}]" if found.n >= SHOWN_FROM else ""
        yield f"{comparison.label}: {number(found.mean)}{between}{unit} (n = {found.n})."


def _censored(claim: Claim, tables: Mapping[str, ArmTable]) -> Iterator[str]:
    """Say of how many seeds an edge lies beyond the values tried."""
    for comparison in claim.comparisons:
        seeds = censored_seeds(comparison, tables, claim.sweeps[0].name)
        if seeds:
            yield (
                f"{comparison.label}: in {seeds} seeds an edge lies beyond the values tried, and "
                "counts as one grid step beyond them."
            )


def _size(runs: Any) -> dict[str, Any]:
    """Say how much of a sweep was trained: arms, seeds, and epochs of a finished run."""
    finished = runs[runs["status"] == "finished"]
    return {
        "arms": int(runs["arm"].nunique()),
        "seeds": int(runs["seed"].nunique()),
        "epochs": int(finished["epochs"].max()) if len(finished) else 0,
    }


def _span(numbers: Iterable[int]) -> str:
    first, *others = sorted(set(numbers))
    return f"{first} to {others[-1]}" if others else str(first)


def decided(results: Iterable[ClaimResult], families: Families) -> list[ClaimResult]:
    """Give every claim its verdict, in the order of their numbers.

    Corrected over its family of claims, each stage by itself; StudyError for a claim of none.
    """
    ordered = sorted(results, key=lambda result: result.id)
    of = {result.id: family_of(result.id, families) for result in ordered}
    found: dict[int, ClaimResult] = {}
    for stage, family in itertools.product(STAGES, families):
        chosen = [one for one in ordered if one.stage == stage and of[one.id] == family]
        decisions = decide([result.shown for result in chosen], len(family))
        for result, decision in zip(chosen, decisions, strict=True):
            few = min(effect.n for effect in result.effects) < FEWEST
            open_ = decision.verdict == "undecided" and few
            found[result.id] = replace(
                result, verdict="pilot" if open_ else decision.verdict,
                p_corrected=decision.p_corrected, level=decision.level,
                effects=tuple(_at(effect, result, decision) for effect in result.effects),
            )  # fmt: skip
    return [found[result.id] for result in ordered]


def _at(effect: Effect, result: ClaimResult, decision: Decision) -> Effect:
    """Give an effect the interval at the level of the claim's verdict.

    That all tests hold asks each at the whole level; that one of them fails, at its share.
    """
    share = 1 if decision.verdict == "supported" else len(result.effects)
    found = summarise(effect.by_seed, 1 - decision.level / share)
    return replace(effect, corrected_low=found.low, corrected_high=found.high)


def write_results(
    folder: Path, results: Sequence[ClaimResult], environment: Mapping[str, Any]
) -> None:
    """Write `claims.json`; HindiBnError when it cannot be written."""
    document = {
        "level": LEVEL,
        "correction": "Holm, over each family of claims, each stage by itself",
        "families": [list(family) for family in load_families()],
        "environment": dict(environment),
        "claims": [result.as_json() for result in results],
    }
    write_json(folder / FILE, document)


def read_results(folder: Path) -> list[ClaimResult]:
    """Read `claims.json`; nothing when there is none, ClaimsError when it cannot be read."""
    file = folder / FILE
    if not file.exists():
        return []
    anew = "delete it; `hindi-bn claims run` writes it again from the runs that are there"
    with refused(f"{file} cannot be read.", anew, ClaimsError):
        document = json.loads(file.read_text(encoding="utf-8"))
        return [ClaimResult.from_json(entry) for entry in document["claims"]]


def _effect(document: Mapping[str, Any]) -> Effect:
    """Read an effect; null is not a number, but for a region's missing end."""
    fields: dict[str, Any] = {
        key: float("nan") if value is None and key not in ("above", "below", "least") else value
        for key, value in document.items()
    }
    fields["by_seed"], fields["seeds"] = tuple(document["by_seed"]), tuple(document["seeds"])
    return Effect(**fields)
