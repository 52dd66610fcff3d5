"""`hindi-bn plot`: figures of single runs, what they recorded and what they learned."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app
from hindi_bn.cli.results import Dpi, Format, formats, read_runs


class PlotKind(StrEnum):
    """What can be drawn."""

    curves = "curves"
    statistics = "statistics"
    gradients = "gradients"
    activations = "activations"
    weights = "weights"
    filters = "filters"
    maps = "maps"


@app.command("plot")
def plot(
    kind: Annotated[
        PlotKind,
        typer.Argument(
            help="What to draw. curves: losses and accuracies. Recorded by the captures of a "
            "study: statistics (gamma, beta, running averages), gradients (norm by layer), "
            "activations (mean and deviation by layer), weights. Of the trained network: filters, "
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
    format_: Format = None,
    dpi: Dpi = 150,
) -> None:  # fmt: skip
    """Draw training curves, what runs recorded, or the filters and feature maps they learned.

    curves, gradients, activations and weights join all runs in one figure; the others make a figure
    a run. What was not recorded is refused with what to put into the study.
    """
    from hindi_bn.digits import load
    from hindi_bn.plots import Image, write_plot

    records = read_runs(folders, least=1)
    image = None
    if kind is PlotKind.maps:
        image = Image(load(data_dir, records[0].study.data), digit, index)
    target = to or (folders[0] if len(folders) == 1 else folders[0].parent) / "figures"
    for path in write_plot(kind.value, records, target, image, formats(format_), dpi):
        typer.echo(path)
