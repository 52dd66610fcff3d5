"""`hindi-bn claims`: what the sources claim about batch norm, tested, with a verdict each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import group_of, note, print_json, typed_command
from hindi_bn.cli.progress import loader
from hindi_bn.cli.sweep_progress import sweep_progress
from hindi_bn.cli.tables import Parts, duration, plan_tables, show, table_of
from hindi_bn.errors import ClaimsError
from hindi_bn.study.words import counted

if TYPE_CHECKING:
    from hindi_bn.api.claims import TestedClaims
    from hindi_bn.claims.claim import Claim, ClaimSweep
    from hindi_bn.claims.results import ClaimResult
    from hindi_bn.sweeps.estimate import Estimate

INDENT = (0, 0, 0, 2)

claims_app = group_of(
    "claims",
    "What the sources claim about batch norm, tested over seeds, with a verdict each.",
    bare=True,
)

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Claims by number or name.", show_default="all"),
]
StageOption = Annotated[Literal["smoke", "pilot", "confirm"], typer.Option(
    "--stage",
    help="Which seeds are trained: smoke (two, one epoch of a few images: proves nothing), pilot "
    "(ten, from the article's on), confirm (fresh ones, as many as the claim's file says).",
)]  # fmt: skip


EvidenceOnly = Annotated[bool, typer.Option(
    "--evidence-only",
    help="Read no digits and train nothing: judge again, at each stage, the claims whose runs are "
    "all in the evidence.",
)]  # fmt: skip


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
    found = hindi_bn.read_claims(out=out)
    if markdown:
        _print_ledger([result for _, result in found if result is not None], out)
    elif json_:
        print_json([_listed(claim, result) for claim, result in found])
    else:
        show(_claims_table(found))
        typer.echo(
            "hindi-bn claims show ID explains a claim; hindi-bn claims run [ID...] tests it."
        )


def _print_ledger(results: Sequence[ClaimResult], out: Path) -> None:
    from hindi_bn.claims.report import ledger

    if not results:
        raise ClaimsError(
            f"There are no verdicts in {out / 'claims'}.",
            "No claim has been tested.",
            "test them with `hindi-bn claims run`, or name the folder with --out",
        )
    typer.echo(ledger(results, "docs/claims.md"))


def _listed(claim: Claim, result: ClaimResult | None) -> dict[str, Any]:
    listed = {key: getattr(claim, key) for key in ("id", "name", "title")}
    listed |= {"source": claim.sources}
    if result is None:
        return listed | {"verdict": None, "stage": None, "n": None, "rule_changed": None}
    n = [effect.n for effect in result.effects]
    found = {key: getattr(result, key) for key in ("verdict", "stage", "rule_changed")}
    return listed | found | {"n": n}


@claims_app.command("show")
def show_claim(
    claim: Annotated[str, typer.Argument(metavar="ID", help="Claim by number or name.")],
    out: options.Out = Path("results"),
    json_: options.Json = False,
) -> None:
    """Explain a claim: its source, its test and the rule of its verdict, and the result if any."""
    ((chosen, found),) = hindi_bn.read_claims([claim], out=out)
    if json_:
        result = found.as_json() if found else None
        print_json({"claim": chosen.model_dump(mode="json"), "result": result})
    else:
        show(_claim_text(chosen, found))


@claims_app.command()
def run(
    claim: Ids = None,
    stage: StageOption = "pilot",
    seeds: Annotated[int | None, options.seeds("the stage's")] = None,
    out: options.Out = Path("results"),
    evidence: options.Evidence = None,
    data_dir: options.DataDir = Path("data"),
    executor: options.Executor = "local",
    ray_address: options.RayAddress = None,
    gpus_per_run: options.GpusPerRun = None,
    workers: options.Workers = None,
    dry_run: options.DryRun = False,
    retry_failed: options.RetryFailed = False,
    evidence_only: EvidenceOnly = False,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train what is missing for the claims, test them, and write claims.json, claims.md, figures.

    What has been trained is never trained again, so that a stopped command goes on when it is
    given again. Results land in DIR/claims; those of other claims in there are kept.
    """
    runner = options.runner(executor, ray_address, gpus_per_run, workers)
    if dry_run:
        estimate = hindi_bn.estimate_claims(
            claim or [], stage, seeds=seeds, data_dir=data_dir, out=out, evidence=evidence,
            workers=workers, retry_failed=retry_failed,
        )  # fmt: skip
        print_json(asdict(estimate)) if json_ else show(plan_tables(estimate))
        return
    if evidence_only:
        telling = partial(note, quiet=quiet)
        again = hindi_bn.judge_claims_again(claim or [], out=out, evidence=evidence, note=telling)
        _print_tested(again, json_=json_)
        return
    tested = hindi_bn.run_claims(
        claim or [], stage, seeds=seeds, out=out, evidence=evidence,
        load=loader(data_dir, quiet=quiet), runner=runner,
        retry_failed=retry_failed, command=typed_command(),
        progress=partial(sweep_progress, quiet=quiet), note=partial(note, quiet=quiet),
        announce=None if quiet or executor == "ray" else _announce,
    )  # fmt: skip
    _print_tested(tested, json_=json_)
    for end in tested.bad_ends:
        note(f"{end.arm}, seed {end.seed} ({end.key}) {end.status}: {end.why}")
    if tested.open:
        raise ClaimsError(
            f"{counted(len(tested.open), 'run')} {'has' if len(tested.open) == 1 else 'have'} no "
            "result.",
            "They failed, or their processes ended before they did.",
            "give the same command again, with --retry-failed for those that failed; what is "
            "finished is not trained again",
        )


