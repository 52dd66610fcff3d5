"""Recorded percentiles of one channel's input to each activation, and of all channels by run."""

from collections.abc import Sequence

from hindi_bn.errors import StudyError
from hindi_bn.figures.percentiles import channel_figure, ridges_figure
from hindi_bn.plots import Choice, Figures
from hindi_bn.plots._runs import caption, described, file_name, layers_of, recorded
from hindi_bn.records import Record
from hindi_bn.stats.recordings import channel_percentiles
from hindi_bn.training.recordings.percentiles import Percentiles


def figures(records: Sequence[Record], choice: Choice) -> Figures:
    """Draw one channel of all runs, and all channels of each run, over the steps."""
    found = recorded(records, "percentiles", "{kind: percentiles, every: 50}")
    drawn: Figures = {}
    for name, parts in found.items():
        tables = {run: channel_percentiles(rows) for run, rows in parts.items()}
        fewest = min(int(t.groupby("layer")["index"].max().max()) for t in tables.values()) + 1
        if choice.channel >= fewest:
            raise StudyError(
                f"There is no channel {choice.channel}.",
                f"The layers have {fewest} or fewer, counted from 0.",
                "choose a smaller --channel",
            )
        batches = dict.fromkeys(
            f"on the first {each.per_class} test images of each digit, {each.mode} mode"
            for record in records
            for each in record.run.recordings
            if isinstance(each, Percentiles) and each.name == name
        )
        about, file = caption(records).plus(" / ".join(batches)), file_name("percentiles", name)
        drawn[file] = channel_figure(tables, choice.channel, about)
        for record in records:
            words = {layer.name: described(layer) for layer in layers_of(record)}
            drawn[f"{file}-channels-{record.name}"] = ridges_figure(
                tables[record.name], record.name, words, caption([record]).plus(" / ".join(batches))
            )
    return drawn
