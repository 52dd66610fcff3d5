"""Each verdict under every defensible analysis, from the tables of runs alone.

What an analyst could have chosen otherwise: the test, the correction, which epoch an accuracy is
read at, what a run that diverged counts as, how many of the seeds. Every combination that makes a
difference to a claim is one specification. docs/statistics.md describes the choices.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hindi_bn.article.markdown import table
from hindi_bn.claims.claim import Claim, Families, Test, family_of, load_families
from hindi_bn.claims.effects import ArmTable, effects
from hindi_bn.claims.report import decisive
from hindi_bn.claims.results import ClaimResult, marked, read_results
from hindi_bn.claims.tables import read_runs
from hindi_bn.claims.verdict import (
    NOTHING_SHOWN,
    Correction,
    Decision,
    Shown,
    Verdict,
    decide,
    region_p,
    together,
)
from hindi_bn.errors import ClaimsError
from hindi_bn.files import write_json, write_text
from hindi_bn.stats.analyses import ANALYSES
from hindi_bn.stats.metrics import LAST

FILE = "multiverse"
SHOWN: tuple[Verdict, ...] = ("supported", "opposite found", "not as stated", "undecided")
FEWEST = 3
"""Seeds that an analysis needs; the floor of a verdict's ten does not hold here."""

READ_AT = {
    "final_test_accuracy": "last epoch",
    "last5_test_accuracy": "last five",
    "best_test_accuracy": "best",
}
"""Metrics that are the same accuracy, read at other epochs."""

AS_RULE, COUNTED, DROPPED, ALL, HALF = "as the rule", "as 10 %", "left out", "all", "first half"
CHOICES = ("test", "correction", "epoch", "diverged", "seeds")


class Universe(NamedTuple):
    """The choices that change a claim's effects."""

    epoch: str
    diverged: str
    seeds: str


@dataclass(frozen=True)
class ClaimMultiverse:
    """A claim's result, and a row per specification.

    `rows` has the columns of `CHOICES`, `verdict` (of the claim), and `effect`, `low`, `high` and
    `n` of the test that the claim's own verdict hangs on.
    """

    result: ClaimResult
    rows: pd.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """How often each verdict comes out."""
        return {verdict: int((self.rows["verdict"] == verdict).sum()) for verdict in SHOWN}


