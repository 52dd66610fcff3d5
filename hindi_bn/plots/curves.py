"""Losses and accuracies by epoch, training and test, all runs in one figure."""

from collections.abc import Sequence

from hindi_bn.figures import recordings as drawn
from hindi_bn.plots import Choice, Figures
from hindi_bn.plots._runs import caption
from hindi_bn.records import Record
from hindi_bn.stats.headlines import headline
from hindi_bn.stats.metrics import metric_named


def figures(records: Sequence[Record], choice: Choice) -> Figures:
    """Draw the histories of the runs."""
    histories = {record.name: record.history for record in records}
    ends = {run: float(history["test_accuracy"].iloc[-1]) for run, history in histories.items()}
    title = headline(metric_named("test_accuracy"), ends, "at the end")
    return {"curves": drawn.curves_figure(histories, caption(records), title)}
