"""`hindi-bn doctor`: what is here and what would be used, to paste into a report."""

from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, print_json
from hindi_bn.errors import HindiBnError, without_secrets


@app.command()
def doctor(
    data_dir: options.DataDir = Path("data"),
    out: options.Out = Path("results"),
    numerics: Annotated[bool, typer.Option(
        "--numerics",
        help="Hold convolutions, gradients and a short training against float64 (half a minute).",
    )] = False,
    json_: options.Json = False,
) -> None:  # fmt: skip
    """Show versions, devices, threads, the state of the data, and what would be used."""
    if numerics:
        _numerics(json_)
        return
    document = hindi_bn.diagnose(data_dir, out)
    if json_:
        print_json(document)
        return
    for heading, entries in document.items():
        typer.echo(f"{heading}:")
        for key, value in entries.items():
            typer.echo(without_secrets(f"  {key + ':':<20} {value}"))


def _numerics(json_: bool) -> None:
    """Print a line per check; HindiBnError that names what disagrees."""
    rows, advice = hindi_bn.check_numerics((lambda row: None) if json_ else _line)
    if json_:
        print_json([row | {"error": str(row["error"])} for row in rows])
    wrong = [f"{row['what']} ({row['numerics']})" for row in rows if not row["agrees"]]
    if wrong:
        raise HindiBnError(
            f"{len(wrong)} of {len(rows)} computations are not what they should be.",
            "; ".join(wrong) + ".",
            advice,
        )


def _line(row: dict[str, Any]) -> None:
    mark = "✓" if row["agrees"] else "✗"
    far = f"{row['error']:.0e} of {row['allowed']:.0e}"
    typer.echo(f"{mark} {row['numerics']:<7} {far}  {row['what']}")
