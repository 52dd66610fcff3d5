"""`hindi-bn landscape curvature`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import note, print_json
from hindi_bn.cli.landscape.group import Draw, Images, Runs, To, landscape
from hindi_bn.cli.tables import show, table_of
from hindi_bn.study.words import rows_in_words

if TYPE_CHECKING:
    import pandas as pd

    from hindi_bn.landscape.curvature import OnProduct


class Statistics(StrEnum):
    """What BN normalises by; an enumeration, as typer takes no list of a Literal."""

    batch = "batch"
    whole = "whole"
    running = "running"


@landscape.command()
def curvature(
    folders: Runs,
    statistics: Annotated[list[Statistics] | None, typer.Option(
        "--statistics", show_default="batch and running",
        help="What BN normalises by: each batch of the training size (the loss that training "
        "descends), the whole of the images as one batch, or the running averages (eval mode). "
        "May be repeated.",
    )] = None,
    images: Images = 2000,
    draw: Draw = 0,
    eigenvalues: Annotated[int, typer.Option(
        "--eigenvalues", min=1, metavar="N", help="How many of the largest eigenvalues."
    )] = 10,
    steps: Annotated[int, typer.Option(
        "--steps", min=0, metavar="N",
        help="Steps of Lanczos for the density of all eigenvalues; 0: no density.",
    )] = 60,
    probes: Annotated[int, typer.Option(
        "--probes", min=1, metavar="N", help="Random vectors that the density is a mean over."
    )] = 1,
    points: Annotated[int, typer.Option(
        "--points", min=2, metavar="N",
        help="Networks along a run that has recorded its path; of others the untrained and the "
        "trained one are measured.",
    )] = 2,
    float64: Annotated[bool, typer.Option(
        "--float64", help="Maps in float64 too, some ten times slower."
    )] = False,
    data_dir: options.DataDir = Path("data"),
    to: To = None,
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Measure the largest eigenvalues of the loss's Hessian, and the density of all.

    Beside the largest stand the edge of stability of plain descent, 2 / learning rate, and the
    largest with respect to filters of length 1, which rescaling the weights before BN leaves as it
    is. Outliers: the largest over the tenth eigenvalue, and the share of the squared gradient along
    the ten eigenvectors.
    """
    with _progress(quiet=quiet) as on_product:
        found = hindi_bn.landscape_curvature(
            options.runs(folders),
            statistics=[each.value for each in statistics or ()] or ("batch", "running"),
            images=images, draw=draw, eigenvalues=eigenvalues, steps=steps, probes=probes,
            points=points, float64=float64, data_dir=data_dir, to=to,
            formats=options.formats(format_), dpi=dpi, on_product=on_product,
        )  # fmt: skip
    rows = _rows(found.table)
    if json_:
        print_json({"curvature": rows, "files": [str(file) for file in found.files]})
        return
    columns = {
        "run": ("run", ""), "statistics": ("statistics", ""), "step": ("step", "d"),
        "loss": ("loss", ".4f"), "largest": ("largest", ".4g"),
        "largest_normalised": ("normalised", ".4g"), "edge": ("2/lr", ".4g"),
        "outlier_ratio": ("1st/10th", ".3g"), "gradient_share": ("gradient", ".2f"),
        "smallest": ("smallest", ".3g"),
    }  # fmt: skip
    rows = [dict.fromkeys(columns) | row for row in rows]
    show([table_of(rows_in_words(rows), "Eigenvalues of the loss's Hessian", columns)])
    options.tell_files(found.files, json_=False)


def _rows(values: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row per network and statistics, its quantities by name."""
    from hindi_bn.files import plain_json

    keys = ["run", "seed", "statistics", "epoch", "step"]
    rows = []
    for key, group in values[values["rank"] == 0].groupby(keys, sort=False):
        found = dict(zip(group["quantity"], group["value"], strict=True))
        rows.append(plain_json(dict(zip(keys, key, strict=True)) | found))
    return rows


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[OnProduct]:
    """Give what tells of products: a line that changes on a terminal, or a line per network."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    told: set[str] = set()

    def tell(what: str, products: int) -> None:
        if what not in told:
            told.add(what)
            note(what, quiet=quiet)

    if quiet or not console.is_terminal:
        yield tell
        return
    with console.status("") as status:
        yield lambda what, products: status.update(f"{what}: {products} products")
