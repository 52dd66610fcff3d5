"""The curvature of runs: tables, and the figures drawn from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn import digits as source
from hindi_bn.api.landscape.results import described, results_of, write_result
from hindi_bn.api.runs import RunLike, read_runs
from hindi_bn.curvature.hessian import Statistics
from hindi_bn.digits import Digits
from hindi_bn.landscape.curvature import (
    IMAGES,
    Asked,
    OnProduct,
    curvature_tables,
    normalised_is_invariant,
)
from hindi_bn.training.device import keep_freed_memory

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CurvatureResult:
    """`values` and `density` of `hindi_bn.landscape.curvature.Tables`, and their files."""

    table: pd.DataFrame
    density: pd.DataFrame
    files: list[Path]


def landscape_curvature(
    runs: Sequence[RunLike],
    *,
    statistics: Sequence[Statistics] = ("batch", "running"),
    images: int = IMAGES,
    draw: int = 0,
    eigenvalues: int = Asked.eigenvalues,
    steps: int = Asked.steps,
    probes: int = Asked.probes,
    points: int = Asked.points,
    float64: bool = False,
    digits: Digits | None = None,
    data_dir: str | os.PathLike[str] = "data",
    to: str | os.PathLike[str] | None = None,
    name: str = "curvature",
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
    on_product: OnProduct = lambda what, products: None,
) -> CurvatureResult:
    """Measure the Hessian of runs' losses, untrained and trained, or along a recorded path.

    Args:
        statistics: `batch`, `whole` or `running`: what BN normalises by, and so which loss.
        eigenvalues: How many of the largest.
        steps, probes: Of Lanczos for the density; no steps, no density.
        points: How many networks of a run that has recorded its path.
        float64: Maps in float64 too, some ten times slower.
        on_product: Called after each product with the Hessian.
    """
    from hindi_bn.figures.curvature import curvature_figure, density_figure
    from hindi_bn.figures.style import Caption

    records = read_runs(runs)
    data = digits or source.load(Path(data_dir), records[0].study.data)
    asked = Asked(tuple(statistics), eigenvalues, steps, probes, points, float64)
    keep_freed_memory()
    tables = curvature_tables(records, data, asked, images=images, draw=draw, on_product=on_product)
    document: dict[str, Any] = described(records) | {
        "settings": asdict(asked) | {"images": images, "draw": draw},
        "lengths_without_effect": {each.name: normalised_is_invariant(each) for each in records},
    }
    caption = Caption(records[0].data_title, f"{images:,} training images")
    folder = results_of(records, to)
    figure = curvature_figure(tables.values, caption)
    files = write_result(folder, name, tables.values, document, {name: figure}, formats, dpi)
    if steps:
        figures = {f"{name}-density": density_figure(tables.density, tables.values, caption)}
        files += write_result(
            folder, f"{name}-density", tables.density, document, figures, formats, dpi
        )
    return CurvatureResult(tables.values, tables.density, files)
