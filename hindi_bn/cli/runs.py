"""`hindi-bn runs`: what has been trained: listed, filtered, sorted, shown, verified, removed."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import group_of, note, print_json
from hindi_bn.cli.tables import duration, show, table_of
from hindi_bn.errors import RunError

runs_app = group_of(
    "runs", "Runs that are recorded: list, filter, sort, show, verify, remove.", bare=True
)

WhereOption = Annotated[list[str] | None, typer.Option(
    "--where", metavar="CONDITION", show_default="all runs",
    help="Only runs for which this holds: norm=batch, 'study=art*', 'lr>0.01', status!=finished; "
    "may be repeated. The keys are those of --json.",
)]  # fmt: skip

ALWAYS = {"folder": ("run", ""), "status": ("status", ""), "done": ("epochs", "")}
VARYING = {
    "norm": ("norm", ""), "network": ("network", ""), "lr": ("lr", "g"),
    "batch_size": ("batch size", "d"), "seed": ("seed", "d"), "data": ("data", ""),
}  # fmt: skip
"""Columns that are shown where the listed runs differ in them."""


@runs_app.callback(invoke_without_command=True)
def runs(
    context: typer.Context,
    where: WhereOption = None,
    sort: Annotated[
        str, typer.Option("--sort", metavar="KEY", help="Key to sort by, as test_accuracy.")
    ] = "folder",
    reverse: Annotated[bool, typer.Option("--reverse", help="The largest first.")] = False,
    out: options.Out = Path("results"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """List the runs in a folder of results: those of studies, and of sweeps in DIR/runs."""
    if context.invoked_subcommand is not None:
        return
    found = hindi_bn.list_runs(out, where or [], sort=sort, reverse=reverse)
    if json_:
        print_json(found)
        return
    if not found:
        note(f"There are no such runs in {out}.", quiet=quiet)
        return
    asked = [sort, *(re.split("[!=<>]", text)[0].strip() for text in where or [])]
    differing = {k: v for k, v in VARYING.items() if len({str(row.get(k)) for row in found}) > 1}
    known = {*ALWAYS, *differing, "test_accuracy", "study", "run"}
    columns = ALWAYS | differing | {key: (key, "") for key in asked if key not in known}
    columns["accuracy"] = ("test accuracy, %", ".2f")
    show([table_of([_listed(row, out, columns) for row in found], f"Runs in {out}", columns)])
    for row in found:
        if row["status"] == "damaged":
            note(row["why"], quiet=quiet)


@runs_app.command("show")
def show_run(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    json_: options.Json = False,
) -> None:
    """Show one run: its settings, its history, and what it was trained with."""
    document = hindi_bn.describe_run(run)
    if json_:
        print_json(document)
        return
    summary, environment = document["summary"], document["environment"]
    for key, value in summary.items():
        if value is not None:
            typer.echo(f"{key + ':':<22} {value}")
    typer.echo(f"{'command:':<22} {document['command']}")
    typer.echo(f"{'commit:':<22} {environment.get('commit') or 'not a checkout'}")
    history = document["history"]
    columns = {key: (key.replace("_", " "), ".4f") for key in history[0]} if history else {}
    columns |= {"epoch": ("epoch", "d"), "seconds": ("s", ".1f")} if history else {}
    show([table_of(history, "History", columns)] if history else [])


@runs_app.command()
def verify(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN]...", help="Run folders.", show_default="all in --out"),
    ] = None,
    out: options.Out = Path("results"),
    json_: options.Json = False,
) -> None:
    """Compare each run's files with what was written; exit code 1 when one is damaged.

    ok: as it finished; no manifest: it finished under an older version, and can only be read.
    """
    found = hindi_bn.verify_runs(runs or [], out)
    if json_:
        print_json(found)
    else:
        for row in found:
            typer.echo(": ".join(filter(None, [row["folder"], row["state"], row["why"]])))
    damaged = sum(row["state"] == "damaged" for row in found)
    if damaged:
        raise RunError(
            f"Damaged: {damaged} of {len(found)} runs.",
            "What each one's files were is in its manifest, or in its checkpoint.",
            "put what is named back from a copy, or train the run again with --overwrite",
        )


@runs_app.command()
def remove(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN]...", help="Run folders.", show_default="those of --where"),
    ] = None,
    where: WhereOption = None,
    out: options.Out = Path("results"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Delete runs with all that they recorded, after asking.

    Tables and figures that were made from them stay.
    """
    if bool(runs) == bool(where):
        raise typer.BadParameter("name the RUNs, or say which with --where.")
    folders = runs or [Path(row["folder"]) for row in hindi_bn.list_runs(out, where or [])]
    size = sum(hindi_bn.size_of_run(folder) for folder in folders)
    if not folders:
        raise RunError(f"No run in {out} is so.", "", "`hindi-bn runs` lists those that there are")
    if not yes:
        for folder in folders:
            note(str(folder))
        count = "this run" if len(folders) == 1 else f"these {len(folders)} runs"
        typer.confirm(f"Delete {count}, {size / 1e6:.1f} MB?", abort=True, err=True)
    hindi_bn.remove_runs(folders)
    if json_:
        print_json({"removed": [str(folder) for folder in folders], "bytes": size})
    elif not quiet:
        typer.echo(f"Removed: {len(folders)}, {size / 1e6:.1f} MB.")


def _listed(row: dict[str, Any], out: Path, columns: dict[str, Any]) -> dict[str, Any]:
    """Return a row as the table shows it."""
    values = {key: row.get(key) for key in columns}
    shown = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items()}
    shown["folder"] = str(Path(row["folder"]).relative_to(out))
    shown["done"] = f"{row['epochs']} of {row['epochs_wanted']}" if "epochs" in row else None
    accuracy = row.get("test_accuracy")
    shown["accuracy"] = None if accuracy is None else 100 * accuracy
    if "seconds" in columns:
        shown["seconds"] = duration(row.get("seconds"))
    return shown
