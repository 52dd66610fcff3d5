"""From runs to the figures of `hindi-bn plot`: what each kind needs, and where its files go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import torch
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.errors import StudyError
from hindi_bn.figures import recordings as drawn
from hindi_bn.figures.maps import filters_figure, maps_figure
from hindi_bn.figures.style import Caption, save
from hindi_bn.networks import Layer, build_run, layer_table, weight_of
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import read_captures
from hindi_bn.stats.recordings import channel_medians, gradient_norms
from hindi_bn.study.recordings import ActivationsCapture
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["curves", "statistics", "gradients", "activations", "weights", "filters", "maps"]

Figures = dict[str, "Figure"]  # by the file's name without suffix

_RECORDED_AS = {
    "gradients": ("gradients", "{kind: gradients, every: 50}"),
    "activations": ("activations", "{kind: activations, every: 50}"),
    "statistics": ("statistics", "{kind: statistics, every: 50}"),
    "weights": ("weight", "{kind: weight, name: wx, layer: last-conv, index: [3, 4, 1, 0]}"),
}
"""Kind of the captures that a plot needs, and how a study asks for them."""


@dataclass(frozen=True)
class Image:
    """A test image: the `index`-th of its `digit`, counted from 0."""

    digits: Digits
    digit: int
    index: int


def write_plot(
    kind: Kind,
    records: Sequence[Record],
    folder: Path,
    image: Image | None = None,
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
) -> list[Path]:
    """Draw one kind of figure from runs and write it.

    Parameters
    ----------
    kind
        curves, gradients, activations and weights join the runs in a figure; statistics, filters
        and maps are a figure a run.
    records
        The runs, in study order; their names differ.
    folder
        Where to.
    image
        For `maps`: the image that is sent through the networks.
    formats, dpi
        See `hindi_bn.figures.style.save`.

    Returns
    -------
    The files written.

    Raises
    ------
    StudyError
        When a run has not recorded what is to be drawn, or its network has no such layers.
    RunError
        When a run is unfinished and its weights are needed, or was trained on other data than the
        image is from.
    """
    if kind == "curves":
        histories = {record.run.name: record.history for record in records}
        figures = {"curves": drawn.curves_figure(histories, _caption(records))}
    elif kind == "filters":
        figures = {f"filters-{r.run.name}": _filters(r) for r in records}
    elif kind == "maps":
        assert image is not None
        figures = {f"maps-{r.run.name}": _maps(r, image) for r in records}
    else:
        figures = _captured(kind, records)
    return [
        path
        for name, figure in figures.items()
        for path in save(figure, folder / name, formats, dpi)
    ]


def feature_maps(network: nn.Module, image: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    """Send an image through a network in eval mode.

    Parameters
    ----------
    image
        Scaled, (1, height, width).

    Returns
    -------
    Name and output without the batch, (channels, height, width) or (features,), of every layer
    but flatten, in order.
    """
    outputs, x = [], image.unsqueeze(0)
    network.eval()
    with torch.no_grad():
        for name, layer in network.named_children():
            x = layer(x)
            if not isinstance(layer, nn.Flatten):
                outputs.append((name, x[0]))
    return outputs


def layers_of(record: Record) -> list[Layer]:
    """Return the layer table of a run's network, without its input."""
    with torch.random.fork_rng(devices=[]):
        network = build_run(record.run, record.study.image_size)
    return layer_table(network, record.study.image_size)[1:]


def _captured(kind: Kind, records: Sequence[Record]) -> Figures:
    """Make the figures of a captured kind: a capture of its own name has a figure of its own."""
    alone = kind == "statistics"
    figures: Figures = {}
    for group in [[record] for record in records] if alone else [records]:
        found = {record.run.name: _captures(kind, record) for record in group}
        for name, parts in _by_capture(kind, found).items():
            stem = kind if name == kind else f"{kind}-{name}"
            figures[f"{stem}-{group[0].run.name}" if alone else stem] = _compose(
                kind, name, parts, group
            )
    return figures


def _captures(kind: Kind, record: Record) -> pd.DataFrame:
    """Read a run's captures of one kind; StudyError when there are none."""
    wanted, example = _RECORDED_AS[kind]
    names = [capture.name for capture in record.run.captures if capture.kind == wanted]
    if not names:
        others = ", ".join(dict.fromkeys(capture.kind for capture in record.run.captures))
        raise StudyError(
            f"{record.folder} has no recorded {kind}.",
            f"What its study records is: {others or 'nothing but wx and wy'}.",
            f"put this into the study file and train again: captures: [{example}]",
        )
    frame = read_captures(RunFolder(record.folder))
    frame = frame[frame["name"].isin(names)]
    if frame.empty:
        none = "Its network has no layer with gamma, beta or running averages."
        late = "It ended before the first record was due."
        raise StudyError(
            f"{record.folder} has no recorded {kind}.",
            none if kind == "statistics" else late,
            "leave this run out" if kind == "statistics" else "record more often: captures.every",
        )
    return frame


