"""What a claim is tested with: its runs at a stage, and the tables that its tests read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from hindi_bn.claims.claim import Claim, Stage
from hindi_bn.claims.effects import ArmTable, terms_of
from hindi_bn.claims.rule import refuse_unregistered, rule_digest
from hindi_bn.digits import Digits
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.errors import StudyError
from hindi_bn.study import Run
from hindi_bn.sweeps.cells import Cell, cells
from hindi_bn.sweeps.store import RunStore, SweepRun
from hindi_bn.sweeps.sweep_file import sweep_of
from hindi_bn.sweeps.tables import epochs_table, runs_table

ALL_IMAGES = 17_000
"""Training images of the article's data, of which the smoke stage takes a part."""

PILOT_SEEDS = tuple(range(5842, 5852))
"""The article's seed is among these, and so not among those of the confirmation."""

FIRST_CONFIRMED = 1001
SMOKE_SEEDS, SMOKE_EPOCHS, SMOKE_IMAGES = 2, 1, 320
"""Shows that everything works, and nothing else."""

FEWEST_IMAGES = 20
CLASSES = 10


@dataclass(frozen=True)
class ClaimPlan:
    """A claim at a stage, with the runs of each of its sweeps by the sweep's name."""

    claim: Claim
    stage: Stage
    cells: dict[str, tuple[Cell, ...]]


@dataclass(frozen=True)
class TrainedClaim:
    """A plan's runs as they stand in the store, by the name of their sweep.

    `epochs` are those of `hindi_bn.sweeps.tables`; `rules` count the runs by the digest of
    the claim's rule that they were trained under, "" where they recorded none.
    """

    plan: ClaimPlan
    tables: dict[str, ArmTable]
    epochs: dict[str, pd.DataFrame]
    rules: dict[str, int]

    @property
    def first(self) -> str:
        """Name of the claim's first sweep."""
        return self.plan.claim.sweeps[0].name


def plan_claim(claim: Claim, stage: Stage, images: int, seeds: int | None = None) -> ClaimPlan:
    """Return what a claim is tested with; StudyError names the wrong key of a sweep.

    `images` are the training images that there are; `seeds` takes the place of the pilot's number.
    StudyError when the claim is to be confirmed and its rule or its number of seeds is not fixed.
    """
    chosen = {}
    for part in claim.sweeps:
        smoke = {"epochs": SMOKE_EPOCHS} if stage == "smoke" else {}
        document = part.model_dump() | {"set": part.set | smoke}
        sweep = sweep_of(document | {"seeds": seeds_of(claim, stage, seeds)}, f"claim {claim.id}")
        digest = {claim.slug: rule_digest(claim, stage)}
        measures = tuple(dict.fromkeys(m.partition(".")[0] for m in _measured(claim, part.name)))
        chosen[part.name] = tuple(
            replace(_smaller(cell, images) if smoke else cell, measures=measures, claims=digest)
            for cell in cells(sweep)
        )
    return ClaimPlan(claim, stage, chosen)


def seeds_of(claim: Claim, stage: Stage, seeds: int | None = None) -> tuple[int, ...]:
    """Return the seeds of a stage, or so many of them; StudyError as `plan_claim`."""
    if stage == "confirm":
        refuse_unregistered(claim)
        assert claim.confirm is not None
        if seeds is not None:
            raise StudyError(
                "A confirmation has as many seeds as the claim's file says.",
                "Looking at fewer first, or adding some, would make its verdicts too sure.",
                "leave --seeds away, or look at the pilot: --stage pilot",
            )
        return tuple(range(FIRST_CONFIRMED, FIRST_CONFIRMED + claim.confirm.seeds))
    if (seeds or 0) > len(PILOT_SEEDS):
        raise StudyError(
            f"The pilot has {len(PILOT_SEEDS)} seeds, not {seeds}.",
            "More would look for a verdict until there is one.",
            "confirm the claim with fresh seeds: --stage confirm",
        )
    return PILOT_SEEDS[: seeds or (SMOKE_SEEDS if stage == "smoke" else len(PILOT_SEEDS))]


def _smaller(cell: Cell, images: int) -> Cell:
    """Return the cell with few training images, parts of all in proportion."""
    share = min(SMOKE_IMAGES, images) / ALL_IMAGES
    of_each = round(share * (cell.run.train_images or ALL_IMAGES) / CLASSES)
    number = max(FEWEST_IMAGES, of_each * CLASSES)
    run: Run = cell.run.model_copy(update={"train_images": number})
    study = cell.study.model_copy(update={"runs": (run,)})
    return Cell(cell.arm, cell.values, cell.seed, study)


def is_whole(plan: ClaimPlan, digits: Digits, store: RunStore) -> bool:
    """Whether all of a plan's runs have ended and are in the store."""
    cells = (cell for chosen in plan.cells.values() for cell in chosen)
    return all(store.found(store.place(cell, digits)) is not None for cell in cells)


def read_plan(
    plan: ClaimPlan, digits: Digits, store: RunStore, note: Note = no_note
) -> TrainedClaim:
    """Read what is in the store of a plan's runs, and measure what its tests ask for.

    RunError when a run's folder cannot be read.
    """
    tables, epochs = {}, {}
    rules: dict[str, str] = {}
    for name, chosen in plan.cells.items():
        placed = [store.place(cell, digits) for cell in chosen]
        statuses = {run.name: store.status(run) for run in placed}
        columns = list(chosen[0].values)
        runs = runs_table(placed, statuses, columns, store)
        for metric in _measured(plan.claim, name):
            runs[metric] = _measure(placed, metric, digits, store, note)
        tables[name] = ArmTable({cell.arm: dict(cell.values) for cell in chosen}, runs)
        epochs[name] = epochs_table(placed, statuses, columns, store)
        ended = {run.key: store.found(run) for run in placed}
        rules |= {key: e.claims.get(plan.claim.slug, "") for key, e in ended.items() if e}
    return TrainedClaim(plan, tables, epochs, dict(Counter(rules.values())))


def _measured(claim: Claim, sweep: str) -> list[str]:
    """Return the metrics of a sweep that are measured on the trained networks."""
    first = claim.sweeps[0].name
    asked = [
        metric
        for test in claim.comparisons
        for term, metric in terms_of(test)
        if (term.sweep or first) == sweep
    ]
    if (claim.figure.sweep or first) == sweep:
        asked.append(claim.figure.metric)
    return [metric for metric in dict.fromkeys(asked) if "." in metric]


def _measure(
    runs: Sequence[SweepRun], metric: str, digits: Digits, store: RunStore, note: Note
) -> list[float]:
    """Measure a metric of each run; not a number where it has not finished, or has it not."""
    name, _, value = metric.partition(".")
    ended = [store.found(run) for run in runs]
    finished = sum(each is not None and each.status == "finished" for each in ended)
    note(f"Measuring {metric} of {finished} trained networks.")
    return [
        each.measured(name, digits).get(value, float("nan")) if each else float("nan")
        for each in ended
    ]
