"""Filters of the convolutions after training, a figure per run."""

from collections.abc import Sequence

from hindi_bn.errors import StudyError
from hindi_bn.figures.maps import filters_figure
from hindi_bn.networks import weight_of
from hindi_bn.plots import Choice, Figures
from hindi_bn.plots._runs import caption, described, layers_of
from hindi_bn.records import Record
from hindi_bn.training.run import load_network


def figures(records: Sequence[Record], choice: Choice) -> Figures:
    """Draw the filters of each run's network."""
    drawn = {}
    for record in records:
        run, modules = record.run, dict(load_network(record).named_children())
        weights = {
            described(layer): weight
            for layer in layers_of(record)
            if layer.kind == "convolution"
            and (weight := weight_of(modules[layer.name])) is not None
        }
        if not weights:
            raise StudyError(
                f"{record.folder} has no filters.",
                f"Its network {run.network!r} has no convolution.",
                "name a run of a network that has some, such as three_convs",
            )
        about = caption([record]).plus("after training")
        drawn[f"filters-{record.name}"] = filters_figure(weights, record.name, about)
    return drawn
