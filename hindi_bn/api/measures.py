"""Measures of trained networks."""

import pandas as pd

from hindi_bn import measures
from hindi_bn.api.runs import RunLike, read_run
from hindi_bn.digits import Digits
from hindi_bn.records import RunFolder
from hindi_bn.registry import find


def measure(run: RunLike, name: str, digits: Digits) -> pd.DataFrame:
    """Take a measure of a finished run, or read it if it was taken before.

    Returns a row per value: its name as index, `value` in `unit` (per cent for shares), `label`,
    and `version`, which is raised whenever the measure would give other values for the same run.
    HindiBnError as for `hindi_bn.measures.measure`, which lists the measures for a wrong name.
    """
    values = measures.measure(RunFolder(read_run(run).folder), name, digits)
    file = find(measures.FOLDER, name)
    rows = {
        value: (number * metric.factor, metric.unit, metric.label, file.VERSION)
        for value, metric in file.VALUES.items()
        if (number := values.get(value)) is not None
    }
    return pd.DataFrame.from_dict(rows, "index", columns=["value", "unit", "label", "version"])
