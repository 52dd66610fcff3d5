"""`hindi-bn page`: the networks in one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json, typed_command

KINDS = ("stand-in", "real")


@app.command()
def page(
    folders: Annotated[list[str] | None, typer.Argument(
        metavar="[RUN]...", show_default="the study's runs",
        help="Run folders, two or more; LABEL=DIR says what to call one.",
    )] = None,
    config: options.Config = "article",
    to: Annotated[Path | None, typer.Option(
        "--out", metavar="FILE", help="File to write.", show_default="page.html, beside the runs",
    )] = None,
    digits: Annotated[str, typer.Option(
        "--digits", **options.one_of("", KINDS),
        help="Digits aboard: drawn ones, which anyone may pass on, or the runs' own.",
    )] = "stand-in",
    train: Annotated[int, typer.Option(
        "--train", metavar="N", min=0, help="Training digits aboard, a multiple of ten.",
    )] = 1000,
    test: Annotated[int, typer.Option(
        "--test", metavar="N", min=0, help="Test digits aboard, a multiple of ten.",
    )] = 500,
    results: Annotated[Path, typer.Option(
        "--results", metavar="DIR", envvar="HINDI_BN_OUT",
        help="Folder that holds the studies' results.",
    )] = Path("results"),
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Write the page: both networks in one HTML file, to touch without a network.

    Draw a digit and watch both read it, look inside, train them again in the browser. The file
    opens by a double click, and any web space can serve it.
    """
    what = options.runs(folders, None) if folders else hindi_bn.load_study(config)
    file = hindi_bn.build_page(
        what, to, digits="real" if digits == "real" else "stand-in", train=train, test=test,
        data_dir=data_dir, out=results, command=typed_command(),
    )  # fmt: skip
    size = file.stat().st_size
    if json_:
        print_json({"file": str(file), "bytes": size})
        return
    typer.echo(file)
    note(f"{size / 1e6:.1f} MB. Open it in a browser.", quiet=quiet)
