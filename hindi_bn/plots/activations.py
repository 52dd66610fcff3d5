"""Recorded means and standard deviations of the layers' outputs, all runs in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hindi_bn.figures.recordings import activations_figure
from hindi_bn.plots import Image
from hindi_bn.plots._runs import caption, file_name, layers_by_run, recorded
from hindi_bn.records import Record
from hindi_bn.training.recordings.activations import Activations

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(records: Sequence[Record], image: Image) -> dict[str, Figure]:
    """Draw mean and standard deviation of every layer's output."""
    found = recorded(records, "activations", "{kind: activations, every: 50}")
    layers = layers_by_run(records)
    return {
        file_name("activations", name): activations_figure(
            parts, layers, caption(records).plus(_batch(name, records))
        )
        for name, parts in found.items()
    }


def _batch(name: str, records: Sequence[Record]) -> str:
    """Say on which images the activations called `name` were recorded, and in which mode."""
    batches = dict.fromkeys(
        f"outputs on the first {each.per_class} test images of each digit, {each.mode} mode"
        for record in records
        for each in record.run.recordings
        if isinstance(each, Activations) and each.name == name
    )
    return " / ".join(batches)
