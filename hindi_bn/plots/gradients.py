"""Recorded norms of the gradients by layer, all runs in one figure."""

from collections.abc import Sequence

from hindi_bn.figures.recordings import gradients_figure
from hindi_bn.plots import Choice, Figures
from hindi_bn.plots._runs import caption, file_name, layers_by_run, recorded
from hindi_bn.records import Record
from hindi_bn.stats.recordings import gradient_norms


def figures(records: Sequence[Record], choice: Choice) -> Figures:
    """Draw the norm of each layer's gradient, its parameters together."""
    found = recorded(records, "gradients", "{kind: gradients, every: 50}")
    layers, drawn = layers_by_run(records), {}
    for name, parts in found.items():
        norms = {run: gradient_norms(rows) for run, rows in parts.items()}
        drawn[file_name("gradients", name)] = gradients_figure(norms, layers, caption(records))
    return drawn
