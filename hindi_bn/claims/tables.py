"""The table of a claim's runs beside its result, from which all of it can be computed again."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from hindi_bn.claims.claim import Claim, Stage
from hindi_bn.claims.effects import ArmTable
from hindi_bn.claims.plan import ALL_IMAGES, plan_claim
from hindi_bn.errors import ClaimsError
from hindi_bn.files import refused, write_text


def runs_file(folder: Path, slug: str, stage: Stage) -> Path:
    """Return the file of a claim's runs; each stage has its own."""
    return folder / "runs" / (f"{slug}.csv" if stage == "pilot" else f"{slug}-{stage}.csv")


def write_runs(folder: Path, claim: Claim, stage: Stage, tables: Mapping[str, ArmTable]) -> None:
    """Write the runs of all of a claim's sweeps; HindiBnError when they cannot be written."""
    parts = [table.runs.assign(sweep=name, stage=stage) for name, table in tables.items()]
    runs = pd.concat(parts, ignore_index=True).to_csv(index=False)
    write_text(runs_file(folder, claim.slug, stage), runs)


def read_runs(folder: Path, claim: Claim, stage: Stage) -> dict[str, ArmTable]:
    """Read the runs of a claim's sweeps back; ClaimsError when they are not there, or are others'.

    Needs neither run folders nor digits.
    """
    file = runs_file(folder, claim.slug, stage)
    train = f"train what is missing: `hindi-bn claims run {claim.id} --stage {stage}`"
    with refused(f"There is no table of the {stage} runs of claim {claim.id}.", train, ClaimsError):
        runs = pd.read_csv(file)
    tables = {}
    for name, cells in plan_claim(claim, stage, ALL_IMAGES).cells.items():
        arms = {cell.arm: dict(cell.values) for cell in cells}
        table = ArmTable(arms, runs[runs["sweep"] == name])
        if absent := set(arms) - set(table.runs["arm"]):
            raise ClaimsError(
                f"{file} lacks runs of claim {claim.id}.",
                f"It has no arm {sorted(absent)[0]!r} in {name}.",
                train,
            )
        tables[name] = table
    return tables
