"""Surfaces of the loss around networks, lines between two, and functional twins."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import torch

from hindi_bn.api.landscape.results import check_name, described, results_of, write_result
from hindi_bn.api.runs import RunLike, read_runs
from hindi_bn.digits import Digits
from hindi_bn.errors import StudyError
from hindi_bn.files import write_text
from hindi_bn.landscape import surfaces
from hindi_bn.landscape.grid import Work, forget
from hindi_bn.landscape.losses import STATISTICS
from hindi_bn.landscape.subset import IMAGES, subset_of
from hindi_bn.landscape.surfaces import Settings
from hindi_bn.training.device import choose_device

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hindi_bn.figures.style import Caption

FIGURES = {"": "loss", "-accuracy": "accuracy"}
"""What figures show, by the ends of their names."""

ALONG = {
    "filters": "random directions, filter-normalised, draw {}",
    "plain": "random directions, plain, draw {}",
    "path": "plane of two principal components",
}

PLANE, LINE, TWIN = Settings(), Settings(dimensions=1, reach=0.2), Settings(dimensions=1)


class How(TypedDict, total=False):
    """How a surface is computed and written, unless it is left to what stands in brackets.

    Args:
        images, draw: Training images (1,000), as many of each class; the seed of their draw (0).
        to, name: Folder (`landscape` beside the first run's) and name of the results.
        device, formats, dpi: Where losses are taken (`cpu`); of the figures (PNG, 150).
        advance: Called with what is computed, the points done, and all points.
    """

    images: int
    draw: int
    to: str | os.PathLike[str] | None
    name: str
    device: str
    formats: Sequence[str]
    dpi: int
    advance: Callable[[str, int, int], None]


@dataclass(frozen=True)
class Landscape:
    """A result: its tidy table, its settings and summary, and the files that hold them.

    `path` has the points of the runs' own paths, where their plane was asked for.
    """

    table: pd.DataFrame
    document: dict[str, Any]
    files: list[Path]
    path: pd.DataFrame | None = None


class _Asked:
    """What every surface is asked with."""

    def __init__(
        self, runs: Sequence[RunLike], digits: Digits, settings: Settings, name: str, how: How,
        untrained: bool = False,
    ) -> None:  # fmt: skip
        unknown = [each for each in settings.statistics if each not in STATISTICS]
        if unknown or not settings.statistics:
            raise StudyError(
                f"There are no statistics {', '.join(unknown) or 'at all'}.", "",
                f"choose from {', '.join(STATISTICS)}",
            )  # fmt: skip
        self.records, self.settings, self.name = read_runs(runs), settings, how.get("name", name)
        check_name(self.name)
        surfaces.check(self.records, settings, untrained)
        images, draw = how.get("images", IMAGES), how.get("draw", 0)
        self.subsets = [subset_of(record, digits, images, draw) for record in self.records]
        self.folder = results_of(self.records, how.get("to"))
        self.work = Work(
            choose_device(how.get("device", "cpu")), torch.get_num_threads(),
            self.folder / f".{self.name}.kept", how.get("advance", lambda what, done, points: None),
        )  # fmt: skip
        self._formats, self._dpi = how.get("formats", ("png",)), how.get("dpi", 150)

    def caption(self, along: str) -> Caption:
        """Return what figures say at the bottom."""
        from hindi_bn.figures.style import Caption

        seeds = list(dict.fromkeys(str(record.study.seed) for record in self.records))
        data = " / ".join(dict.fromkeys(record.data_title for record in self.records))
        many = "s" if len(seeds) > 1 else ""
        return Caption(
            data, f"{self.subsets[0]}; n = 1 run each, seed{many} {', '.join(seeds)}; {along}"
        )

    def written(
        self, table: pd.DataFrame, more: dict[str, Any], figures: Mapping[str, Figure],
        path: pd.DataFrame | None = None,
    ) -> Landscape:  # fmt: skip
        """Write a result, its figures by the ends of their names, and forget what was kept."""
        document = {
            "images": str(self.subsets[0]), **asdict(self.settings), **more,
            **described(self.records, self.work.device.type),
        }  # fmt: skip
        called = {self.name + end: figure for end, figure in figures.items()}
        files = write_result(
            self.folder, self.name, table, document, called, self._formats, self._dpi
        )
        if path is not None:
            beside = self.folder / f"{self.name}-path.csv"
            write_text(beside, path.to_csv(index=False, lineterminator="\n"))
            files.insert(1, beside)
        forget(self.work.folder)
        return Landscape(table, document, files, path)


def landscape_surface(
    runs: Sequence[RunLike],
    digits: Digits,
    settings: Settings = PLANE,
    *,
    untrained: bool = False,
    **how: Unpack[How],
) -> Landscape:
    """Compute and draw the loss and the accuracy around runs' networks.

    Args:
        settings: Directions, dimensions, points, reach, statistics; see `Settings`.
        untrained: The same around each run's network as it was before training, too.
        how: See `How`.

    Writes NAME.csv (a row per run, statistics and point), NAME.json, NAME.png and NAME-accuracy;
    with `directions="path"` NAME-path.csv too. A call that was stopped goes on where it was.
    HindiBnError for what cannot be looked at: a run that is unfinished, has other data or no path,
    more images than there are.
    """
    import pandas as pd

    asked = _Asked(runs, digits, settings, "surface", how, untrained)
    found = [
        surfaces.surface(record, subset, settings, asked.work, untrained=kind)
        for record, subset in zip(asked.records, asked.subsets, strict=True)
        for kind in ([False, True] if untrained else [False])
    ]
    grid = pd.concat([each.grid for each in found], ignore_index=True)
    paths = [each.path for each in found if each.path is not None]
    path = pd.concat(paths, ignore_index=True) if paths else None
    explained = {each.grid["run"].iloc[0]: each.explained for each in found if each.explained}
    more = {"explained": explained, "summary": surfaces.summary(grid, path)}
    caption = asked.caption(ALONG[settings.directions].format(settings.seed))
    if settings.dimensions == 1:
        return asked.written(grid, more, _lines(grid, caption))
    from hindi_bn.figures.landscape import path_figure, surfaces_figure

    figures = {
        end: surfaces_figure(grid, caption, value, path, explained)
        for end, value in FIGURES.items()
    }
    if path is not None:
        more["path"] = surfaces.path_summary(path)
        figures["-path"] = path_figure(path, caption)
    return asked.written(grid, more, figures, path)


def landscape_line(
    runs: Sequence[RunLike], digits: Digits, settings: Settings = LINE, **how: Unpack[How]
) -> Landscape:
    """Compute and draw the loss on the straight line from one run's network to another's.

    x is 0 at the first and 1 at the second, and goes `reach` beyond both; running averages lie on
    the line, too. Files and errors as for `landscape_surface`; StudyError for runs of different
    networks, and for more or fewer than two.
    """
    if len(runs) != 2:  # noqa: PLR2004
        raise StudyError("A line leads from one run to another.", "", "name two runs' folders")
    asked = _Asked(runs, digits, settings, "line", how)
    first, second = asked.records
    table = surfaces.between(first, second, asked.subsets[0], settings, asked.work)
    more = {"summary": surfaces.summary(table)}
    return asked.written(
        table,
        more,
        _lines(table, asked.caption("running averages lie on the line, too"), (0.0, 1.0)),
    )


def landscape_twin(
    run: RunLike,
    digits: Digits,
    settings: Settings = TWIN,
    *,
    factor: float = 5.0,
    **how: Unpack[How],
) -> Landscape:
    """Compute and draw a network and its functional twin along one and the same random direction.

    The twin has the weights before each norm times `factor`: the same function up to eps. Drawn
    with filter-normalised directions, which are to show no difference, and with plain ones. Files
    and errors as for `landscape_surface`; StudyError for a network without norms.
    """
    from hindi_bn.figures.landscape import twin_figure

    asked = _Asked([run], digits, settings, "twin", how)
    table = surfaces.twins(asked.records[0], asked.subsets[0], settings, asked.work, factor)
    more = {"factor": factor, "differences": surfaces.twin_differences(table)}
    return asked.written(
        table, more, {"": twin_figure(table, asked.caption(f"direction {settings.seed}"), factor)}
    )


def _lines(
    table: pd.DataFrame, caption: Caption, ends: Sequence[float] = (0.0,)
) -> dict[str, Figure]:
    from hindi_bn.figures.landscape import lines_figure

    bands = surfaces.bands(table)
    return {end: lines_figure(table, bands, caption, value, ends) for end, value in FIGURES.items()}