def _print_tested(tested: TestedClaims, *, json_: bool) -> None:
    if json_:
        print_json([result.as_json() for result in tested.results])
    else:
        show(_verdicts_table(tested.results))
        typer.echo(f"Everything about them: {tested.folder / 'claims.md'}")


@claims_app.command()
def power(
    claim: Ids = None,
    out: options.Out = Path("results"),
    write: Annotated[
        bool, typer.Option("--write", help="Write the number into each claim's file.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """Compute from the pilot how many seeds a confirmation needs for 80 % power, ten at least."""
    needed = hindi_bn.plan_claims_power(claim or [], out=out, write=write)
    if json_:
        print_json([asdict(one) | {"why": one.why} for one in needed])
        return
    columns = {
        "id": ("", "d"), "name": ("name", ""), "expects": ("expected", ""),
        "test": ("test that n hangs on", ""), "effect": ("effect", ""), "std": ("std", ".3g"),
        "pilot": ("pilot's n", "d"), "seeds": ("n", "d"), "power": ("power", ".0%"),
    }  # fmt: skip
    show([table_of([asdict(one) for one in needed], "Seeds of the confirmation", columns)])
    if write:
        note("The rules now hold these numbers: register them with `hindi-bn claims register`.")


@claims_app.command()
def register(claim: Ids = None, json_: options.Json = False) -> None:
    """Write date and digest of the rule into a claim's file: what is confirmed is fixed by it."""
    claims = hindi_bn.register_claims(claim or [])
    rows = [
        {"id": each.id, "name": each.name, "date": str(each.registered.date),
         "digest": each.registered.digest}
        for each in claims if each.registered is not None
    ]  # fmt: skip
    columns = {
        "id": ("", "d"), "name": ("name", ""), "date": ("registered", ""),
        "digest": ("digest of the rule", ""),
    }  # fmt: skip
    print_json(rows) if json_ else show([table_of(rows, "Registered rules", columns)])


@claims_app.command()
def multiverse(
    claim: Ids = None, out: options.Out = Path("results"), json_: options.Json = False
) -> None:
    """Judge claims under every defensible analysis: a table of verdicts, and a figure per claim."""
    found, folder = hindi_bn.claims_multiverse(claim or [], out=out)
    rows = [
        {"id": one.result.id, "title": one.result.title, "verdict": one.result.in_words}
        | {"all": len(one.rows)} | one.counts
        for one in found
    ]  # fmt: skip
    if json_:
        print_json(rows)
        return
    columns = {"id": ("", "d"), "title": ("claim", ""), "verdict": ("ledger", "")}
    columns |= {"all": ("specifications", "d")}
    columns |= {name: (name, "d") for one in found[:1] for name in one.counts}
    show([table_of(rows, "How often each verdict comes out", columns)])
    typer.echo(f"Every specification: {folder / 'multiverse.csv'}; figures: {folder / 'figures'}")


def _announce(found: Estimate) -> None:
    """Note what is left to train, and about how long it will take."""
    if found.todo:
        note(
            f"{counted(found.todo, 'run')} to train, {counted(found.epochs_left, 'epoch')}: about "
            f"{duration(found.seconds)}, {found.workers} at a time (an estimate)."
        )


def _claims_table(found: Sequence[tuple[Claim, ClaimResult | None]]) -> Parts:
    """Return the list of claims, with the verdicts that there are."""
    rows = [
        {
            "id": claim.id, "name": claim.name, "title": claim.title,
            "verdict": result.in_words if result else "not tested",
            "n": result.n if result else "", "epochs": result.epochs if result else "",
        }
        for claim, result in found
    ]  # fmt: skip
    columns = {
        "id": ("", "d"), "name": ("name", ""), "title": ("claim", ""), "verdict": ("verdict", ""),
        "n": ("n", ""), "epochs": ("epochs", ""),
    }  # fmt: skip
    return [table_of(rows, "Claims about batch norm", columns)]


def _verdicts_table(results: Sequence[ClaimResult]) -> Parts:
    """Return the verdicts, each with the effect of the test that it hangs on."""
    from hindi_bn.claims.report import decisive, effect_text

    rows = []
    for result in results:
        effect = decisive(result)
        text = f"{effect_text(effect, corrected=True)}: {effect.label}"
        row = {"verdict": result.in_words, "effect": text, "n": effect.n, "epochs": result.epochs}
        rows.append(vars(result) | row)
    columns = {
        "id": ("", "d"), "title": ("claim", ""), "verdict": ("verdict", ""),
        "effect": ("effect [corrected interval]", ""), "n": ("n", "d"), "epochs": ("epochs", ""),
    }  # fmt: skip
    return [table_of(rows, "Verdicts", columns)]


def _claim_text(claim: Claim, result: ClaimResult | None) -> list[Any]:
    """Return a claim explained, as parts to print."""
    from rich.padding import Padding
    from rich.text import Text

    from hindi_bn.claims.numbers import p_equation
    from hindi_bn.claims.report import RULE

    parts: list[Any] = [
        Text(f"Claim {claim.id} ({claim.name}): {claim.title}", style="bold"),
        *_paragraph("Source", claim.sources),
        *_paragraph("It says", claim.says),
        *_paragraph("Claim", claim.statement),
        *_paragraph("Test", claim.method),
        *_paragraph("Runs", *map(_runs_text, claim.sweeps)),
        *_paragraph("Seeds", _seeds_text(claim)),
        Text("Rule", style="bold"),
        *(Padding(Text(f"{test.label}: {test.region}"), INDENT) for test in claim.tests),
        Padding(Text(_registered_text(claim)), INDENT),
        Padding(Text(RULE.replace("*", "")), INDENT),
    ]
    if result is None:
        return parts + _paragraph("Result", f"Not tested yet: hindi-bn claims run {claim.id}")
    corrected = p_equation(result.p_corrected)
    text = f"{result.with_n} ({corrected}, corrected)."
    parts += _paragraph("Result", text) + _effects(result)
    return parts + [Padding(Text(finding), INDENT) for finding in result.findings]


def _seeds_text(claim: Claim) -> str:
    pilot = "pilot: ten, 5842 to 5851"
    if claim.confirm is None:
        return f"{pilot}; confirmation: not fixed yet (hindi-bn claims power {claim.id})."
    n = claim.confirm.seeds
    return f"{pilot}; confirmation: {n}, 1001 to {1000 + n}: {claim.confirm.why}."


def _registered_text(claim: Claim) -> str:
    from hindi_bn.claims.rule import rule_digest

    if claim.registered is None:
        return "Not registered."
    same = claim.registered.digest == rule_digest(claim)
    return f"Registered on {claim.registered.date}" + ("." if same else ", and changed since.")


def _paragraph(name: str, *texts: str) -> list[Any]:
    from rich.padding import Padding
    from rich.text import Text

    return [Text(name, style="bold"), *(Padding(Text(text.strip()), INDENT) for text in texts)]


def _runs_text(sweep: ClaimSweep) -> str:
    study = sweep.study if isinstance(sweep.study, str) else sweep.study.get("name", "")
    grid = "; ".join(
        f"{key}: {', '.join(map(_value, values))}" for key, values in sweep.grid.items()
    )
    settings = "; ".join(f"{key}: {_value(value)}" for key, value in sweep.set.items())
    return "; ".join(filter(None, [f"{sweep.name}: study {study}", settings, grid])) + "."


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{key} {entry}" for key, entry in value.items() if key != "name")
        return f"{value.get('name', '')} ({inner})"
    return str(value)


def _effects(result: ClaimResult) -> Parts:
    from hindi_bn.claims.report import effect_text

    rows = [
        vars(effect) | {"n": effect.n, "effect": effect_text(effect)} for effect in result.effects
    ]
    columns = {
        "label": ("test", ""), "effect": ("mean [95 % interval]", ""),
        "region": ("holds where", ""), "verdict": ("by itself", ""), "n": ("n", "d"),
    }  # fmt: skip
    return [table_of(rows, "Its tests", columns)]
