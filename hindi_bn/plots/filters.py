"""Filters of the convolutions after training, a figure per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hindi_bn.errors import StudyError
from hindi_bn.figures.maps import filters_figure
from hindi_bn.networks import weight_of
from hindi_bn.plots import Image
from hindi_bn.plots._runs import caption, described, layers_of
from hindi_bn.records import Record
from hindi_bn.training.run import load_network

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(records: Sequence[Record], image: Image) -> dict[str, Figure]:
    """Draw the filters of each run's network."""
    return {f"filters-{record.run.name}": _filters(record) for record in records}


def _filters(record: Record) -> Figure:
    modules, weights = dict(load_network(record).named_children()), {}
    for layer in layers_of(record):
        if layer.kind == "convolution":
            weight = weight_of(modules[layer.name])
            assert weight is not None
            weights[described(layer)] = weight
    if not weights:
        raise StudyError(
            f"{record.folder} has no filters.",
            f"Its network {record.run.network!r} has no convolution.",
            "name a run of a network that has some, such as three_convs",
        )
    return filters_figure(weights, record.run.name, caption([record]).plus("after training"))
