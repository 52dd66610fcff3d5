"""`hindi-bn plot`: figures of single runs, what they recorded and what they learned."""

from pathlib import Path
from typing import Annotated

import typer

import hindi_bn
from hindi_bn import registry
from hindi_bn.cli import options
from hindi_bn.cli.app import app

KINDS = registry.summaries("plots")


@app.command("plot")
def plot(
    kind: Annotated[str, typer.Argument(
        help="What to draw. " + " ".join(f"{kind}: {text}" for kind, text in KINDS.items()),
        **options.one_of("", tuple(KINDS)),
    )],
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Run folders, as results/recordings/bn; LABEL=DIR names one."
        ),
    ],
    to: Annotated[Path | None, typer.Option(
        "--to", metavar="DIR", help="Folder for the figures.",
        show_default="figures in the run's folder, or beside the first of several runs",
    )] = None,
    digit: Annotated[
        int, typer.Option("--digit", min=0, max=9, help="For maps: digit to show.")
    ] = 3,
    index: Annotated[
        int, typer.Option("--index", min=0, help="For maps: which of its test images, from 0.")
    ] = 0,
    channel: Annotated[
        int, typer.Option("--channel", min=0, help="For percentiles: the channel shown, from 0.")
    ] = 0,
    data_dir: options.DataDir = Path("data"),
    labels: options.Labels = None,
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
) -> None:  # fmt: skip
    """Draw training curves, what runs recorded, or the filters and feature maps they learned.

    What was not recorded is refused with what to put into the study.
    """
    written = hindi_bn.plot(
        kind, options.runs(folders, labels), folder=to, digit=digit, index=index, channel=channel,
        data_dir=data_dir, formats=options.formats(format_), dpi=dpi,
    )  # fmt: skip
    options.tell_files(written, json_=json_)
