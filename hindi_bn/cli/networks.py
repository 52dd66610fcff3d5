"""`hindi-bn networks`: the networks that can be trained, and each layer by layer."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.cli.tables import Parts, show, table_of
from hindi_bn.study import network_names, norm_names

LIST = Path(__file__).with_name("networks.json")


@app.command()
def networks(
    name: Annotated[str | None, typer.Argument(
        help="Network to show layer by layer, or package.module:Name.",
        show_default="a list of all networks", **options.known(network_names),
    )] = None,
    norm: Annotated[str | None, typer.Option(
        "--norm", help=f"Normalisation layer: {options.NORMS}.", show_default="none",
        **options.known(norm_names),
    )] = None,
    image_size: Annotated[
        int, typer.Option("--image-size", min=1, help="Height and width of the images in pixels.")
    ] = 32,
    assignments: Annotated[list[str] | None, typer.Option(
        "--set", metavar="KEY=VALUE", show_default="none",
        help="Set a key of a run that shapes the network: options.pooling=avg, norm.groups=4, "
        "placement=after, dropout=0.5, init=xavier; may be repeated.",
    )] = None,
    figure: Annotated[Path | None, typer.Option(
        "--figure", metavar="FILE", show_default="no figure",
        help="Draw the network's diagram: .png, .svg or .pdf.",
    )] = None,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """List the networks, or show one: layers, output shapes, parameters, receptive fields."""
    if name is None:
        if figure is not None or assignments or norm is not None:
            raise typer.BadParameter("--norm, --set and --figure need the NAME of a network.")
        rows = _stored(image_size) or hindi_bn.describe_networks(image_size)
        document = {"image_size": image_size, "networks": rows}
        print_json(document) if json_ else show(_list(document))
        return
    settings = options.overrides(assignments)
    document = hindi_bn.describe_network(name, norm, settings, image_size=image_size)
    if figure is not None:
        hindi_bn.draw_network(figure, name, norm, settings, image_size=image_size)
        note(f"Drawn: {figure}", quiet=quiet)
    print_json(document) if json_ else show(_layers(document))


def _stored(image_size: int) -> list[dict[str, Any]]:
    """Return the list as `make docs` wrote it, without importing torch; none if it is another."""
    stored = json.loads(LIST.read_text(encoding="utf-8"))
    names = [row["name"] for row in stored["networks"]]
    same = (stored["image_size"], names) == (image_size, list(network_names()))
    return list(stored["networks"]) if same else []


def _list(document: dict[str, Any]) -> Parts:
    columns = {
        "name": ("network", ""), "parameters": ("parameters", ",d"),
        "parameters_batch": ("with BN", ",d"), "source": ("source", ""),
    }  # fmt: skip
    title = "Networks on {0} x {0} grey images".format(document["image_size"])
    return [table_of(document["networks"], title, columns)]


def _layers(document: dict[str, Any]) -> Parts:
    rows = []
    for layer in document["layers"]:
        side, shape = layer["receptive_field"], " x ".join(map(str, layer["shape"]))
        sees = "all pixels" if side is None else f"{side} x {side}"
        rows.append(layer | {"shape": shape, "sees": sees})
    columns = {
        "name": ("layer", ""), "description": ("what", ""), "shape": ("output shape", ""),
        "parameters": ("parameters", ",d"), "sees": ("receptive field", ""),
    }  # fmt: skip
    size, norm = document["image_size"], document["norm"]["name"]
    title = f"{document['name']}, norm {norm}, on {size} x {size} grey images"
    about = f"{document['parameters']:,} parameters. Source: {document['source']}."
    return [table_of(rows, title, columns), about]
