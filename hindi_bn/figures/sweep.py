"""The figures of a sweep: which ones its tables allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hindi_bn.figures.dose import dose_figure
from hindi_bn.figures.over_seeds import levels, scaled
from hindi_bn.figures.sweep_curves import curves_figure
from hindi_bn.figures.sweep_maps import heat_figure
from hindi_bn.figures.sweep_strips import paired_differences, paired_figure, strip_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "curves_figure", "dose_figure", "heat_figure", "paired_figure", "strip_figure", "sweep_figures",
]  # fmt: skip

_OUTCOME = "final_test_accuracy"
_MOST_FACETS = 6


def sweep_figures(
    runs: pd.DataFrame, epochs: pd.DataFrame, varied: list[str], data_title: str, details: str = ""
) -> dict[str, Figure]:
    """Draw what a sweep's tables allow.

    Parameters
    ----------
    runs
        A row a run: `arm`, `seed`, `status`, the varied keys, and the outcomes of
        `hindi_bn.stats.metrics`. The arms come in the order of their first rows; the first one
        is the baseline of the paired differences.
    epochs
        A row a run and epoch: `arm`, `seed` and the columns of a history.
    varied
        The keys that vary in the sweep, which are columns of `runs`.
    data_title, details
        For the note at the bottom of each figure.

    Returns
    -------
    Figures by file name without a suffix: `curves-test-accuracy` and `curves-train-loss` once there
    are epochs, `final-accuracy` once there is a run that counts, `paired` once two arms share a
    seed, and `heat-map` when two keys vary, or three of which the one with the fewest values, at
    most six, has a panel a value.
    """
    figures: dict[str, Figure] = {}
    for name in ("test_accuracy", "train_loss"):
        if not epochs.empty and epochs[name].notna().any():
            figure = curves_figure(epochs, name, data_title, details, runs)
            figures[f"curves-{name.replace('_', '-')}"] = figure
    if _OUTCOME not in runs or scaled(runs, _OUTCOME).empty:
        return figures
    figures["final-accuracy"] = strip_figure(runs, _OUTCOME, data_title, details)
    baseline = str(runs["arm"].iloc[0])
    if not paired_differences(runs, baseline, _OUTCOME).empty:
        figures["paired"] = paired_figure(runs, baseline, _OUTCOME, data_title, details)
    keys = _map_keys(runs, varied)
    if keys is not None:
        x, y, facet = keys
        figures["heat-map"] = heat_figure(runs, x, y, _OUTCOME, facet, data_title, details)
    return figures


def _map_keys(runs: pd.DataFrame, varied: list[str]) -> tuple[str, str, str | None] | None:
    """Choose the keys of a map's columns, rows and panels; none when it would not be readable."""
    counts = {key: len(levels(runs[key])) for key in varied}
    keys = sorted((key for key in counts if counts[key] > 1), key=lambda key: -counts[key])
    if len(keys) == 2:  # noqa: PLR2004
        return keys[0], keys[1], None
    if len(keys) == 3 and counts[keys[2]] <= _MOST_FACETS:  # noqa: PLR2004
        return keys[0], keys[1], keys[2]
    return None
