"""Tables of losses around networks: on random lines and planes, along a path, between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from hindi_bn.errors import StudyError
from hindi_bn.landscape.grid import Floats, Plane, Points, Work, listed, losses, on_plane
from hindi_bn.landscape.losses import STATISTICS, statistics_of
from hindi_bn.landscape.planes import line_between, path_plane, random_plane, twin_of
from hindi_bn.landscape.subset import Subset
from hindi_bn.landscape.weights import refuse_different
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.path import read_path
from hindi_bn.training.run import initial_network, load_network

if TYPE_CHECKING:
    import pandas as pd

Directions = Literal["filters", "plain", "path"]


@dataclass(frozen=True)
class Settings:
    """What of a surface is looked at.

    Args:
        directions: Random ones, normalised by `filters` or `plain`; or the plane of the run's path.
        dimensions, points, reach: 1 or 2; points along each; how far from the middle, on either
            side: as far as the filters are long, or in units of half the path and its margin.
        statistics: Of norms over the batch; see `hindi_bn.landscape.losses`.
        seed: Of the random directions.
    """

    directions: Directions = "filters"
    dimensions: int = 2
    points: int = 51
    reach: float = 1.0
    statistics: tuple[str, ...] = STATISTICS
    seed: int = 0


@dataclass(frozen=True)
class Surface:
    """Losses on a grid, a row per point; on a path, a row per point; shares that axes explain.

    Of the grid: run, arm, seed, network (trained or untrained), statistics, x, y (with two
    dimensions), loss, accuracy. Of the path: epoch, step, x, y, `away` (distance from the plane),
    loss and accuracy of the path's own point with the running averages of that time, and
    `loss_in_plane` at its projection.
    """

    grid: pd.DataFrame
    path: pd.DataFrame | None = None
    explained: tuple[float, ...] = ()


def check(records: Sequence[Record], settings: Settings, untrained: bool = False) -> None:
    """Refuse, before anything is computed, runs without weights, or without a path in demand."""
    if settings.directions == "path" and (untrained or settings.dimensions == 1):
        raise StudyError(
            "The plane of a path has two dimensions and begins at the untrained network.", "",
            "leave --untrained and --dimensions away, or take random directions",
        )  # fmt: skip
    for record in records:
        load_network(record)
        if settings.directions == "path":
            path_plane(read_path(RunFolder(record.folder)))


def surface(
    record: Record, subset: Subset, settings: Settings, work: Work, *, untrained: bool = False
) -> Surface:
    """Compute the surface around a finished run's network, or around it before training.

    RunError for a run that is unfinished or has no path that is asked for.
    """
    if settings.directions == "path":
        return _along_path(record, subset, settings, work)
    network = initial_network(record) if untrained else load_network(record)
    plane = random_plane(
        network, settings.dimensions, settings.seed, like=None,
        filters=settings.directions == "filters",
    )  # fmt: skip
    axis = np.linspace(-settings.reach, settings.reach, settings.points)
    kind = "untrained" if untrained else "trained"
    coordinates = _grid(*[axis] * settings.dimensions)
    return Surface(_on_grid(record, subset, settings, work, plane, coordinates, kind))


def _along_path(record: Record, subset: Subset, settings: Settings, work: Work) -> Surface:
    import pandas as pd

    path = read_path(RunFolder(record.folder))
    found = path_plane(path)
    coordinates = _grid(*found.coordinates(settings.points, settings.reach))
    grid = _on_grid(record, subset, settings, work, found.plane, coordinates, "trained")
    own, projected = (
        listed(torch.cat([path.weights, path.buffers], dim=1)),
        on_plane(found.plane, found.places),
    )
    shared = {
        "epoch": path.epoch.tolist(), "step": path.step.tolist(), "x": found.places[:, 0],
        "y": found.places[:, 1], "away": found.away,
    }  # fmt: skip
    parts = []
    for statistics in statistics_of(record, settings.statistics):
        true, in_plane = (
            losses(record, subset, statistics, points, work, _said(record, statistics, what))
            for points, what in ((own, "path"), (projected, "path in the plane"))
        )
        values = {"loss": true[:, 0], "accuracy": true[:, 1], "loss_in_plane": in_plane[:, 0]}
        parts.append(pd.DataFrame(_about(record, statistics) | shared | values))
    explained = tuple(map(float, found.explained))
    return Surface(grid, pd.concat(parts, ignore_index=True), explained)


def between(
    first: Record, second: Record, subset: Subset, settings: Settings, work: Work
) -> pd.DataFrame:
    """Compute the losses on the line through two runs' networks, at x = 0 and x = 1.

    StudyError for runs of different networks. Running averages lie on the line, too.
    """
    refuse_different([first, second])
    plane = line_between(load_network(first), load_network(second))
    axis = np.linspace(-settings.reach, 1 + settings.reach, settings.points)
    table = _on_grid(first, subset, settings, work, plane, _grid(axis), "trained")
    return table.assign(run=f"{first.name} to {second.name}", seed=_seeds(first, second))


def _seeds(first: Record, second: Record) -> str:
    return " to ".join(str(each.study.seed) for each in (first, second))


def twins(
    record: Record, subset: Subset, settings: Settings, work: Work, factor: float
) -> pd.DataFrame:
    """Compute the losses along one random direction of a run's network and of its twin.

    Both with the filters' lengths and plain, in which case both are as long as the first network's
    weights. `network` is `trained` or `twin`, `directions` `filters` or `plain`.
    """
    import pandas as pd

    network = load_network(record)
    both = {"trained": network, "twin": twin_of(network, factor)}
    axis = _grid(np.linspace(-settings.reach, settings.reach, settings.points))
    parts = []
    for directions in ("filters", "plain"):
        for kind, each in both.items():
            plane = random_plane(
                each, 1, settings.seed, like=network, filters=directions == "filters"
            )
            table = _on_grid(record, subset, settings, work, plane, axis, kind)
            table.insert(4, "directions", directions)
            parts.append(table)
    return pd.concat(parts, ignore_index=True)


def twin_differences(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the largest distance between a network's losses and its twin's, by how it was taken.

    `difference` is of the loss, `relative` over the network's own; NaN where a loss is none.
    """
    rows = []
    for (statistics, directions), part in table.groupby(["statistics", "directions"], sort=False):
        own, twin = (
            part.loc[part["network"] == kind, "loss"].to_numpy() for kind in ("trained", "twin")
        )
        away = np.abs(twin - own)
        rows.append({
            "statistics": statistics, "directions": directions, "difference": float(away.max()),
            "relative": float((away / own).max()),
        })  # fmt: skip
    return rows


