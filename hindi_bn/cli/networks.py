"""`hindi-bn networks`: the networks that can be trained, and each layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.study import Run, network_names, norm_names

if TYPE_CHECKING:
    from hindi_bn.networks import Layer

_SHAPING = ("norm", "placement", "dropout", "init", "options")  # keys of a run


@app.command()
def networks(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Network to show layer by layer, or package.module:Name.",
            show_default="a list of all networks",
            **options.known(network_names),
        ),
    ] = None,
    norm: Annotated[
        str | None,
        typer.Option(
            "--norm",
            help=f"Normalisation layer: {options.NORMS}.",
            show_default="none",
            **options.known(norm_names),
        ),
    ] = None,
    image_size: Annotated[
        int,
        typer.Option("--image-size", min=1, help="Height and width of the images in pixels."),
    ] = 32,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            show_default="none",
            help="Set a key of a run that shapes the network: options.pooling=avg, norm.groups=4, "
            "placement=after, dropout=0.5, init=xavier; may be repeated.",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            help="Draw the network's diagram: .png, .svg or .pdf.",
            show_default="no figure",
        ),
    ] = None,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """List the networks, or show one: layers, output shapes, parameters, receptive fields."""
    if name is None:
        if figure is not None or assignments or norm is not None:
            raise typer.BadParameter("--norm, --set and --figure need the NAME of a network.")
        _list(image_size, json_)
        return
    run = _run(name, norm, assignments)
    document = _document(run, image_size)
    if figure is not None:
        _draw(run, image_size, figure)
        note(f"Drawn: {figure}", quiet=quiet)
    if json_:
        print_json(document)
    else:
        _print(document)


def _run(name: str, norm: str | None, assignments: list[str] | None) -> Run:
    """Return a run with the settings asked for; the flag `--norm` beats `--set norm`."""
    from hindi_bn.networks import run_of
    from hindi_bn.study.files import parse_assignments

    settings: dict[str, Any] = {"norm": norm or "none"}
    for key, value in parse_assignments(assignments or []).items():
        outer, _, inner = key.partition(".")
        if outer not in _SHAPING:
            raise typer.BadParameter(
                f"--set {key} does not shape a network; these keys do: {', '.join(_SHAPING)}."
            )
        if inner:
            before = settings.get(outer, {})
            before = {"name": before} if isinstance(before, str) else before
            settings[outer] = {**before, inner: value}
        elif outer != "norm" or norm is None:
            settings[outer] = value
    return run_of(name, **settings)


def _build(run: Run, image_size: int) -> list[Layer]:
    import torch

    from hindi_bn.networks import build_run, layer_table

    with torch.random.fork_rng(devices=[]):
        return layer_table(build_run(run, image_size), image_size)


def _document(run: Run, image_size: int) -> dict[str, Any]:
    from hindi_bn.networks import network_called, options_of

    network = network_called(run.network)
    layers = _build(run, image_size)
    return {
        "name": run.network,
        "summary": network.summary,
        "source": network.source,
        "image_size": image_size,
        "norm": run.norm.model_dump(mode="json"),
        "placement": run.placement,
        "dropout": run.dropout,
        "init": run.init.model_dump(mode="json"),
        "options": options_of(run),
        "parameters": sum(layer.parameters for layer in layers),
        "layers": [asdict(layer) for layer in layers],
    }


def _list(image_size: int, json_: bool) -> None:
    from rich.console import Console

    from hindi_bn.cli.tables import table_of
    from hindi_bn.networks import network_called

    rows = []
    for name in network_names():
        network = network_called(name)
        counts = {
            norm: _document(_run(name, norm, None), image_size)["parameters"]
            for norm in ("none", "batch")
        }
        rows.append(
            {
                "name": name,
                "summary": network.summary,
                "source": network.source,
                "options": dict(network.options),
                "parameters": counts["none"],
                "parameters_batch": counts["batch"],
            }
        )
    if json_:
        print_json({"image_size": image_size, "networks": rows})
        return
    columns = {
        "name": ("network", ""),
        "parameters": ("parameters", ",d"),
        "parameters_batch": ("with batch norm", ",d"),
        "source": ("source", ""),
    }
    title = f"Networks on {image_size} x {image_size} grey images"
    Console().print(table_of(rows, title, columns))


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console

    from hindi_bn.cli.tables import table_of

    rows = [
        {
            **layer,
            "shape": " x ".join(map(str, layer["shape"])),
            "sees": "all pixels"
            if layer["receptive_field"] is None
            else f"{layer['receptive_field']} x {layer['receptive_field']}",
        }
        for layer in document["layers"]
    ]
    columns = {
        "name": ("layer", ""),
        "description": ("what", ""),
        "shape": ("output shape", ""),
        "parameters": ("parameters", ",d"),
        "sees": ("receptive field", ""),
    }
    console = Console()
    console.print(table_of(rows, _title(document), columns))
    console.print(f"{document['parameters']:,} parameters. Source: {document['source']}.")


def _title(document: dict[str, Any]) -> str:
    norm = document["norm"]["name"]
    size = document["image_size"]
    return f"{document['name']}, norm {norm}, on {size} x {size} grey images"


def _draw(run: Run, image_size: int, file: Path) -> None:
    from hindi_bn.figures.networks import network_figure
    from hindi_bn.figures.style import save_as

    document = _document(run, image_size)
    title = f"{_title(document)}: {document['parameters']:,} parameters"
    save_as(network_figure(_build(run, image_size), title), file)
