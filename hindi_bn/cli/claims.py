"""`hindi-bn claims`: what the sources claim about batch norm, tested, with a verdict each."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import Group, app, note, print_json
from hindi_bn.cli.executors import (
    ExecutorName,
    ExecutorOption,
    GpusPerRun,
    RayAddress,
    Workers,
    check_executor,
    executor_of,
)
from hindi_bn.cli.sweep import loader, show_plan
from hindi_bn.cli.sweep_progress import sweep_progress
from hindi_bn.cli.train import typed_command
from hindi_bn.errors import ClaimsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hindi_bn.claims.claim import Claim
    from hindi_bn.claims.results import ClaimResult
    from hindi_bn.digits import Digits
    from hindi_bn.sweeps.cells import Cell
    from hindi_bn.sweeps.run import SweepResult
    from hindi_bn.sweeps.store import RunStore


class ScaleName(StrEnum):
    """How much is trained for a claim."""

    smoke = "smoke"
    quick = "quick"
    standard = "standard"
    full = "full"


claims_app = typer.Typer(
    cls=Group,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="What the sources claim about batch norm, tested over seeds, with a verdict each.",
)
app.add_typer(claims_app, name="claims")

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Claims by number or name.", show_default="all"),
]
Scale = Annotated[
    ScaleName,
    typer.Option(
        "--scale",
        help="How much is trained: smoke (seconds a claim, proves nothing), quick (two hours on "
        "two cores), standard (a night), full (a GPU or a cluster).",
    ),
]


@claims_app.callback(invoke_without_command=True)
def claims(
    context: typer.Context,
    out: options.Out = Path("results"),
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the verdicts as a Markdown table.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """List the claims, with the verdicts that `claims run` has come to."""
    if context.invoked_subcommand is not None:
        return
    from hindi_bn.claims.claim import load_claims
    from hindi_bn.claims.running import found_results

    if markdown:
        _print_ledger(out)
        return
    found = {result.id: result for result in found_results(out)}
    known = load_claims()
    if json_:
        print_json([_listed(claim, found.get(claim.id)) for claim in known])
        return
    from rich.console import Console

    from hindi_bn.cli.claims_text import claims_table

    console = Console(highlight=False)
    console.print(claims_table(known, found))
    console.print(
        "hindi-bn claims show ID explains a claim; hindi-bn claims run [ID...] tests it.",
        soft_wrap=True,
    )


def _print_ledger(out: Path) -> None:
    from hindi_bn.claims.report import ledger
    from hindi_bn.claims.running import found_results

    results = found_results(out)
    if not results:
        raise ClaimsError(
            f"There are no verdicts in {out / 'claims'}.",
            "No claim has been tested.",
            "test them with `hindi-bn claims run`, or name the folder with --out",
        )
    typer.echo(ledger(results, "docs/claims.md"))


def _listed(claim: Claim, result: ClaimResult | None) -> dict[str, Any]:
    return {
        "id": claim.id,
        "name": claim.name,
        "title": claim.title,
        "source": claim.source,
        "verdict": result.verdict if result else None,
        "scale": result.scale if result else None,
        "n": [effect.n for effect in result.effects] if result else None,
    }


@claims_app.command()
def show(
    claim: Annotated[str, typer.Argument(metavar="ID", help="Claim by number or name.")],
    out: options.Out = Path("results"),
    json_: options.Json = False,
) -> None:
    """Explain a claim: its source, its test and the rule of its verdict, and the result if any."""
    from hindi_bn.claims.claim import choose, load_claims
    from hindi_bn.claims.running import found_results

    (chosen,) = choose(load_claims(), [claim])
    found = {result.id: result for result in found_results(out)}.get(chosen.id)
    if json_:
        result = found.as_json() if found else None
        print_json({"claim": chosen.model_dump(mode="json"), "result": result})
        return
    from rich.console import Console

    from hindi_bn.cli.claims_text import claim_text

    console = Console(highlight=False)
    for part in claim_text(chosen, found):
        console.print(part)


@claims_app.command()
def run(
    claim: Ids = None,
    scale: Scale = ScaleName.standard,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", min=1, metavar="N", help="Seeds.", show_default="the scale's"
        ),
    ] = None,
    out: options.Out = Path("results"),
    data_dir: options.DataDir = Path("data"),
    executor: ExecutorOption = ExecutorName.local,
    ray_address: RayAddress = None,
    gpus_per_run: GpusPerRun = None,
    workers: Workers = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List what would be trained and estimate its cost."),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Train runs again that failed before.")
    ] = False,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Train what is missing for the claims, test them, and write claims.json, claims.md, figures.

    What has been trained is never trained again, so that a stopped command goes on when it is
    given again. Results land in DIR/claims; those of other claims in there are kept.
    """
    from hindi_bn.claims.claim import choose, load_claims
    from hindi_bn.claims.plan import ALL_IMAGES
    from hindi_bn.claims.running import (
        Asked,
        cells_of,
        claims_folder_of,
        judge_claims,
        train_claims,
    )
    from hindi_bn.sweeps.store import RunStore

    check_executor(executor, ray_address, gpus_per_run, workers)
    asked = Asked(choose(load_claims(), claim or []), scale.value, seeds)
    store = RunStore(out)
    if dry_run:
        cells = tuple(cells_of(asked.trials(ALL_IMAGES)))
        show_plan(cells, store, data_dir, workers, retry_failed=retry_failed, json_=json_)
        return
    digits = loader(data_dir, quiet=quiet)("digits")
    trials = asked.trials(len(digits.train_labels))
    if executor is ExecutorName.local and not quiet:
        _announce(cells_of(trials), digits, store, workers)
    with sweep_progress(quiet=quiet) as on_event:
        trained = train_claims(
            trials, digits, store, executor_of(executor, ray_address, gpus_per_run, workers),
            retry_failed=retry_failed, command=typed_command(), on_event=on_event,
        )  # fmt: skip
    folder = claims_folder_of(out, digits)
    results = judge_claims(trials, digits, store, folder, lambda text: note(text, quiet=quiet))
    _finish(results, [one.id for one in asked.claims], folder, trained, json_=json_)


