"""Claims: what the sources claim about batch norm, tested over seeds, with a verdict each."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hindi_bn.api.digits import load_digits
from hindi_bn.api.sweeps import Opened, estimate_cells, evidence_folder, no_progress, store_of
from hindi_bn.claims.claim import (
    STAGES,
    Claim,
    Stage,
    choose,
    family_of,
    load_claims,
    load_families,
)
from hindi_bn.claims.multiverse import ClaimMultiverse, write_multiverse
from hindi_bn.claims.plan import ALL_IMAGES, is_whole, plan_claim, seeds_of
from hindi_bn.claims.power import Needed, needed_by, write_seeds
from hindi_bn.claims.results import ClaimResult, marked, read_results
from hindi_bn.claims.rule import register
from hindi_bn.claims.running import cells_of, found_folder, judge_claims
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.digits.real import unseen
from hindi_bn.errors import ClaimsError
from hindi_bn.runners.local import LocalRunner, Runner
from hindi_bn.study import results_folder
from hindi_bn.sweeps.estimate import Estimate
from hindi_bn.sweeps.run import BadEnd, Load, run_sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class TestedClaims:
    """The verdicts that were asked for, their folder, and runs that diverged or have no result."""

    results: tuple[ClaimResult, ...]
    folder: Path
    bad_ends: tuple[BadEnd, ...]

    @property
    def open(self) -> tuple[BadEnd, ...]:
        """The runs that should have a result and have none."""
        return tuple(e for e in self.bad_ends if e.status != "diverged" and not e.refused)


def read_claims(
    ids: Sequence[str] = (), *, out: str | os.PathLike[str] = "results"
) -> list[tuple[Claim, ClaimResult | None]]:
    """Read the claims, all or those named by number or name, each with its result if it has one.

    Examples:
        >>> ((claim, result),) = read_claims(["left-out"], out="nowhere")
        >>> claim.title, result
        ('A network trained with BN cannot do without its layers', None)
    """
    found = {result.id: result for result in read_results(found_folder(Path(out)))}
    return [
        (claim, marked(found[claim.id], claim) if claim.id in found else None)
        for claim in choose(load_claims(), list(ids))
    ]


def draw_claims(out: str | os.PathLike[str] = "results") -> "Figure":
    """Draw the forest plot of all claims that have a result; ClaimsError when none has."""
    from hindi_bn.claims.drawing import draw_all

    folder = found_folder(Path(out))
    results = read_results(folder)
    if not results:
        raise ClaimsError(
            f"There are no results of claims in {folder}.",
            "The forest plot has a row per claim with a result.",
            "test some first: hindi-bn claims run",
        )
    return draw_all(results)


def register_claims(ids: Sequence[str] = ()) -> list[Claim]:
    """Write the date and the digest of their rule into claims' files; returns the claims."""
    return [register(claim) for claim in choose(load_claims(), list(ids))]


def plan_claims_power(
    ids: Sequence[str] = (), *, out: str | os.PathLike[str] = "results", write: bool = False
) -> list[Needed]:
    """Compute from the pilot how many seeds claims need for 80 % power, at the corrected level.

    `write` puts the number into each claim's file; ClaimsError when a pilot is missing or, with
    `write`, has too few seeds.
    """
    claims, folder = choose(load_claims(), list(ids)), found_folder(Path(out))
    families = load_families()
    needed = [needed_by(one, folder, len(family_of(one.id, families))) for one in claims]
    if write:
        write_seeds(claims, needed)
    return needed


def claims_multiverse(
    ids: Sequence[str] = (), *, out: str | os.PathLike[str] = "results"
) -> tuple[list[ClaimMultiverse], Path]:
    """Judge claims under every defensible analysis, and write tables and figures of it.

    Returns what was found of the claims asked for, and the folder. Needs the tables of runs alone.
    """
    folder = found_folder(Path(out))
    return write_multiverse(load_claims(), choose(load_claims(), list(ids)), folder), folder


