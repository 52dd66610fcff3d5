"""Recorded gamma, beta and running averages, channel by channel, a figure per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hindi_bn.figures.recordings import statistics_figure
from hindi_bn.plots import Image
from hindi_bn.plots._runs import caption, file_name, layers_of, recorded
from hindi_bn.records import Record
from hindi_bn.stats.recordings import channel_medians

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NONE = "Its network has no layer with gamma, beta or running averages."


def figures(records: Sequence[Record], image: Image) -> dict[str, Figure]:
    """Draw the statistics of each run's layers."""
    drawn = {}
    for record in records:
        run, layers = record.run.name, layers_of(record)
        found = recorded([record], "statistics", "{kind: statistics, every: 50}", NONE)
        for name, parts in found.items():
            medians = channel_medians(parts[run])
            drawn[f"{file_name('statistics', name)}-{run}"] = statistics_figure(
                parts[run], medians, layers, run, caption([record])
            )
    return drawn
