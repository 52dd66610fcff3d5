"""Recorded gamma, beta and running averages, channel by channel, a figure per run."""

from collections.abc import Sequence

from hindi_bn.figures.recordings import statistics_figure
from hindi_bn.plots import Choice, Figures
from hindi_bn.plots._runs import caption, file_name, layers_of, recorded
from hindi_bn.records import Record
from hindi_bn.stats.recordings import channel_medians

NONE = "Its network has no layer with gamma, beta or running averages."


def figures(records: Sequence[Record], choice: Choice) -> Figures:
    """Draw the statistics of each run's layers."""
    drawn = {}
    for record in records:
        run, layers = record.name, layers_of(record)
        found = recorded([record], "statistics", "{kind: statistics, every: 50}", NONE)
        for name, parts in found.items():
            rows, file = parts[run], f"{file_name('statistics', name)}-{run}"
            drawn[file] = statistics_figure(
                rows, channel_medians(rows), layers, run, caption([record])
            )
    return drawn