def _by_capture(
    kind: Kind, found: Mapping[str, pd.DataFrame]
) -> dict[str, dict[str, pd.DataFrame]]:
    """Divide each run's captures by their names; weights stay together in one figure."""
    if kind == "weights":
        return {kind: dict(found)}
    names = dict.fromkeys(name for frame in found.values() for name in frame["name"])
    divided: dict[str, dict[str, pd.DataFrame]] = {}
    for name in names:
        parts = {run: frame[frame["name"] == name] for run, frame in found.items()}
        divided[name] = {run: part for run, part in parts.items() if not part.empty}
    return divided


def _compose(
    kind: Kind, name: str, parts: Mapping[str, pd.DataFrame], records: Sequence[Record]
) -> Figure:
    caption = _caption(records)
    if kind == "weights":
        return drawn.weights_figure(parts, caption)
    layers = {record.run.name: layers_of(record) for record in records}
    if kind == "statistics":
        ((run, rows),) = parts.items()
        return drawn.statistics_figure(rows, channel_medians(rows), layers[run], run, caption)
    if kind == "gradients":
        norms = {run: gradient_norms(rows) for run, rows in parts.items()}
        return drawn.gradients_figure(norms, layers, caption)
    return drawn.activations_figure(parts, layers, caption.plus(_batch(name, records)))


def _batch(name: str, records: Sequence[Record]) -> str:
    """Say on which images the activations called `name` were recorded, and in which mode."""
    told = dict.fromkeys(
        f"outputs on the first {capture.per_class} test images of each digit, {capture.mode} mode"
        for record in records
        for capture in record.run.captures
        if isinstance(capture, ActivationsCapture) and capture.name == name
    )
    return " / ".join(told)


def _filters(record: Record) -> Figure:
    network = load_network(record)
    convolutions = [layer for layer in layers_of(record) if layer.kind == "convolution"]
    if not convolutions:
        raise StudyError(
            f"{record.folder} has no filters.",
            f"Its network {record.run.network!r} has no convolution.",
            "name a run of a network that has some, such as three_convs",
        )
    modules, weights = dict(network.named_children()), {}
    for layer in convolutions:
        weight = weight_of(modules[layer.name])
        assert weight is not None
        weights[_named(layer)] = weight
    return filters_figure(weights, record.run.name, _caption([record]).plus("after training"))


def _maps(record: Record, image: Image) -> Figure:
    digits = image.digits
    record.check_data(digits)
    pixels = pick(image)
    constants = run_constants(digits, record.run)
    outputs = feature_maps(load_network(record), scale(pixels.unsqueeze(0), constants)[0])
    named = {layer.name: _named(layer) for layer in layers_of(record)}
    shown = [("Image", pixels.unsqueeze(0) / 255)]
    shown += [(f"{named[name]}\n{_shape(output)}", output) for name, output in outputs]
    probabilities = outputs[-1][1].softmax(0)
    guess = int(probabilities.argmax())
    title = (
        f"{record.run.name}: what each layer makes of a {image.digit} "
        f"(taken for a {guess}, {100 * float(probabilities[guess]):.1f} %)"
    )
    where = f"n = 1: test image {image.index} of digit {image.digit}; eval mode"
    return maps_figure(shown, title, Caption(digits.title, where))


def pick(image: Image) -> torch.Tensor:
    """Return the pixels of a test image, uint8 (height, width); StudyError if there is none."""
    labels = image.digits.test_labels
    places = (labels == image.digit).nonzero().flatten()
    if image.index >= len(places):
        raise StudyError(
            f"There is no test image {image.index} of digit {image.digit}.",
            f"There are {len(places)}, counted from 0.",
            "choose a smaller --index",
        )
    return image.digits.test_images[places[image.index]]


def _named(layer: Layer) -> str:
    return f"{layer.name} · {layer.description}"


def _shape(output: torch.Tensor) -> str:
    return " × ".join(map(str, output.shape))


def _caption(records: Sequence[Record]) -> Caption:
    titles = " / ".join(dict.fromkeys(r.environment["data"]["title"] for r in records))
    seeds = ", ".join(dict.fromkeys(str(record.study.seed) for record in records))
    return Caption(titles, f"n = 1 run{' each' if len(records) > 1 else ''}, seed {seeds}")