class Sample:
    """A claim with its runs, and what each universe makes of them."""

    def __init__(self, claim: Claim, result: ClaimResult, tables: Mapping[str, ArmTable]) -> None:
        self.claim, self.result, self.tables = claim, result, tables
        self.first = claim.sweeps[0].name
        labels, shown = [test.label for test in claim.tests], decisive(result).label
        if shown not in labels:
            raise ClaimsError(
                f"The result of claim {claim.id} is not of the claim as its file has it now.",
                f"No test is called {shown!r} any more.",
                f"test it again: `hindi-bn claims run {claim.id} --stage {result.stage}`",
            )
        self.decisive = labels.index(shown)
        runs = pd.concat([table.runs for table in tables.values()])
        self.diverged = bool((runs["status"] == "diverged").any())
        self.epochs = int(runs.loc[runs["status"] == "finished", "epochs"].min())
        self.effects = cache(self._effects)
        self.shown = cache(self._shown)

    def universes(self) -> Iterator[Universe]:
        """Give the universes that differ for this claim, the rule's own first."""
        n = min(len(values) for values in self.effects(self.own))
        diverged = (COUNTED, DROPPED) if self.diverged else (COUNTED,)
        seeds = (ALL, HALF) if n >= 2 * FEWEST else (ALL,)
        for chosen in itertools.product(self._read_at(), diverged, seeds):
            yield Universe(*chosen)

    @property
    def own(self) -> Universe:
        """The rule's own universe."""
        return Universe(self._read_at()[0], COUNTED, ALL)

    def nearest(self, universe: Universe) -> Universe:
        """Return the universe with the rule's own choice where another makes no difference here."""
        there, own = set(self.universes()), self.own
        for kept in (3, 2, 1, 0):
            for fields in itertools.combinations(Universe._fields, kept):
                chosen = own._replace(**{field: getattr(universe, field) for field in fields})
                if chosen in there:
                    return chosen
        return own

    def _read_at(self) -> tuple[str, ...]:
        """Return the epochs that an accuracy can be read at, the rule's first."""
        asked = {test.metric for test in self.claim.tests} & READ_AT.keys()
        if not asked:
            return (AS_RULE,)
        own = READ_AT[min(asked)] if len(asked) == 1 else AS_RULE
        offered = ["last epoch", *(["last five"] if self.epochs > LAST else [])]
        offered += ["best"] if self.epochs > 1 else []
        return (own, *(name for name in offered if name != own))

    def _effects(self, universe: Universe) -> tuple[NDArray[np.float64], ...]:
        """Return each test's effects, those that there are, in the order of the seeds."""
        tables = self.tables
        if universe.diverged == DROPPED:
            tables = {name: _without_diverged(table) for name, table in tables.items()}
        found = []
        for test in self.claim.tests:
            by_seed = effects(_read_at(test, universe.epoch), tables, self.first)
            values = np.asarray(by_seed.to_numpy(), dtype=np.float64)
            if universe.seeds == HALF:
                values = values[: len(values) // 2]
            found.append(values[np.isfinite(values)])
        return tuple(found)

    def _shown(self, universe: Universe, method: str) -> Shown:
        return together(
            [
                region_p(values, test, ANALYSES[method].p)
                if len(values) >= FEWEST else NOTHING_SHOWN
                for test, values in zip(self.claim.tests, self.effects(universe), strict=True)
            ]
        )  # fmt: skip

    def row(
        self, universe: Universe, method: str, correction: str, decision: Decision
    ) -> dict[str, object]:
        """Describe a specification."""
        values, analysis = self.effects(universe)[self.decisive], ANALYSES[method]
        effect, low, high = (float("nan"),) * 3
        if len(values) >= FEWEST:
            share = 1 if decision.verdict == "supported" else len(self.claim.tests)
            effect = analysis.estimate(values)
            low, high = analysis.interval(values, decision.level / share)
        chosen = {"test": method, "correction": correction, **universe._asdict()}
        found = {"effect": effect, "low": low, "high": high, "n": len(values)}
        return chosen | {"verdict": decision.verdict} | found


def _read_at(test: Test, epoch: str) -> Test:
    """Return the test with its accuracies read at another epoch."""
    names = {name: metric for metric, name in READ_AT.items()}
    if epoch not in names or test.metric not in READ_AT:
        return test
    metric = names[epoch]
    terms = {
        side: tuple(
            term.model_copy(update={"metric": metric}) if term.metric in READ_AT else term
            for term in getattr(test, side)
        )
        for side in ("plus", "minus")
    }
    return test.model_copy(update={"metric": metric, **terms})


def _without_diverged(table: ArmTable) -> ArmTable:
    runs = table.runs[table.runs["status"] != "diverged"]
    seeds = pd.MultiIndex.from_product([table.runs["seed"].unique(), table.arms])
    missing = seeds.difference(pd.MultiIndex.from_frame(runs[["seed", "arm"]]))
    empty = pd.DataFrame(list(missing), columns=["seed", "arm"])
    return replace(table, runs=pd.concat([runs, empty], ignore_index=True), skipna=True)


def multiverse(samples: Sequence[Sample], families: Families) -> list[ClaimMultiverse]:
    """Judge claims under every specification; corrected with the others' analysed alike."""
    found = []
    for sample in samples:
        rows, family = [], family_of(sample.result.id, families)
        stage = [
            other for other in samples
            if other.result.stage == sample.result.stage and other.result.id in family
        ]  # fmt: skip
        for universe, method in itertools.product(sample.universes(), ANALYSES):
            shown = [other.shown(other.nearest(universe), method) for other in stage]
            for correction in get_args(Correction):
                decision = decide(shown, len(family), correction)[stage.index(sample)]
                rows.append(sample.row(universe, method, correction, decision))
        found.append(ClaimMultiverse(sample.result, pd.DataFrame(rows)))
    return found


def write_multiverse(
    claims: Sequence[Claim], chosen: Sequence[Claim], folder: Path
) -> list[ClaimMultiverse]:
    """Judge all claims that have a result, write the tables, and draw the figures of those chosen.

    Returns the chosen ones. ClaimsError when a claim's result or its table of runs is missing.
    """
    from hindi_bn.figures.multiverse import multiverse_figure
    from hindi_bn.figures.style import Caption, save

    results = {result.id: result for result in read_results(folder)}
    known = [(claim, results[claim.id]) for claim in claims if claim.id in results]
    if not {claim.id for claim in chosen} <= results.keys() or not known:
        raise ClaimsError(
            f"Not every one of these claims has a result in {folder}.",
            f"There are results of {', '.join(map(str, sorted(results))) or 'none'}.",
            "test the others with `hindi-bn claims run`, or name the folder with --out",
        )
    every = multiverse(
        [Sample(c, marked(result, c), read_runs(folder, c, result.stage)) for c, result in known],
        load_families(),
    )
    _write(every, folder)
    asked = [one for one in every if one.result.id in {claim.id for claim in chosen}]
    for one in asked:
        result, effect = one.result, decisive(one.result)
        caption = Caption(result.data, f"claim {result.id}, {result.with_n}")
        label = effect.label + (f" ({effect.unit})" if effect.unit else "")
        figure = multiverse_figure(
            one.rows, CHOICES, label, (effect.above, effect.below), caption,
            f"Claim {result.id}: {result.title}",
        )  # fmt: skip
        save(figure, folder / "figures" / f"{FILE}-{result.slug}")
    return asked


def _write(every: Sequence[ClaimMultiverse], folder: Path) -> None:
    write_json(
        folder / f"{FILE}.json",
        [
            {"id": one.result.id, "name": one.result.name, "title": one.result.title,
             "verdict": one.result.in_words, "specifications": one.counts}
            for one in every
        ],
    )  # fmt: skip
    rows = pd.concat([one.rows.assign(id=one.result.id) for one in every])
    columns = ["id", *rows.columns.drop("id")]
    text = rows[columns].to_csv(index=False, float_format="%.6g")
    write_text(folder / f"{FILE}.csv", text)
    write_text(folder / f"{FILE}.md", multiverse_table(every) + "\n")


def multiverse_table(every: Sequence[ClaimMultiverse]) -> str:
    """Write how often each verdict comes out, as a Markdown table."""
    rows = [
        {"": one.result.id, "claim": one.result.title, "ledger": f"**{one.result.in_words}**",
         "specifications": len(one.rows), **one.counts}
        for one in every
    ]  # fmt: skip
    return table(rows, [(heading, heading, str) for heading in rows[0]])
