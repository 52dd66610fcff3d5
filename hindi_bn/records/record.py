"""What a run's folder tells when it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn.errors import RunError
from hindi_bn.study import Run, Study

if TYPE_CHECKING:
    import pandas as pd

    from hindi_bn.digits import Digits

COLUMNS = ("epoch", "seconds", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
"""Columns of every history.csv; recordings may add some, such as wx and wy."""


@dataclass(frozen=True)
class Record:
    """What a run's folder tells: settings, history (DataFrame with `COLUMNS`), environment."""

    folder: Path
    study: Study
    run: Run
    history: pd.DataFrame
    environment: dict[str, Any]
    label: str = ""

    @property
    def name(self) -> str:
        """What the run is called beside others: its label if it has one."""
        return self.label or self.run.name

    @property
    def data_title(self) -> str:
        """Name of the data that the run was trained on, as tables and figures print it."""
        return str(self.environment["data"]["title"])

    def check_data(self, digits: Digits) -> None:
        """Refuse digits other than those that the run was trained on, with a RunError."""
        if self.environment["data"]["sha256"] != dict(digits.digests):
            raise RunError(
                f"{self.folder} was trained on other data than is there now.",
                f"It was trained on: {self.data_title}; there is: {digits.title}.",
                "name the folder of its data with --data-dir, or train again with --overwrite",
            )

    def recorded_pair(self) -> dict[str, Any]:
        """Return what wx and wy are: `layer` and both indices; RunError if none are recorded."""
        pair = self.run.recorded_pair()
        if pair is None:
            raise RunError(
                f"{self.folder} has no path of two weights to draw.",
                "Its study does not record them.",
                "train it with --set 'recordings=[pair]' --overwrite (docs/recordings.md)",
            )
        return pair.model_dump(mode="json", include={"layer", *pair.columns})
