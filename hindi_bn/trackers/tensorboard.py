"""Curves, settings and figures in the run's folder, for `tensorboard --logdir results`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn.environment import needed
from hindi_bn.trackers import Tracker

with needed("tensorboard", "Tracking by TensorBoard"):
    from torch.utils.tensorboard import SummaryWriter

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TensorBoard(Tracker):
    """Event files in `tensorboard/` of the run's folder."""

    def __init__(self, study: str, run: str, folder: Path, settings: dict[str, Any]) -> None:
        self._writer, self._settings = SummaryWriter(str(folder / "tensorboard")), settings
        lines = [f"| {key} | {value} |" for key, value in settings.items()]
        self._writer.add_text("settings", "\n".join(["| key | value |", "|---|---|", *lines]))

    def epoch(self, number: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            split, _, quantity = name.partition("_")
            self._writer.add_scalar(f"{quantity}/{split}" if quantity else name, value, number)
        self._writer.flush()

    def finished(self, values: dict[str, float], figures: dict[str, Figure]) -> None:
        final = {f"final/{name}": value for name, value in values.items()}
        self._writer.add_hparams(self._settings, final, run_name=".")
        for name, figure in figures.items():
            self._writer.add_figure(name, figure)

    def close(self, *, failed: bool) -> None:
        self._writer.close()
