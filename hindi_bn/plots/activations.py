"""Recorded means and standard deviations of the layers' outputs, all runs in one figure."""

from collections.abc import Sequence

from hindi_bn.figures.recordings import activations_figure
from hindi_bn.plots import Choice, Figures
from hindi_bn.plots._runs import caption, file_name, layers_by_run, recorded
from hindi_bn.records import Record
from hindi_bn.training.recordings.activations import Activations


def figures(records: Sequence[Record], choice: Choice) -> Figures:
    """Draw mean and standard deviation of every layer's output."""
    found = recorded(records, "activations", "{kind: activations, every: 50}")
    layers, drawn = layers_by_run(records), {}
    for name, parts in found.items():
        batches = dict.fromkeys(
            f"outputs on the first {each.per_class} test images of each digit, {each.mode} mode"
            for record in records
            for each in record.run.recordings
            if isinstance(each, Activations) and each.name == name
        )
        about = caption(records).plus(" / ".join(batches))
        drawn[file_name("activations", name)] = activations_figure(parts, layers, about)
    return drawn
