"""`hindi-bn plot`: figures of single runs, what they recorded and what they learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app

Kind = Literal["curves", "statistics", "gradients", "activations", "weights", "filters", "maps"]


@app.command("plot")
def plot(
    kind: Annotated[
        Kind,
        typer.Argument(
            help="What to draw. curves: losses and accuracies. Recorded by the captures of a "
            "study: statistics (gamma, beta, running averages), gradients (norm by layer), "
            "activations (mean and std by layer), weights. Of the trained network: filters, "
            "and maps (what each layer makes of one test image)."
        ),
    ],
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, as results/captures/bn.")
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="DIR", help="Folder for the figures.",
            show_default="figures in the run's folder, or beside the first of several runs",
        ),
    ] = None,
    digit: Annotated[
        int, typer.Option("--digit", min=0, max=9, help="For maps: digit to show.")
    ] = 3,
    index: Annotated[
        int, typer.Option("--index", min=0, help="For maps: which of its test images, from 0.")
    ] = 0,
    data_dir: options.DataDir = Path("data"),
    format_: options.Format = None,
    dpi: options.Dpi = 150,
) -> None:  # fmt: skip
    """Draw training curves, what runs recorded, or the filters and feature maps they learned.

    curves, gradients, activations and weights join all runs in one figure; the others make a
    figure per run. What was not recorded is refused with what to put into the study.
    """
    written = hindi_bn.plot(
        kind, folders, folder=to, digit=digit, index=index, data_dir=data_dir,
        formats=options.formats(format_), dpi=dpi,
    )  # fmt: skip
    for path in written:
        typer.echo(path)
