"""What a claim is tested with: its runs at a scale, and the tables that its tests read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from hindi_bn.claims.claim import Claim, Scale, ScaleName
from hindi_bn.claims.effects import ArmTable, terms_of
from hindi_bn.digits import Digits
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.study import Run
from hindi_bn.sweeps.cells import Cell, cells
from hindi_bn.sweeps.store import RunStore, SweepRun
from hindi_bn.sweeps.sweep_file import sweep_of
from hindi_bn.sweeps.tables import epochs_table, runs_table

ALL_IMAGES = 17_000
"""Training images of the article's data, of which a scale's `images` are a part."""

FEWEST_IMAGES = 20
CLASSES = 10


@dataclass(frozen=True)
class ClaimPlan:
    """A claim at a scale, with the runs of each of its sweeps by the sweep's name."""

    claim: Claim
    scale: ScaleName
    cells: dict[str, tuple[Cell, ...]]


@dataclass(frozen=True)
class TrainedClaim:
    """A plan's runs as they stand in the store, by the name of their sweep.

    `epochs` are those of `hindi_bn.sweeps.tables`.
    """

    plan: ClaimPlan
    tables: dict[str, ArmTable]
    epochs: dict[str, pd.DataFrame]

    @property
    def first(self) -> str:
        """Name of the claim's first sweep."""
        return self.plan.claim.sweeps[0].name


def plan_claim(claim: Claim, scale: ScaleName, images: int, seeds: int | None = None) -> ClaimPlan:
    """Return what a claim is tested with; StudyError names the wrong key of a sweep.

    `images` are the training images that there are; `seeds` takes the place of the scale's.
    """
    chosen = {}
    for part in claim.sweeps:
        size = part.scale(scale)
        settings = part.set | ({} if size.epochs is None else {"epochs": size.epochs})
        document = part.model_dump(exclude={"scales", "set"})
        sweep = sweep_of(
            document | {"set": settings, "seeds": seeds or size.seeds}, f"claim {claim.id}"
        )
        measures = tuple(dict.fromkeys(m.partition(".")[0] for m in _measured(claim, part.name)))
        chosen[part.name] = tuple(
            replace(_sized(cell, size, images), measures=measures) for cell in cells(sweep)
        )
    return ClaimPlan(claim, scale, chosen)


def _sized(cell: Cell, scale: Scale, images: int) -> Cell:
    """Return the cell with as few training images as the scale says, parts of all in proportion."""
    if scale.images is None:
        return cell
    share = min(scale.images, images) / ALL_IMAGES
    of_each = round(share * (cell.run.train_images or ALL_IMAGES) / CLASSES)
    number = max(FEWEST_IMAGES, of_each * CLASSES)
    run: Run = cell.run.model_copy(update={"train_images": number})
    study = cell.study.model_copy(update={"runs": (run,)})
    return Cell(cell.arm, cell.values, cell.seed, study)


def read_plan(
    plan: ClaimPlan, digits: Digits, store: RunStore, note: Note = no_note
) -> TrainedClaim:
    """Read what is in the store of a plan's runs, and measure what its tests ask for.

    RunError when a run's folder cannot be read.
    """
    tables, epochs = {}, {}
    for name, chosen in plan.cells.items():
        placed = [store.place(cell, digits) for cell in chosen]
        statuses = {run.name: store.status(run) for run in placed}
        columns = list(chosen[0].values)
        runs = runs_table(placed, statuses, columns, store)
        for metric in _measured(plan.claim, name):
            runs[metric] = _measure(placed, metric, digits, store, note)
        tables[name] = ArmTable({cell.arm: dict(cell.values) for cell in chosen}, runs)
        epochs[name] = epochs_table(placed, statuses, columns, store)
    return TrainedClaim(plan, tables, epochs)


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
