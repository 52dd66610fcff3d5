"""Evidence: runs that count anywhere, added from their folders, listed, verified, trained again."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hindi_bn.api.digits import load_digits
from hindi_bn.api.sweeps import evidence_folder
from hindi_bn.claims.claim import load_claims
from hindi_bn.claims.plan import ALL_IMAGES, plan_claim
from hindi_bn.errors import EvidenceError
from hindi_bn.evidence.audit import Audited, audit, sample
from hindi_bn.evidence.keys import settings_of
from hindi_bn.evidence.row import Row, row_of
from hindi_bn.evidence.shards import check_evidence, read_evidence, write_shard
from hindi_bn.files import digest_of
from hindi_bn.records import RunFolder
from hindi_bn.runners.scratch import scratch
from hindi_bn.sweeps.run import Load
from hindi_bn.sweeps.store import ended

Where = str | os.PathLike[str]


@dataclass(frozen=True)
class AddedEvidence:
    """The new shard, if any run was new, and how many runs are in it and were there before."""

    shard: Path | None
    added: int
    known: int


@dataclass(frozen=True)
class VerifiedEvidence:
    """What is in a folder of evidence, and everything that is wrong with it."""

    folder: Path
    shards: int
    rows: int
    problems: tuple[EvidenceError, ...]


def add_evidence(
    paths: Sequence[Where] = (), *, out: Where = "results", evidence: Where | None = None
) -> AddedEvidence:
    """Write runs that ended into a new shard of the evidence; those that it has are left out.

    Args:
        paths: Run folders, each of which must have ended, and folders of such; `<out>/runs` unless
            given.
        evidence: Folder of the evidence; `<out>/evidence` unless given.

    Raises:
        EvidenceError: A run is no evidence, contradicts what is there, or the evidence is damaged.
            Nothing is written.
    """
    folder = Path(out) / "evidence" if evidence is None else Path(evidence)
    there = read_evidence(folder)
    rows = [row_of(run) for run in _run_folders([Path(p) for p in paths] or [Path(out) / "runs"])]
    new = [row for row in rows if not there.has(row)]
    shard = write_shard(folder, new) if new else None
    return AddedEvidence(shard, len(new), len(rows) - len(new))


def list_evidence(*, out: Where = "results", evidence: Where | None = None) -> list[dict[str, Any]]:
    """List the arms of the claims' sweeps that the evidence has runs of, and other arms.

    A dict per arm: `claim` (number and name, None for others), `sweep`, `arm`, `data`, `numerics`,
    `seeds` (number of seeds with a row) and `rows`. A run that serves several claims is in each.
    """
    by_arm: dict[str, list[Row]] = {}
    for row in read_evidence(evidence_folder(out, evidence)).rows:
        by_arm.setdefault(_arm(row.settings, row.data["name"]), []).append(row)
    listed, claimed = [], set()
    for claim, sweep, arm, settings in _planned():
        if settings in by_arm:
            claimed.add(settings)
            listed.append({"claim": claim, "sweep": sweep, "arm": arm} | _counts(by_arm[settings]))
    for settings, rows in by_arm.items():
        if settings not in claimed:
            name = rows[0].brief().rpartition(", seed")[0]
            listed.append({"claim": None, "sweep": None, "arm": name} | _counts(rows))
    return listed


def verify_evidence(*, out: Where = "results", evidence: Where | None = None) -> VerifiedEvidence:
    """Check every shard and row of the evidence; nothing is changed, and nothing is raised."""
    found, problems = check_evidence(evidence_folder(out, evidence))
    return VerifiedEvidence(found.folder, len(found.shards), len([*found.rows]), tuple(problems))


def audit_evidence(
    size: int = 3,
    seed: int = 0,
    *,
    add: bool = False,
    data_dir: Where = "data",
    out: Where = "results",
    evidence: Where | None = None,
    load: Load | None = None,
    announce: Callable[[Sequence[Row]], None] = lambda rows: None,
    audited: Callable[[Audited], None] = lambda one: None,
) -> list[Audited]:
    """Train a random sample of the evidence again and compare; see docs/evidence.md.

    Args:
        size, seed: Number of runs, and the seed that they are drawn with.
        add: Write the runs as they came out now into a shard of their own.
        announce, audited: Called with the rows before anything is trained, and with each outcome.

    Raises:
        EvidenceError: There is no evidence that can be trained here, or it is damaged; also with
            `add`, where what came out contradicts it.
    """
    folder = evidence_folder(out, evidence)
    rows = sample([*read_evidence(folder).rows], size, seed)
    if not rows:
        raise EvidenceError(
            f"There is nothing to train again in {folder}.",
            "It holds no run of a device that is here.",
            "add runs with `hindi-bn evidence add`, or name another folder with --evidence",
        )
    announce(rows)
    found = []
    with scratch("hindi-bn-audit-") as folder_of_runs:
        loaded = load or partial(load_digits, data_dir, fetch=True)
        for one in audit(rows, loaded, folder_of_runs):
            found.append(one)
            audited(one)
    if add:
        write_shard(folder, [one.again for one in found])
    return found


def _run_folders(paths: Sequence[Path]) -> Iterator[RunFolder]:
    """Give the run folders that paths name, and those within that ended, each once."""
    given: set[Path] = set()
    for path in paths:
        own = RunFolder(path)
        within = (
            [] if own.exists else [RunFolder(p.parent) for p in sorted(path.glob("*/run.yaml"))]
        )
        if not own.exists and not within:
            raise EvidenceError(
                f"There are no runs in {path}.",
                "It is neither a run's folder nor a folder of such.",
                "name a folder such as results/runs, or train with `hindi-bn sweep`",
            )
        for folder in [own] if own.exists else filter(ended, within):
            if folder.path.resolve() not in given:
                given.add(folder.path.resolve())
                yield folder


def _planned() -> Iterator[tuple[str, str, str, str]]:
    """Give claim, sweep, arm and settings of every arm of every claim."""
    for claim in load_claims():
        for sweep, cells in plan_claim(claim, "pilot", ALL_IMAGES).cells.items():
            arms = {cell.arm: cell for cell in cells}
            for name, cell in arms.items():
                settings = _arm(settings_of(cell.study, cell.run), cell.study.data)
                yield f"{claim.id} {claim.name}", sweep, name, settings


def _arm(settings: dict[str, Any], data: str) -> str:
    """Return what runs that differ in their seed share."""
    return digest_of([{k: v for k, v in settings.items() if k != "seed"}, data])


def _counts(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "data": rows[0].data["name"],
        "numerics": rows[0].numerics,
        "seeds": len({row.seed for row in rows}),
        "rows": len(rows),
    }
