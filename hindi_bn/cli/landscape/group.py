"""The group of commands, and the options that they share."""

from pathlib import Path
from typing import Annotated

import typer

from hindi_bn.cli.app import group_of

landscape = group_of(
    "landscape",
    "The loss around a network's weights: surfaces, along the gradient, curvature.",
)

Runs = Annotated[list[str], typer.Argument(
    metavar="RUN...", help="Run folders, as results/quick/bn; LABEL=DIR names one."
)]  # fmt: skip
To = Annotated[Path | None, typer.Option(
    "--to", metavar="DIR", help="Folder for the results.",
    show_default="landscape, beside the first run's folder",
)]  # fmt: skip
Images = Annotated[int, typer.Option(
    "--images", min=1, metavar="N", help="Training images that the loss is of, as many per class."
)]  # fmt: skip
Draw = Annotated[int, typer.Option(
    "--draw", min=0, metavar="SEED", help="Seed of the draw of these images."
)]  # fmt: skip
