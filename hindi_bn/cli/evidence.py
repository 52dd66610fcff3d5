"""`hindi-bn evidence`: runs that count anywhere: added, listed, verified, trained again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import group_of, note, print_json
from hindi_bn.cli.progress import loader
from hindi_bn.cli.tables import duration, show, table_of
from hindi_bn.errors import EvidenceError
from hindi_bn.study.words import counted, rows_in_words

if TYPE_CHECKING:
    from hindi_bn.evidence.audit import Audited
    from hindi_bn.evidence.row import Row

evidence_app = group_of(
    "evidence",
    "Runs that count anywhere: add them to the evidence, list, verify and train it again.",
)


@evidence_app.command()
def add(
    path: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN-FOLDER|STORE]...", help="Run folders, or folders of such.",
            show_default="runs in --out",
        ),
    ] = None,
    out: options.Out = Path("results"),
    evidence: options.Evidence = None,
    json_: options.Json = False,
) -> None:  # fmt: skip
    """Write runs that ended into a new shard; those that the evidence has are left out."""
    added = hindi_bn.add_evidence(path or [], out=out, evidence=evidence)
    shard = None if added.shard is None else str(added.shard)
    if json_:
        print_json({"shard": shard, "added": added.added, "known": added.known})
    else:
        known = f"{added.known} were there before."
        typer.echo(
            f"{counted(added.added, 'run')} in {shard}; {known}"
            if shard
            else f"Nothing new; {known}"
        )


@evidence_app.command("list")
def list_(
    out: options.Out = Path("results"),
    evidence: options.Evidence = None,
    json_: options.Json = False,
) -> None:
    """List of which arms of the claims there is evidence, and of which others."""
    arms = hindi_bn.list_evidence(out=out, evidence=evidence)
    if json_:
        print_json(arms)
        return
    columns = {
        "claim": ("claim", ""), "sweep": ("sweep", ""), "arm": ("arm", ""), "data": ("data", ""),
        "numerics": ("numerics", ""), "seeds": ("seeds", "d"), "rows": ("rows", "d"),
    }  # fmt: skip
    show([table_of(rows_in_words(arms), "Evidence by arm", columns)])


@evidence_app.command()
def verify(
    out: options.Out = Path("results"),
    evidence: options.Evidence = None,
    json_: options.Json = False,
) -> None:
    """Check every shard and row: versions, digests, keys, rows that contradict each other."""
    found = hindi_bn.verify_evidence(out=out, evidence=evidence)
    if json_:
        print_json({
            "folder": str(found.folder), "shards": found.shards, "rows": found.rows,
            "problems": [str(problem) for problem in found.problems],
        })  # fmt: skip
    else:
        shards = "1 shard" if found.shards == 1 else f"{found.shards} shards"
        typer.echo(f"{found.rows} rows in {shards} of {found.folder} can be read.")
    for problem in found.problems:
        note(str(problem), quiet=json_)
    if found.problems:
        raise EvidenceError(
            f"The evidence in {found.folder} is not in order.",
            f"Problems: {len(found.problems)}.",
            "correct what is named; nothing was changed",
        )


@evidence_app.command()
def audit(
    sample: Annotated[
        int, typer.Option("--sample", min=1, metavar="N", help="Runs to train again.")
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed that they are drawn with.")] = 0,
    add_: Annotated[
        bool, typer.Option("--add", help="Add the runs as they came out now to the evidence.")
    ] = False,
    out: options.Out = Path("results"),
    evidence: options.Evidence = None,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a random sample of the evidence again and compare it with what the rows say.

    A run comes out with the same bits, within a tolerance, or different: then the exit code is 1.
    """
    audited: list[Audited] = []

    def hear(one: Audited) -> None:
        audited.append(one)
        if not json_:
            typer.echo(f"{one.agreement.outcome}: {one.row.brief()}; {one.agreement.why}")

    try:
        hindi_bn.audit_evidence(
            sample, seed, add=add_, out=out, evidence=evidence, load=loader(data_dir, quiet=quiet),
            announce=partial(_announce, quiet=quiet), audited=hear,
        )  # fmt: skip
    finally:  # what came out is told even where it cannot be added
        if json_ and audited:
            print_json([_listed(one) for one in audited])
    if different := [one for one in audited if one.agreement.outcome == "different"]:
        raise EvidenceError(
            f"{len(different)} of {len(audited)} runs came out different.",
            "What each row says is above.",
            "docs/evidence.md says what that may mean",
        )


def _announce(rows: Sequence[Row], *, quiet: bool) -> None:
    seconds = sum(row.seconds for row in rows)
    note(f"Runs to train again: {len(rows)}, which took {duration(seconds)}.", quiet=quiet)


def _listed(one: Audited) -> dict[str, Any]:
    return {
        "key": one.row.key, "run": one.row.brief(), "outcome": one.agreement.outcome,
        "why": one.agreement.why, "seconds": one.again.seconds,
    }  # fmt: skip
