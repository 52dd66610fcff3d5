"""`hindi-bn download` and `hindi-bn data`: fetch the data, and show what is there."""

from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn import registry
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.cli.progress import download_progress

SOURCES = ("auto", *registry.names("digits/sources"), "stand-in")
TAKE_A_PATH = ("auto", "archive", "folder")


@app.command()
def download(
    path: Annotated[Path | None, typer.Argument(
        help="Archive (.zip, .tar.gz, .tgz) or folder that has the digits.",
        show_default="none; for auto, what HINDI_BN_ARCHIVE names",
    )] = None,
    source: Annotated[str, typer.Option(
        "--source", **options.one_of("data", SOURCES),
        help="Where to get the digits: auto tries PATH, archives in DIR, Kaggle if there are "
        "credentials, and UCI, in this order; stand-in draws some here.",
    )] = "auto",
    name: Annotated[str, typer.Option(
        "--name", **options.DATA,
        help="Data set to fetch: the digits; the stand-in, as by --source stand-in; or mnist "
        "or fashion-mnist, through torchvision from its mirrors.",
    )] = "digits",
    force: Annotated[
        bool, typer.Option("--force", help="Fetch even though verified data are there.")
    ] = False,
    accept_different: Annotated[bool, typer.Option(
        "--accept-different",
        help="Keep digits that are not the article's; everything made from them says so.",
    )] = False,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Fetch the digits, check them against the article's and put them into DIR/digits.

    Nothing half-made is ever left there. They take about 100 MB on the disk.

    With --name mnist or fashion-mnist: download that, check it by MD5; 55 MB in one file.
    """
    if path is not None and source not in TAKE_A_PATH:
        raise typer.BadParameter(f"--source {source} takes no PATH.")
    elsewhere = path is not None or source != "auto" or accept_different
    if name != "digits" and elsewhere:
        raise typer.BadParameter(f"--name {name} takes no PATH, --source or --accept-different.")
    with download_progress(quiet=quiet) as (say, advance):
        digits = hindi_bn.download(
            source if name == "digits" else name, path, data_dir=data_dir,
            force=force, accept_different=accept_different, note=say, advance=advance,
        )  # fmt: skip
    if json_:
        print_json(hindi_bn.describe_digits(digits, data_dir))
    else:
        typer.echo(f"{digits.title} (from {digits.source}) -> {data_dir}")


@app.command()
def data(
    data_dir: options.DataDir = Path("data"),
    name: Annotated[
        str, typer.Option("--name", help="Data set to show.", **options.DATA)
    ] = "digits",
    contact_sheet: Annotated[Path | None, typer.Option(
        "--contact-sheet", metavar="FILE", show_default="none",
        help="Draw some training images of each class into this file (.png, .svg or .pdf).",
    )] = None,
    per_class: Annotated[
        int,
        typer.Option("--per-class", min=1, max=100, help="Images per class on the contact sheet."),
    ] = 20,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Show which data are there: source, counts, mean, spread, and if they are the article's."""
    with download_progress(quiet=quiet) as (_, advance):
        digits = hindi_bn.load_digits(data_dir, name, advance=advance)
    if contact_sheet is not None:
        sheet = hindi_bn.draw_contact_sheet(digits, contact_sheet, per_class)
        note(f"Contact sheet: {sheet}", quiet=quiet)
    document = hindi_bn.describe_digits(digits, data_dir)
    if json_:
        print_json(document)
    else:
        _print_table(document)


def _print_table(document: dict[str, Any]) -> None:
    typer.echo(document["title"])
    typer.echo(f"source: {document['source']}    folder: {document['folder']}")
    typer.echo("class  " + " ".join(f"{digit:>6}" for digit in range(10)))
    for split, counts in document["counts"].items():
        typer.echo(f"{split:<6} " + " ".join(f"{count:>6,}" for count in counts))
    for split, digest in document["sha256"].items():
        typer.echo(
            f"{split:<6} mean {document['mean'][split]:.6f}  standard deviation "
            f"{document['std'][split]:.6f} (grey values 0..1)  sha256 {digest}"
        )
