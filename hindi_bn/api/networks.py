"""Networks: what there is, layer by layer, as data or as a diagram."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hindi_bn.errors import StudyError
from hindi_bn.networks import Layer, build_run, layer_table, network_called, options_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run, network_names
from hindi_bn.study.files import overridden, validate

# keys of a run
SHAPING = (
    "norm", "norm_layers", "placement", "dropout", "dropout_place", "init", "options",
    "halved", "transformer",
)  # fmt: skip


def describe_networks(image_size: int = 32) -> list[dict[str, Any]]:
    """List the networks: name, source, what can be varied, parameters without and with BN.

    Examples:
        >>> [row["name"] for row in describe_networks() if row["parameters"] < 20_000]
        ['conv_pair']
    """
    rows = []
    for name in network_names():
        without, with_bn = (
            describe_network(name, norm, image_size=image_size) for norm in ("none", "batch")
        )
        row = {key: without[key] for key in ("name", "summary", "source")}
        row |= {"options": dict(network_called(name).options)}
        row |= {"parameters": without["parameters"], "parameters_batch": with_bn["parameters"]}
        rows.append(row)
    return rows


def describe_network(
    name: str,
    norm: str | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    image_size: int = 32,
) -> dict[str, Any]:
    """Describe a network: source, settings, parameters, and its layers with their output shapes.

    Args:
        norm: Normalisation layer; none unless given.
        settings: Keys of a run that shape the network: `norm.groups`, `options.pooling`, `dropout`.

    Examples:
        >>> describe_network("three_convs")["parameters"]
        45770
    """
    run = _run(name, norm, settings)
    network, layers = network_called(run.network), _layers(run, image_size)
    return {
        "name": run.network, "summary": network.summary, "source": network.source,
        "image_size": image_size, "norm": run.norm.model_dump(mode="json"),
        "norm_layers": run.norm_layers, "placement": run.placement,
        "dropout": run.dropout, "dropout_place": run.dropout_place,
        "halved": run.halved, "transformer": run.transformer,
        "init": run.init.model_dump(mode="json"), "options": options_of(run),
        "parameters": sum(layer.parameters for layer in layers),
        "layers": [asdict(layer) for layer in layers],
    }  # fmt: skip


def draw_network(
    file: str | os.PathLike[str],
    name: str,
    norm: str | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    image_size: int = 32,
) -> Path:
    """Draw a network's diagram into a .png, .svg or .pdf file."""
    from hindi_bn.figures.networks import network_figure
    from hindi_bn.figures.style import format_of, save_as

    format_of(Path(file))
    run = _run(name, norm, settings)
    layers = _layers(run, image_size)
    title = (
        f"{run.network}, norm {run.norm.name}, on {image_size} x {image_size} grey images: "
        f"{sum(layer.parameters for layer in layers):,} parameters"
    )
    return save_as(network_figure(layers, title), Path(file))


def _run(name: str, norm: str | None, settings: Mapping[str, Any] | None) -> Run:
    """Return a run with these settings; `norm` beats the setting of that name."""
    changes = {"norm": "none", **(settings or {})} | ({"norm": norm} if norm else {})
    for key in changes:
        if key.partition(".")[0] not in SHAPING:
            raise StudyError(
                f"Key {key!r} does not shape a network.",
                f"The keys that do: {', '.join(SHAPING)}.",
                "train with it instead: hindi-bn train --set",
            )
    raw = {"name": "network", "runs": [{"name": "network", "network": name}]}
    origin = "the network's settings"
    return validate(overridden(raw, origin, changes), origin).runs[0]


def _layers(run: Run, image_size: int) -> list[Layer]:
    with preserved():
        return layer_table(build_run(run, image_size), image_size)
