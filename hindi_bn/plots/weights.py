"""Recorded single weights, their change since the first record, all runs in one figure."""

from collections.abc import Sequence

import pandas as pd

from hindi_bn.figures.recordings import weights_figure
from hindi_bn.plots import Choice, Figures
from hindi_bn.plots._runs import caption, recorded
from hindi_bn.records import Record
from hindi_bn.stats.recordings import weight_changes

EXAMPLE = "{kind: weight, name: wx, layer: last-conv, index: [3, 4, 1, 0]}"


def figures(records: Sequence[Record], choice: Choice) -> Figures:
    """Draw all recorded weights, a panel for each."""
    found = recorded(records, "weight", EXAMPLE)
    runs = [record.name for record in records]
    rows = {run: pd.concat([p[run] for p in found.values() if run in p]) for run in runs}
    changes = {run: weight_changes(weights) for run, weights in rows.items()}
    return {"weights": weights_figure(changes, caption(records))}