def _announce(cells: Sequence[Cell], digits: Digits, store: RunStore, workers: int | None) -> None:
    """Say what is left to train, and about how long it will take."""
    from hindi_bn.cli.sweep_progress import duration
    from hindi_bn.runners.plan import plan
    from hindi_bn.sweeps.estimate import estimate
    from hindi_bn.sweeps.run import plan_sweep

    planned = plan_sweep(cells, lambda name: digits, store, "")
    left = len(planned.todo(store))
    if left:
        found = estimate(planned, store, plan(left, workers=workers, threads=1).workers)
        note(
            f"{found.todo} runs to train, {found.epochs_left} epochs: about "
            f"{duration(found.seconds)}, {found.workers} at a time (an estimate)."
        )


def _finish(
    results: Sequence[ClaimResult],
    asked: Sequence[int],
    folder: Path,
    trained: SweepResult,
    *,
    json_: bool,
) -> None:
    """Show the verdicts; exit code 1 when a run has no result that it should have."""
    from rich.console import Console

    from hindi_bn.cli.claims_text import verdicts_table

    chosen = [result for result in results if result.id in asked]
    if json_:
        print_json([result.as_json() for result in chosen])
    else:
        console = Console(highlight=False)
        console.print(verdicts_table(chosen))
        console.print(f"Everything about them: {folder / 'claims.md'}", soft_wrap=True)
    for end in trained.bad_ends:
        note(f"{end.arm}, seed {end.seed} ({end.key}) {end.status}: {end.why}")
    open_ = [end for end in trained.bad_ends if end.status != "diverged" and not end.refused]
    if open_:
        raise ClaimsError(
            f"{len(open_)} runs have no result.",
            "They failed, or their processes ended before they did.",
            "give the same command again, with --retry-failed for those that failed; what is "
            "finished is not trained again",
        )
