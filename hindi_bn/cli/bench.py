"""`hindi-bn bench`: how fast training is, against the notebook's way and the machine's peak."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json

SHORT = 4
"""--short uses every fourth image."""

FRACTIONS = (8, 4, 2)
"""The figure's smaller training sets: every eighth, fourth and second image."""

SEEDS_OF_A_FIGURE = 4


@app.command()
def bench(
    config: options.Config = "article",
    set_: options.Set = None,
    epochs: Annotated[
        int, typer.Option("--epochs", min=3, help="Epochs of each way; the median is quoted.")
    ] = 3,
    device: options.DeviceOption = None,
    threads: options.Threads = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=2,
            metavar="N",
            show_default="not measured",
            help="Measure N runs side by side, too, against N runs one after the other.",
        ),
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="Every fourth image only: under two minutes.")
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            show_default="no figure",
            help="Measure smaller training sets and fewer runs, too, and draw what they cost: "
            ".png, .svg or .pdf.",
        ),
    ] = None,
    data: options.Data = None,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure training against the notebook's way and against the machine's peak.

    The notebook's way decodes every image in every epoch; ours is measured in both arithmetics.
    All train the study's runs, an epoch each in turn, each in a process of its own. Nothing is
    recorded.
    """
    from hindi_bn.bench.benchmark import benchmark
    from hindi_bn.study.files import load_study

    _check_figure(figure)
    changes = options.overrides(set_, device=device, threads=threads, data=data)
    document = benchmark(
        load_study(config, changes),
        data_dir,
        epochs=epochs,
        every=SHORT if short else 1,
        seeds=_numbers_of_runs(seeds, figure),
        fractions=FRACTIONS if figure else (),
        note=lambda text: note(text, quiet=quiet),
    )
    if figure:
        _draw(document, figure)
        note(f"Drawn: {figure}", quiet=quiet)
    if json_:
        print_json(document)
    else:
        _print(document)


def _check_figure(figure: Path | None) -> None:
    from hindi_bn.figures.style import format_of

    if figure:
        format_of(figure)


def _numbers_of_runs(seeds: int | None, figure: Path | None) -> list[int]:
    """Return the numbers of runs to measure: for a figure all powers of two below, too."""
    if not figure:
        return [seeds] if seeds else []
    most = seeds or SEEDS_OF_A_FIGURE
    return [2**power for power in range(most.bit_length()) if 2**power < most] + [most]


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console

    from hindi_bn.cli.bench_tables import bench_tables

    console = Console(highlight=False)
    surroundings = document["environment"]
    console.print(
        f"{surroundings['device_name']} ({surroundings['device']}), torch "
        f"{surroundings['versions']['torch']}. Data: {document['data']}.\n"
    )
    for part in bench_tables(document):
        console.print(part)


def _draw(document: dict[str, Any], figure: Path) -> None:
    import pandas as pd

    from hindi_bn.figures.bench import cost_figure
    from hindi_bn.figures.style import Caption, save_as
    from hindi_bn.stats.lines import fitted_line

    network = document["networks"][0]
    sizes, many = pd.DataFrame(document["sizes"]), pd.DataFrame(document["many"])
    details = (
        f"{network['network']}, norm {network['norm']} · {document['environment']['device_name']}, "
        f"threads: {document['threads']} · left: n = {document['epochs']} epochs a point; right: "
        f"runs of {document['epochs']} epochs, {many['arithmetic'].iloc[0]}, n = 1"
    )
    points = {way: (rows["images"], rows["median"]) for way, rows in sizes.groupby("way")}
    points |= {way: (many["runs"], many[way]) for way in ("one_by_one", "side_by_side")}
    lines = {str(way): line for way, (x, y) in points.items() if (line := fitted_line(x, y))}
    save_as(cost_figure(sizes, many, lines, Caption(document["data"], details)), figure)
