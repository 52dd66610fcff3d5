"""`hindi-bn landscape surface`, `line` and `twin`: the loss around networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import note, print_json
from hindi_bn.cli.landscape.group import Draw, Images, Runs, To, landscape
from hindi_bn.cli.progress import points_progress
from hindi_bn.cli.tables import Parts, show, table_of
from hindi_bn.files import plain_json
from hindi_bn.study.words import rows_in_words

if TYPE_CHECKING:
    from hindi_bn.api.landscape.surface import Landscape

Statistics = Annotated[list[str] | None, typer.Option(
    "--statistics", metavar="NAME", show_default="all three",
    help="With BN, statistics that it normalises by: batch (of each batch of the training size), "
    "running (its running averages), reestimated (of all images, at every point anew); may be "
    "repeated.",
)]  # fmt: skip
Points = Annotated[int, typer.Option(
    "--points", min=2, metavar="N", help="Points along each direction."
)]  # fmt: skip
Directions = Annotated[int, typer.Option(
    "--seed", min=0, metavar="SEED", help="Seed of the random directions."
)]  # fmt: skip
Name = Annotated[str, typer.Option("--name", help="Name of the files.")]
DeviceName = Annotated[str, typer.Option(
    "--device", help="Where losses are taken: cpu, cuda, mps or auto."
)]  # fmt: skip
Workers = Annotated[int | None, typer.Option(
    "--threads", min=1, metavar="N", help="Threads, each with points of its own.",
    show_default="torch's own number",
)]  # fmt: skip


@landscape.command("surface")
def surface(
    folders: Runs,
    directions: Annotated[Literal["filters", "plain", "path"], typer.Option(
        "--directions",
        help="Random ones, each filter as long as the network's (filters) or all of it (plain); or "
        "path: the plane of the run's own path, which it has to have recorded.",
    )] = "filters",
    dimensions: Annotated[
        int, typer.Option("--dimensions", min=1, max=2, help="1: lines, over seeds; 2: planes.")
    ] = 2,
    points: Points = 51,
    reach: Annotated[float, typer.Option(
        "--reach", help="How far on either side: 1 is as far as the filters are long, or the path."
    )] = 1.0,
    statistics: Statistics = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="The untrained networks too.")
    ] = False,
    seed: Directions = 0,
    images: Images = 1000,
    draw: Draw = 0,
    to: To = None,
    name: Name = "surface",
    data_dir: options.DataDir = Path("data"),
    device: DeviceName = "cpu",
    threads: Workers = None,
    labels: options.Labels = None,
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Draw the loss around trained networks, and write it down.

    Several runs stand side by side, those of several seeds below each other, or as bands with
    --dimensions 1. A command that was stopped goes on where it was when it is given again.
    """
    _tell(
        "landscape_surface", options.runs(folders, labels), json_=json_, quiet=quiet,
        threads=threads, data_dir=data_dir, untrained=untrained, images=images, draw=draw, to=to,
        name=name, device=device, formats=options.formats(format_), dpi=dpi,
        settings={
            "directions": directions, "dimensions": dimensions, "points": points, "reach": reach,
            "seed": seed, "statistics": statistics,
        },
    )  # fmt: skip


