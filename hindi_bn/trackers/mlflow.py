"""Curves, settings and figures in an MLflow store: MLFLOW_TRACKING_URI, or mlflow.db in --out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn.environment import needed
from hindi_bn.files import write_text
from hindi_bn.trackers import Tracker

with needed("mlflow", "Tracking by MLflow"):
    from mlflow import MlflowClient

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class MLflow(Tracker):
    """A run of the experiment that is called as the study; a resumed run goes on in the same."""

    def __init__(self, study: str, run: str, folder: Path, settings: dict[str, Any]) -> None:
        out = folder.parents[1].resolve()
        own, told = f"sqlite:///{out / 'mlflow.db'}", os.environ.get("MLFLOW_TRACKING_URI")
        self._client = MlflowClient(told or own)
        kept = folder / "mlflow.txt"
        if kept.exists():
            self._run = kept.read_text(encoding="utf-8").strip()
            self._client.set_terminated(self._run, "RUNNING")
            return
        there = self._client.get_experiment_by_name(study)
        place = None if told else (out / "mlflow").as_uri()
        experiment = there.experiment_id if there else self._client.create_experiment(study, place)
        self._run = self._client.create_run(experiment, run_name=run).info.run_id
        write_text(kept, f"{self._run}\n")
        for key, value in settings.items():
            self._client.log_param(self._run, key, value)

    def epoch(self, number: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=number)

    def finished(self, values: dict[str, float], figures: dict[str, Figure]) -> None:
        for name, figure in figures.items():
            self._client.log_figure(self._run, figure, f"{name}.png")

    def close(self, *, failed: bool) -> None:
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")
