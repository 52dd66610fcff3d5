"""What several plots take from runs: caption, layers, and what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hindi_bn.errors import StudyError
from hindi_bn.figures.style import Caption
from hindi_bn.networks import Layer, build_run, layer_table
from hindi_bn.networks.preserved import preserved
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import read_recordings

if TYPE_CHECKING:
    import pandas as pd

Recorded = dict[str, dict[str, "pd.DataFrame"]]
"""Rows of captures.csv by the recording's name and the run's."""


def caption(records: Sequence[Record]) -> Caption:
    """Return the data's names, the number of runs and their seeds."""
    titles = " / ".join(dict.fromkeys(record.data_title for record in records))
    seeds = ", ".join(dict.fromkeys(str(record.study.seed) for record in records))
    return Caption(titles, f"n = 1 run{' each' if len(records) > 1 else ''}, seed {seeds}")


def layers_of(record: Record) -> list[Layer]:
    """Return the layer table of a run's network, without its input."""
    with preserved():
        network = build_run(record.run, record.study.image_size)
    return layer_table(network, record.study.image_size)[1:]


def layers_by_run(records: Sequence[Record]) -> dict[str, list[Layer]]:
    """Return the layer tables of several runs, by their names."""
    return {record.name: layers_of(record) for record in records}


def described(layer: Layer) -> str:
    """Return a layer's name and what it is."""
    return f"{layer.name} · {layer.description}"


def recorded(records: Sequence[Record], kind: str, example: str, why_empty: str = "") -> Recorded:
    """Read what runs recorded of one kind; StudyError when one has recorded none.

    Args:
        example: The recording as a study's file asks for it.
        why_empty: Why there may be no row, if not because the run ended before the first was due.
    """
    divided: Recorded = {}
    for record in records:
        rows = _rows(record, kind, example, why_empty)
        for name, part in rows.groupby("name", sort=False):
            divided.setdefault(str(name), {})[record.name] = part
    return divided


def _rows(record: Record, kind: str, example: str, why_empty: str) -> pd.DataFrame:
    names = [each.name for each in record.run.recordings if each.kind == kind]
    if not names:
        others = ", ".join(dict.fromkeys(each.kind for each in record.run.recordings))
        raise StudyError(
            f"{record.folder} has no recorded {kind}.",
            f"What its study records is: {others or 'nothing more'}.",
            f"put this into the study file and train again: recordings: [{example}]",
        )
    rows = read_recordings(RunFolder(record.folder))
    rows = rows[rows["name"].isin(names)]
    if rows.empty:
        raise StudyError(
            f"{record.folder} has no recorded {kind}.",
            why_empty or "It ended before the first record was due.",
            "leave this run out" if why_empty else f"set recordings.{names[0]}.every lower",
        )
    return rows


def file_name(kind: str, recording: str) -> str:
    """Return a figure's file name: a recording with a name of its own has a figure of its own."""
    return kind if recording == kind else f"{kind}-{recording}"