@landscape.command("line")
def line(
    folders: Runs,
    points: Points = 51,
    reach: Annotated[
        float, typer.Option("--reach", help="How far beyond both, in units of their distance.")
    ] = 0.2,
    statistics: Statistics = None,
    images: Images = 1000,
    draw: Draw = 0,
    to: To = None,
    name: Name = "line",
    data_dir: options.DataDir = Path("data"),
    device: DeviceName = "cpu",
    threads: Workers = None,
    labels: options.Labels = None,
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw the loss on the straight line from one run's network to another's."""
    _tell(
        "landscape_line", options.runs(folders, labels), json_=json_, quiet=quiet, threads=threads,
        data_dir=data_dir, images=images, draw=draw, to=to, name=name, device=device,
        formats=options.formats(format_), dpi=dpi,
        settings={"dimensions": 1, "points": points, "reach": reach, "statistics": statistics},
    )  # fmt: skip


@landscape.command("twin")
def twin(
    folder: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run with BN.")],
    factor: Annotated[float, typer.Option(
        "--factor", help="By which the weights before each norm are multiplied."
    )] = 5.0,
    points: Points = 51,
    reach: Annotated[float, typer.Option("--reach", help="How far on either side.")] = 1.0,
    statistics: Statistics = None,
    seed: Directions = 0,
    images: Images = 1000,
    draw: Draw = 0,
    to: To = None,
    name: Name = "twin",
    data_dir: options.DataDir = Path("data"),
    device: DeviceName = "cpu",
    threads: Workers = None,
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Draw a network with BN beside its functional twin: one function, two pictures.

    The twin has larger weights before each norm. Directions that are filter-normalised are to show
    no difference; plain ones do.
    """
    _tell(
        "landscape_twin", folder, json_=json_, quiet=quiet, threads=threads, data_dir=data_dir,
        factor=factor, images=images, draw=draw, to=to, name=name, device=device,
        formats=options.formats(format_), dpi=dpi,
        settings={"dimensions": 1, "points": points, "reach": reach, "seed": seed,
                  "statistics": statistics},
    )  # fmt: skip


def _tell(
    function: str, runs: Any, *, json_: bool, quiet: bool, threads: int | None, data_dir: Path,
    settings: dict[str, Any], **how: Any,
) -> None:  # fmt: skip
    """Call a function of the API on the first run's data, and print what it gives."""
    import torch

    from hindi_bn.landscape.surfaces import Settings

    if threads is not None:
        torch.set_num_threads(threads)
    if settings["statistics"] is None:
        del settings["statistics"]
    else:
        settings["statistics"] = tuple(settings["statistics"])
    first = hindi_bn.read_run(runs if isinstance(runs, str) else runs[0])
    digits = hindi_bn.load_digits(data_dir, first.study.data)
    with points_progress(quiet=quiet) as advance:
        found: Landscape = getattr(hindi_bn, function)(
            runs, digits, Settings(**settings), advance=advance, **how
        )
    if json_:
        files = [str(file) for file in found.files]
        print_json(plain_json(found.document | {"files": files}))
        return
    show(_parts(found.document))
    options.tell_files(found.files, json_=False)
    note("Losses are means over images; statistics are those that BN uses.", quiet=quiet)


def _parts(document: dict[str, Any]) -> Parts:
    parts: Parts = []
    if "summary" in document:
        columns = {
            "run": ("run", ""), "seed": ("seed", ""), "network": ("network", ""),
            "statistics": ("statistics", ""), "middle": ("loss", ".4f"),
            "accuracy": ("accuracy", ".4f"), "least": ("least", ".4f"), "most": ("most", ".4g"),
        }  # fmt: skip
        if any(row["not_finite"] for row in document["summary"]):
            columns["not_finite"] = ("NaN", ",d")
        title = f"Loss at the network and around it: {document['images']}"
        parts.append(table_of(rows_in_words(document["summary"]), title, columns))
    if "differences" in document:
        columns = {
            "statistics": ("statistics", ""), "directions": ("directions", ""),
            "difference": ("largest difference", ".3g"), "relative": ("relative", ".3g"),
        }  # fmt: skip
        title = f"A network and its twin, weights before norms x {document['factor']:g}"
        parts.append(table_of(document["differences"], title, columns))
    if "path" in document:
        columns = {
            "run": ("run", ""), "statistics": ("statistics", ""), "points": ("points", ",d"),
            "away": ("farthest from the plane", ".3g"), "relative": ("loss off by", ".1%"),
        }  # fmt: skip
        title = "The path's own points beside their places in the plane, at most"
        parts.append(table_of(rows_in_words(document["path"]), title, columns))
    for run, (first, second) in document.get("explained", {}).items():
        parts.append(
            f"{run}: the plane's axes explain {100 * first:.1f} and {100 * second:.1f} % of its "
            "path's variance."
        )
    return parts
