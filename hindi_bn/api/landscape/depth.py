"""Signals and gradients by depth, before any training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn import digits as source
from hindi_bn import environment
from hindi_bn.api.landscape.results import write_result
from hindi_bn.errors import StudyError
from hindi_bn.landscape import depth as landscape
from hindi_bn.landscape.subset import subset

if TYPE_CHECKING:
    import pandas as pd

BATCH = 50  # images


@dataclass(frozen=True)
class ByDepth:
    """What untrained networks make of a batch, and of its loss's gradient, by depth.

    Args:
        rows, entries: Those of `hindi_bn.landscape.depth.by_depth`.
        growth: That of `hindi_bn.landscape.depth.growth`: a row per kind of network and depth.
        about: The data, the images, and the number of seeds.
    """

    rows: pd.DataFrame
    entries: pd.DataFrame
    growth: pd.DataFrame
    about: dict[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """What `depth.json` holds: what it is about, `growth`, and the machine."""
        growth = self.growth.to_dict("records")
        return {**self.about, "growth": growth, "environment": environment.describe("cpu")}

    def write(
        self, to: str | os.PathLike[str], formats: Sequence[str] = ("png",), dpi: int = 150
    ) -> list[Path]:
        """Write `depth.csv`, `depth.json`, `depth-entries.csv` and figures; return the files.

        HindiBnError when a format is unknown or a file cannot be written.
        """
        from hindi_bn.figures.depth import depth_figure, tails_figure
        from hindi_bn.figures.style import Caption
        from hindi_bn.files import write_text

        caption = Caption(self.about["data"], f"n = {self.about['seeds']} seeds").plus(
            self.about["images"], "one batch, train mode, untrained"
        )
        by_layer = {
            quantity: landscape.over_seeds(self.rows, quantity)
            for quantity in ("mean", "variance", "gradient")
        }
        figures = {
            "depth": depth_figure(by_layer, self.growth, caption),
            "depth-tails": tails_figure(self.entries, self.growth, caption),
        }
        folder, entries = Path(to), self.entries.to_csv(index=False, lineterminator="\n")
        written = write_result(folder, "depth", self.rows, self.document, figures, formats, dpi)
        write_text(folder / "depth-entries.csv", entries)
        return [*written, folder / "depth-entries.csv"]


def landscape_depth(
    depths: Sequence[int] = landscape.DEPTHS,
    seeds: int = 10,
    *,
    images: int = BATCH,
    draw: int = 0,
    data: str = "digits",
    data_dir: str | os.PathLike[str] = "data",
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> ByDepth:
    """Compare channels' means and variances and the gradient's size by depth, before training.

    Networks of so many convolutions, with BN and without, from torch's own initial weights and from
    Kaiming's; see `hindi_bn.landscape.depth.by_depth`. StudyError for fewer than three
    convolutions, no seed, or images that there are not.

    Args:
        images, draw: So many training images, one batch, as many of each class, drawn by a seed.
        advance: Called with the networks done and their number.
    """
    depths = sorted(set(depths))
    if not depths or depths[0] < landscape.FEWEST or seeds < 1:
        raise StudyError(
            "Depths cannot be compared.",
            f"There are {seeds} seeds, and the depths {', '.join(map(str, depths)) or 'are none'}.",
            f"take at least one seed, and depths of {landscape.FEWEST} convolutions or more",
        )
    digits = source.load(Path(data_dir), data)
    batch = subset(digits, landscape.run_of_depth(depths[0], "bn", "default"), images, draw)
    rows, entries = landscape.by_depth(batch, depths, seeds, advance)
    about = {"data": digits.title, "images": str(batch), "depths": depths, "seeds": seeds}
    return ByDepth(rows, entries, landscape.growth(rows), about)