def summary(grid: pd.DataFrame, path: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """Sum a grid up by run and statistics: the loss at the network, its least and most.

    The network is in the middle of a grid, and at the end of a path.
    """
    keys = ["run", "seed", "network", "statistics"]
    rows = []
    for key, part in grid.groupby(keys, sort=False):
        middle = part.iloc[(part.filter(["x", "y"]) ** 2).sum(axis=1).argmin()]
        if path is not None:
            own = (path["run"] == key[0]) & (path["statistics"] == key[3])
            middle = path[own].iloc[-1]
        finite = part.loc[np.isfinite(part["loss"]), "loss"]
        rows.append(dict(zip(keys, key, strict=True)) | {
            "middle": float(middle["loss"]), "accuracy": float(middle["accuracy"]),
            "least": float(finite.min()), "most": float(finite.max()), "points": len(part),
            "not_finite": len(part) - len(finite),
        })  # fmt: skip
    return rows


def path_summary(path: pd.DataFrame) -> list[dict[str, Any]]:
    """Sum up how the plane shows a path: the farthest point from it, and the loss it changes most.

    `relative` is the largest distance of the loss in the plane from the point's own, over that.
    """
    rows = []
    for (run, statistics), part in path.groupby(["run", "statistics"], sort=False):
        relative = (part["loss_in_plane"] / part["loss"] - 1).abs()
        rows.append({
            "run": run, "statistics": statistics, "points": len(part),
            "away": float(part["away"].max()), "relative": float(relative.max()),
        })  # fmt: skip
    return rows


def bands(grid: pd.DataFrame) -> pd.DataFrame:
    """Sum lines up over the seeds of an arm: `n`, median, least and most loss and accuracy at x."""
    keys = ["arm", "network", "statistics", "x"]
    groups = grid.groupby(keys, sort=False)
    table = groups["seed"].nunique().rename("n").reset_index()
    for value in ("loss", "accuracy"):
        numbers = groups[value].apply(lambda v: v.to_numpy())
        for name, of in (("", np.median), ("_low", np.min), ("_high", np.max)):
            table[value + name] = [float(of(each)) for each in numbers]
    return table


def _on_grid(
    record: Record, subset: Subset, settings: Settings, work: Work, plane: Plane,
    coordinates: Floats, kind: str,
) -> pd.DataFrame:  # fmt: skip
    """Compute the losses at points of a plane by each of the statistics."""
    import pandas as pd

    points: Points = on_plane(plane, coordinates)
    axes = dict(zip(("x", "y"), coordinates.T, strict=False))
    parts = []
    for statistics in statistics_of(record, settings.statistics):
        found = losses(record, subset, statistics, points, work, _said(record, statistics, kind))
        values = {"loss": found[:, 0], "accuracy": found[:, 1]}
        about = _about(record, statistics, network=kind)
        parts.append(pd.DataFrame(about | axes | values))
    return pd.concat(parts, ignore_index=True)


def _about(record: Record, statistics: str, **more: str) -> dict[str, Any]:
    """Return what a row says of the run."""
    about = {"run": record.name, "arm": record.run.name, "seed": str(record.study.seed)}
    return {**about, **more, "statistics": statistics}


def _said(record: Record, statistics: str, what: str) -> str:
    parts: Sequence[str] = (record.name, what, *([statistics] if statistics != "none" else []))
    return ", ".join(parts)


def _grid(*axes: Floats) -> Floats:
    """Return all points of the axes, (points, axes), the first axis running fastest."""
    return np.stack([each.ravel() for each in np.meshgrid(*axes)], axis=1)