def estimate_claims(
    ids: Sequence[str] = (),
    stage: Stage = "pilot",
    *,
    seeds: int | None = None,
    data_dir: str | os.PathLike[str] = "data",
    out: str | os.PathLike[str] = "results",
    evidence: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
) -> Estimate:
    """List what claims would train and measure what it would cost; nothing is written."""
    claims = choose(load_claims(), list(ids))
    cells = cells_of([plan_claim(claim, stage, ALL_IMAGES, seeds) for claim in claims])
    load, store = partial(load_digits, data_dir), store_of(out, evidence)
    return estimate_cells(cells, load, store, workers, retry_failed=retry_failed)


def run_claims(
    ids: Sequence[str] = (),
    stage: Stage = "pilot",
    *,
    seeds: int | None = None,
    data_dir: str | os.PathLike[str] = "data",
    out: str | os.PathLike[str] = "results",
    evidence: str | os.PathLike[str] | None = None,
    load: Load | None = None,
    runner: Runner | None = None,
    retry_failed: bool = False,
    command: str = "",
    progress: Opened = no_progress,
    note: Note = no_note,
    announce: Callable[[Estimate], None] | None = None,
) -> TestedClaims:
    """Train what is missing for claims, test them, and write claims.json, claims.md and figures.

    Args:
        ids: Claims by number or name; all unless given.
        stage: Which seeds are trained, see docs/statistics.md; `seeds` for a part of the pilot's.
        evidence, load, runner, retry_failed, progress: As for `sweep`.
        announce: Called with an estimate before anything is trained.
    """
    claims = choose(load_claims(), list(ids))
    for claim in claims:
        seeds_of(claim, stage, seeds)  # refuses before anything is fetched
    store = store_of(out, evidence)
    digits = (load or partial(load_digits, data_dir, fetch=True))("digits")
    plans = [plan_claim(claim, stage, len(digits.train_labels), seeds) for claim in claims]
    cells, runner = cells_of(plans), runner or LocalRunner()
    if announce is not None:
        workers = runner.workers if isinstance(runner, LocalRunner) else None
        announce(estimate_cells(cells, lambda name: digits, store, workers))
    with progress() as on_event:
        trained = run_sweep(
            cells, lambda name: digits, store, runner,
            retry_failed=retry_failed, command=command, on_event=on_event, note=note,
        )  # fmt: skip
    folder = results_folder(Path(out), "claims", digits.name)
    results = judge_claims(plans, digits, store, folder, note)
    return TestedClaims(_of(claims, results), folder, trained.bad_ends)


def judge_claims_again(
    ids: Sequence[str] = (),
    *,
    out: str | os.PathLike[str] = "results",
    evidence: str | os.PathLike[str] | None = None,
    note: Note = no_note,
) -> TestedClaims:
    """Judge claims from the evidence alone: no digits are read, and nothing is trained.

    Every claim is judged at each stage of which all runs are there; ClaimsError when none is.
    """
    claims, store, digits = choose(load_claims(), list(ids)), store_of(out, evidence), unseen()
    plans = [
        plan
        for stage in STAGES[1:]
        for claim in claims
        if stage != "confirm" or claim.registered is not None
        for plan in [plan_claim(claim, stage, ALL_IMAGES)]
        if is_whole(plan, digits, store)
    ]
    if not plans:
        raise ClaimsError(
            f"The evidence in {evidence_folder(out, evidence)} has no claim's runs whole.",
            "Each of the claims asked for lacks runs at every stage.",
            "ask for all with `hindi-bn claims run --evidence-only`, name another folder with "
            "--evidence, or train what is missing with `hindi-bn claims run`",
        )
    folder = results_folder(Path(out), "claims", digits.name)
    results = judge_claims(plans, digits, store, folder, note)
    return TestedClaims(_of([plan.claim for plan in plans], results), folder, ())


def _of(claims: Sequence[Claim], results: Sequence[ClaimResult]) -> tuple[ClaimResult, ...]:
    wanted = {claim.id for claim in claims}
    return tuple(result for result in results if result.id in wanted)
