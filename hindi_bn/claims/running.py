"""Running claims: what is missing is trained, then every claim is tested and written down."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hindi_bn import environment
from hindi_bn.claims.claim import STAGES, load_families
from hindi_bn.claims.plan import ClaimPlan, read_plan
from hindi_bn.claims.report import document
from hindi_bn.claims.results import ClaimResult, decided, read_results, result_of, write_results
from hindi_bn.claims.tables import write_runs
from hindi_bn.digits import Digits
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.files import write_text
from hindi_bn.study import results_folder
from hindi_bn.study.words import arms_in_words
from hindi_bn.sweeps.cells import Cell
from hindi_bn.sweeps.store import RunStore

FIGURES, FOREST = "figures", "forest"


def cells_of(plans: Sequence[ClaimPlan]) -> list[Cell]:
    """Return the runs of several claims; their arms' names say which claim and sweep they are of.

    Runs that several claims share stand here several times, and are trained once.
    """
    return [
        replace(cell, arm=f"{plan.claim.id} {name}: {words[cell.arm]}")
        for plan in plans
        for name, chosen in plan.cells.items()
        for words in [arms_in_words(cell.arm for cell in chosen)]
        for cell in chosen
    ]


def found_folder(out: Path) -> Path:
    """Return the folder of the claims' results: on the real digits or else on the stand-in."""
    folder, drawn = out / "claims", results_folder(out, "claims", "stand-in")
    return drawn if drawn.exists() and not read_results(folder) else folder


def judge_claims(
    plans: Sequence[ClaimPlan], digits: Digits, store: RunStore, folder: Path, note: Note = no_note
) -> list[ClaimResult]:
    """Test claims on the runs that there are, and write everything about them.

    `claims.json` and `claims.md` keep what earlier calls found out about other claims, and of the
    same claim at a later stage. The claims' runs and figures are written beside them. Returns
    every claim in the document, in the order of their numbers; HindiBnError when something cannot
    be read or written.
    """
    from hindi_bn.claims.drawing import draw, draw_all
    from hindi_bn.figures.style import save

    results, judged = {result.id: result for result in read_results(folder)}, {}
    for plan in plans:
        trained = read_plan(plan, digits, store, note)
        write_runs(folder, plan.claim, plan.stage, trained.tables)
        known = results.get(plan.claim.id)
        if known is not None and STAGES.index(known.stage) > STAGES.index(plan.stage):
            note(f"Claim {known.id} keeps its result of the stage {known.stage}.")
            continue
        results[plan.claim.id] = result_of(plan.claim, trained, digits.title)
        judged[plan.claim.id] = trained
    every = decided(results.values(), load_families())
    for result in every:  # with the verdict, which all of them together decide
        if result.id in judged:
            save(draw(result, judged[result.id]), folder / FIGURES / result.slug)
    save(draw_all(every), folder / FIGURES / FOREST)
    write_results(folder, every, environment.describe("cpu"))
    write_text(folder / "claims.md", document(every, FIGURES))
    return every
