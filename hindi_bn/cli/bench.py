"""`hindi-bn bench`: how fast training is, against the notebook's way and the machine's peak."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.cli.tables import Parts, show, table_of
from hindi_bn.study.words import counted

GIGA, MEGA = 1e9, 1e6


@app.command()
def bench(
    config: options.Config = "article",
    set_: options.Set = None,
    epochs: Annotated[
        int, typer.Option("--epochs", min=3, help="Epochs of each way; the median is quoted.")
    ] = 3,
    device: options.DeviceOption = None,
    threads: options.Threads = None,
    seeds: Annotated[int | None, typer.Option(
        "--seeds", min=2, metavar="N", show_default="not measured",
        help="Measure N runs side by side, too, against N runs one after the other.",
    )] = None,
    short: Annotated[
        bool, typer.Option("--short", help="Every fourth image only: under two minutes.")
    ] = False,
    figure: Annotated[Path | None, typer.Option(
        "--figure", metavar="FILE", show_default="no figure",
        help="Measure smaller training sets and fewer runs, too, and draw what they cost: "
        ".png, .svg or .pdf.",
    )] = None,
    data: options.Data = None,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Measure training against the notebook's way and against the machine's peak.

    The notebook's way decodes every image in every epoch; ours is measured with all numerics.
    All train the study's runs, one epoch each in turn, each in a process of its own. Nothing is
    recorded.
    """
    changes = options.overrides(set_, device=device, threads=threads, data=data)
    document = hindi_bn.measure_speed(
        hindi_bn.load_study(config, changes), data_dir=data_dir, epochs=epochs, short=short,
        seeds=seeds, figure=figure, note=partial(note, quiet=quiet),
    )  # fmt: skip
    if figure:
        note(f"Drawn: {figure}", quiet=quiet)
    if json_:
        print_json(document)
    else:
        show(bench_tables(document))


def bench_tables(document: dict[str, Any]) -> Parts:
    """Return what a benchmark prints, from its document."""
    environment = document["environment"]
    parts: Parts = [
        f"{environment['device_name']} ({environment['device']}), torch "
        f"{environment['versions']['torch']}. Data: {document['data']}.\n"
    ]
    for network in document["networks"]:
        parts += _network(network, document)
    parts += _start(document)
    if document["many"]:
        columns = {
            "runs": ("runs", "d"), "epochs": ("epochs", "d"), "numerics": ("numerics", ""),
            "one_by_one": ("one by one, s", ".1f"), "side_by_side": ("side by side, s", ".1f"),
            "ratio": ("ratio", ".2f"), "per_hour": ("runs per hour", ".0f"),
        }  # fmt: skip
        parts.append(table_of(document["many"], "Many runs, start included", columns))
        parts.append(f"Chosen: {document['many'][-1]['how']}.")
    return parts


def _network(network: dict[str, Any], document: dict[str, Any]) -> Parts:
    operations, peak = network["operations"], network["peak"]
    ways = [
        way | way["seconds"] | {
            "ratio": way["ratio"]["median"], "product": 100 * way["share_of_product"],
            "convolution": 100 * way["share_of_convolution"],
        }
        for way in network["ways"]
    ]  # fmt: skip
    shown = table_of(
        ways,
        f"{network['run']}: {network['network']}, norm {network['norm']}, "
        f"{network['images']:,} images per epoch, threads: {document['threads']}, "
        f"n = {counted(document['epochs'], 'epoch')}, each way in turn",
        {
            "way": ("way", ""), "median": ("s/epoch", ".2f"), "min": ("min", ".2f"),
            "max": ("max", ".2f"), "ratio": ("ratio", ".2f"),
            "images_per_second": ("images/s", ",.0f"), "product": ("% mm", ".0f"),
            "convolution": ("% conv", ".0f"), "memory": ("MiB", ".0f"),
            "memory_above_torch": ("above torch", ".0f"),
        },
    )  # fmt: skip
    work = ", ".join(
        f"{layer['kind']} {layer['name']} {layer['training'] / MEGA:.2f}"
        for layer in operations["layers"]
    )
    explained = (
        f"ratio: the notebook's seconds over the way's, pair by pair. % of the float32 rate in the "
        f"training pass: mm, of a matrix product ({peak['product'] / GIGA:.0f} Gflop/s); conv, of "
        f"a large convolution ({peak['convolution'] / GIGA:.0f} Gflop/s). MiB: peak memory of the "
        "process, and how much of it is above that of importing torch. Work of a training step "
        f"for an image, counted as plain convolutions: {operations['training'] / MEGA:.2f} Mflop "
        f"({work})."
    )
    return [shown, explained, *_agreement(network)]


def _agreement(network: dict[str, Any]) -> Parts:
    rows = [
        {"pair": pair, "epoch": epoch, **differences}
        for pair, epochs in network["agreement"].items()
        for epoch, differences in enumerate(epochs)
    ]
    columns = {
        "pair": ("ways", ""), "epoch": ("epoch", "d"), "train_loss": ("train loss", ".1e"),
        "test_loss": ("test loss", ".1e"), "train_accuracy": ("accuracy", ".1e"),
        "test_accuracy": ("test accuracy", ".1e"),
    }  # fmt: skip
    return [table_of(rows, f"{network['run']}: how far losses and accuracies are apart", columns)]


def _start(document: dict[str, Any]) -> Parts:
    rows = [{"what": "torch and a step of SGD", "data": None, **document["least_start"]}]
    for network in document["networks"]:
        rows += [
            {"what": f"{way['way']}, {network['run']}", **way["start"]} for way in network["ways"]
        ]
    columns = {
        "what": ("start", ""), "torch": ("torch imported", ".2f"),
        "data": ("data ready", ".2f"), "step": ("first step done", ".2f"),
    }  # fmt: skip
    return [table_of(rows, "Start, not in the epochs: seconds from the process's start", columns)]
