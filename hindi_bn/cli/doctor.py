"""`hindi-bn doctor`: what is here and what would be used, to paste into a report."""

from pathlib import Path

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, print_json


@app.command()
def doctor(
    data_dir: options.DataDir = Path("data"),
    out: options.Out = Path("results"),
    json_: options.Json = False,
) -> None:
    """Show versions, devices, threads, the state of the data, and what would be used."""
    document = hindi_bn.diagnose(data_dir, out)
    if json_:
        print_json(document)
        return
    for heading, entries in document.items():
        typer.echo(f"{heading}:")
        for key, value in entries.items():
            typer.echo(f"  {key + ':':<20} {value}")
