"""Along the gradient: the loss and its gradient as networks train."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn.api.landscape.results import described, results_of, write_result
from hindi_bn.api.runs import RunLike, read_run
from hindi_bn.files import plain_json
from hindi_bn.landscape.gradient import (
    asked_of,
    bands_of,
    bands_over_seeds,
    lengths_of,
    values_over_seeds,
)
from hindi_bn.records import Record

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AlongGradient:
    """What runs recorded along the gradient.

    Args:
        bands: A row per run, reading and scale; see `hindi_bn.landscape.gradient.bands_of`.
        values: The measure `along-gradient` of each arm, a row per value and arm, over seeds.
    """

    records: Sequence[Record]
    bands: pd.DataFrame
    values: pd.DataFrame

    @property
    def document(self) -> dict[str, Any]:
        """What `gradient.json` holds: the runs, the lengths of the steps, `values`, the machine."""
        document = {
            "recording": asked_of(self.records[0]).model_dump(mode="json"),
            "values": self.values.to_dict("records"),
            **described(self.records),
        }
        return dict(plain_json(document))

    def write(
        self, to: str | os.PathLike[str] | None = None, formats: Sequence[str] = ("png",),
        dpi: int = 150,
    ) -> list[Path]:  # fmt: skip
        """Write `gradient.csv`, `gradient.json` and the figure; return the files.

        They go to `to`, or to `landscape` beside the first run's folder. HindiBnError when a format
        is unknown or a file cannot be written.
        """
        from hindi_bn.figures.along_gradient import along_gradient_figure
        from hindi_bn.figures.style import Caption

        caption = Caption(" / ".join(dict.fromkeys(each.data_title for each in self.records)))
        medians = bands_over_seeds(self.bands)
        figure = along_gradient_figure(medians, lengths_of(self.records[0]), caption)
        folder = results_of(self.records, to)
        return write_result(
            folder, "gradient", self.bands, self.document, {"gradient": figure}, formats, dpi
        )


def landscape_gradient(runs: Sequence[RunLike]) -> AlongGradient:
    """Read what runs recorded along the gradient; runs that differ in the seed alone are an arm.

    HindiBnError as for `hindi_bn.landscape.gradient.bands_of`.
    """
    records = [read_run(run) for run in runs]
    bands = bands_of(records)
    return AlongGradient(records, bands, values_over_seeds(bands))
