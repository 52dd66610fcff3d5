"""What was found out about a claim, as a document that can be written, read and printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hindi_bn.claims.claim import Claim, ScaleName
from hindi_bn.claims.effects import censored_seeds, effects
from hindi_bn.claims.gap import gap_findings
from hindi_bn.claims.numbers import number
from hindi_bn.claims.plan import TrainedClaim
from hindi_bn.claims.verdict import LEVEL, Effect, Verdict, decide, effect_of, together
from hindi_bn.errors import ClaimsError
from hindi_bn.files import plain_json, refused, write_json
from hindi_bn.stats.intervals import summarise

FILE = "claims.json"


@dataclass(frozen=True)
class ClaimResult:
    """A claim, what was trained for it, and what its tests found.

    Args:
        sizes: For each sweep, how many arms, seeds and epochs.
        data: Name of the data.
        runs: Number of runs by status.
        findings: Further sentences that no verdict depends on.
        verdict, p_holds, p_fails, p_corrected: See `hindi_bn.claims.verdict`; corrected over the
            claims in the same document.
    """

    id: int
    name: str
    title: str
    statement: str
    source: str
    method: str
    scale: ScaleName
    sizes: dict[str, dict[str, Any]]
    data: str
    runs: dict[str, int]
    effects: tuple[Effect, ...]
    findings: tuple[str, ...] = ()
    verdict: Verdict = "undecided"
    p_holds: float = 1.0
    p_fails: float = 1.0
    p_corrected: float = 1.0

    @property
    def slug(self) -> str:
        """Number and name, for files."""
        return f"{self.id:02d}-{self.name}"

    @property
    def n(self) -> str:
        """Number of seeds, a range where tests differ."""
        numbers = sorted({effect.n for effect in self.effects})
        return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"

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
    found = tuple(
        effect_of(test, effects(test, trained.tables, trained.first)) for test in claim.tests
    )
    holds, fails = together(found)
    gap, tables = claim.figure.kind == "gap", {k: v.runs for k, v in trained.tables.items()}
    runs = pd.concat(tables.values()).drop_duplicates("key")
    return ClaimResult(
        id=claim.id, name=claim.name, title=claim.title, statement=claim.statement.strip(),
        source=claim.source, method=claim.method.strip(), scale=trained.plan.scale,
        sizes={name: _size(table) for name, table in tables.items()}, data=title,
        runs={str(k): int(v) for k, v in runs["status"].value_counts().sort_index().items()},
        effects=found,
        findings=(
            *_besides(claim, trained),
            *_censored(claim, trained),
            *(gap_findings(trained) if gap else ()),
        ),
        p_holds=holds, p_fails=fails,
    )  # fmt: skip


def _besides(claim: Claim, trained: TrainedClaim) -> Iterator[str]:
    """Say what was found besides, each with its interval and number of seeds."""
    for comparison in claim.besides:
        values = effects(comparison, trained.tables, trained.first)
        found = summarise(values[np.isfinite(values)])
        unit = f" {comparison.unit}" if comparison.unit else ""
        yield (
            f"{comparison.label}: {number(found.mean)} [{number(found.low)}, {number(found.high)}]"
            f"{unit} (n = {found.n})."
        )


def _censored(claim: Claim, trained: TrainedClaim) -> Iterator[str]:
    """Say of how many seeds an edge lies beyond the values tried."""
    for comparison in claim.comparisons:
        seeds = censored_seeds(comparison, trained.tables, trained.first)
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


def decided(results: Iterable[ClaimResult]) -> list[ClaimResult]:
    """Give every claim its verdict, corrected over all of them, in the order of their numbers."""
    ordered = sorted(results, key=lambda result: result.id)
    decisions = decide([(result.p_holds, result.p_fails) for result in ordered])
    return [
        replace(result, verdict=verdict, p_corrected=p)
        for result, (verdict, p) in zip(ordered, decisions, strict=True)
    ]


def write_results(
    folder: Path, results: Sequence[ClaimResult], environment: Mapping[str, Any]
) -> None:
    """Write `claims.json`; HindiBnError when it cannot be written."""
    document = {
        "level": LEVEL,
        "correction": "Holm, over the claims in this file",
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
        key: float("nan") if value is None and key not in ("above", "below") else value
        for key, value in document.items()
    }
    fields["by_seed"] = tuple(document["by_seed"])
    return Effect(**fields)
