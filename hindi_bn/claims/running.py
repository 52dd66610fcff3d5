"""Running claims: what is missing is trained, then every claim is tested and written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hindi_bn import environment
from hindi_bn.claims.claim import Claim, ScaleName
from hindi_bn.claims.plan import ClaimPlan, TrainedClaim, plan_claim, read_plan
from hindi_bn.claims.report import document
from hindi_bn.claims.results import (
    ClaimResult,
    decided,
    read_results,
    result_of,
    write_results,
)
from hindi_bn.files import write_text
from hindi_bn.runners.local import Runner
from hindi_bn.study import results_folder
from hindi_bn.sweeps.cells import Cell
from hindi_bn.sweeps.run import OnEvent, SweepResult, run_sweep
from hindi_bn.sweeps.store import RunStore

if TYPE_CHECKING:
    from hindi_bn.digits import Digits

FIGURES = "figures"
Note = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """Which claims are to be tested, at which scale; `seeds` takes the place of the scale's."""

    claims: Sequence[Claim]
    scale: ScaleName
    seeds: int | None = None

    def plans(self, images: int) -> list[ClaimPlan]:
        """Return what each claim is tested with, where there are so many training images."""
        return [plan_claim(claim, self.scale, images, self.seeds) for claim in self.claims]


def cells_of(plans: Sequence[ClaimPlan]) -> list[Cell]:
    """Return the runs of several claims; their arms' names say which claim and sweep they are of.

    Runs that several claims share stand here several times, and are trained once.
    """
    return [
        replace(cell, arm=f"{plan.claim.id} {name}: {cell.arm}")
        for plan in plans
        for name, chosen in plan.cells.items()
        for cell in chosen
    ]


def train_claims(
    plans: Sequence[ClaimPlan],
    digits: Digits,
    store: RunStore,
    runner: Runner,
    *,
    retry_failed: bool = False,
    command: str = "",
    on_event: OnEvent = lambda progress, what: None,
) -> SweepResult:
    """Train what is missing for these claims; see `hindi_bn.sweeps.run.run_sweep`."""
    return run_sweep(
        cells_of(plans), lambda name: digits, store, runner,
        retry_failed=retry_failed, command=command, on_event=on_event,
    )  # fmt: skip


def claims_folder_of(out: Path, digits: Digits) -> Path:
    """Folder of the claims' results: its name has the data's unless those are the real digits."""
    return results_folder(out, "claims", digits.name)


def found_results(out: Path) -> list[ClaimResult]:
    """Read the claims' results: on the real digits or, without them, on the stand-in."""
    return read_results(out / "claims") or read_results(results_folder(out, "claims", "stand-in"))


def judge_claims(
    plans: Sequence[ClaimPlan],
    digits: Digits,
    store: RunStore,
    folder: Path,
    note: Note = lambda text: None,
) -> list[ClaimResult]:
    """Test claims on the runs that there are, and write everything about them.

    `claims.json` and `claims.md` keep what earlier calls found out about other claims; verdicts are
    corrected over all of them together. The claims' runs and figures are written beside them.
    Returns every claim in the document, in the order of their numbers.

    Raises:
        HindiBnError: When something cannot be read or written.
    """
    results = {result.id: result for result in read_results(folder)}
    for plan in plans:
        trained = read_plan(plan, digits, store, note)
        result = result_of(plan.claim, trained, digits.title)
        results[result.id] = result
        _write_runs(folder, result, trained)
        _draw(folder, result, trained)
    every = decided(results.values())
    write_results(folder, every, environment.describe("cpu"))
    write_text(folder / "claims.md", document(every, FIGURES))
    return every


def _write_runs(folder: Path, result: ClaimResult, trained: TrainedClaim) -> None:
    """Write a claim's runs: a row per run of all its sweeps, with every metric."""
    import pandas as pd

    parts = [runs.assign(sweep=name) for name, runs in trained.runs.items()]
    table = pd.concat(parts, ignore_index=True)
    write_text(folder / "runs" / f"{result.slug}.csv", table.to_csv(index=False))


def _draw(folder: Path, result: ClaimResult, trained: TrainedClaim) -> None:
    from hindi_bn.claims.drawing import draw
    from hindi_bn.figures.style import save

    save(draw(result, trained), folder / FIGURES / result.slug)
