"""Every seed a dot: outcomes of a sweep's arms, and their differences from a baseline arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hindi_bn.errors import HindiBnError
from hindi_bn.figures.over_seeds import (
    arm_looks,
    count_text,
    finish,
    intervals,
    label_size,
    limits,
    n_note,
    number,
    plain_log,
    quantity,
    scaled,
    wide_loss,
    wrapped,
)
from hindi_bn.figures.style import Look, new_figure, theme

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _LINE = 0.52, 0.2  # inches of an arm, and of a line of its label
_ABOVE, _BELOW, _SPREAD = -0.2, 0.14, 0.15  # of a row: its mean, its dots, half their height
_SAID_INCHES = 1.6  # for the numbers at the right


def seed_strips(runs: pd.DataFrame, ax: Axes, outcome: str = "final_test_accuracy") -> Axes:
    """Draw a row an arm: every seed a dot, above them the mean with its 95 % t-interval.

    Parameters
    ----------
    runs
        A row a run: `arm`, `seed`, `status` and the outcome's column.
    ax
        Where to draw.
    outcome
        A name of `hindi_bn.stats.metrics`.

    Returns
    -------
    `ax`, with the arms in order from the top. A seed has the same height in every row. Runs that
    diverged are counted in the label and not drawn.
    """
    values = scaled(runs, outcome)
    if wide_loss(outcome, values["value"]):
        plain_log(ax, "x")
    labels = {
        arm: f"{wrapped(str(arm))}\n({count_text(rows, outcome)})"
        for arm, rows in runs.groupby("arm", sort=False)
    }
    ax.set_xlabel(quantity(outcome).axis)
    return _rows(ax, values, labels, arm_looks(runs["arm"]))


def paired_strips(
    runs: pd.DataFrame, baseline: str, ax: Axes, outcome: str = "final_test_accuracy"
) -> Axes:
    """Draw a row an arm: its differences from the baseline arm, a dot a seed that both have.

    Parameters
    ----------
    runs, ax, outcome
        See `seed_strips`.
    baseline
        The arm that the others are compared with, seed by seed.

    Returns
    -------
    `ax`, with means and intervals as in `seed_strips` and a line at zero.

    Raises
    ------
    HindiBnError
        When no arm has that name.
    """
    pairs = paired_differences(runs, baseline, outcome)
    diverged = runs[runs["status"] == "diverged"].groupby("arm")["seed"].agg(set)
    labels = {}
    for arm, rows in runs[runs["arm"] != baseline].groupby("arm", sort=False):
        count = int((pairs["arm"] == arm).sum())
        seeds = set().union(*(diverged.get(name, set()) for name in (arm, baseline)))
        lost = f", {len(seeds & set(rows['seed']))} diverged" if seeds else ""
        labels[arm] = f"{wrapped(str(arm))}\n(n = {count} pair{'s' * (count != 1)}{lost})"
    ax.axvline(0.0, color="0.3", linewidth=1.0, linestyle="--", zorder=1)
    ax.set_xlabel(wrapped(quantity(outcome).difference(baseline), 70))
    _rows(ax, pairs, labels, arm_looks(runs["arm"]), signed=True)
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, -0.04 * high), max(high, -0.04 * low))
    return ax


def paired_differences(runs: pd.DataFrame, baseline: str, outcome: str) -> pd.DataFrame:
    """Pair every arm's runs with the baseline's of the same seed.

    Returns
    -------
    Columns `arm`, `seed` and `value`: the outcome less the baseline's, in the outcome's unit;
    a row a seed for which both runs have a value and neither diverged.
    """
    if baseline not in set(runs["arm"]):
        raise HindiBnError(
            f"There is no arm {baseline!r} to compare with.",
            f"The arms are {', '.join(dict.fromkeys(runs['arm'].astype(str)))}.",
            "name one of them as the baseline",
        )
    values = scaled(runs, outcome)[["arm", "seed", "value"]]
    base = values[values["arm"] == baseline][["seed", "value"]]
    pairs = values[values["arm"] != baseline].merge(base, on="seed", suffixes=("", "_base"))
    return pairs.assign(value=pairs["value"] - pairs["value_base"]).drop(columns="value_base")


def strip_figure(
    runs: pd.DataFrame,
    outcome: str = "final_test_accuracy",
    data_title: str = "",
    details: str = "",
) -> Figure:
    """Compose `seed_strips` with a title and the data note, which names n and the interval."""
    arms = list(dict.fromkeys(runs["arm"]))
    with theme():
        figure = _figure(runs, arms, quantity(outcome).name + " by arm")
        seed_strips(runs, figure.add_subplot(), outcome)
        shown = _dots(runs)
        return finish(figure, data_title, details, n_note(runs, arms), shown)


def paired_figure(
    runs: pd.DataFrame,
    baseline: str,
    outcome: str = "final_test_accuracy",
    data_title: str = "",
    details: str = "",
) -> Figure:
    """Compose `paired_strips` with a title and the data note, which names n and the interval."""
    arms = [arm for arm in dict.fromkeys(runs["arm"]) if arm != baseline]
    with theme():
        figure = _figure(runs, arms, quantity(outcome).name + ", paired by seed")
        paired_strips(runs, baseline, figure.add_subplot(), outcome)
        shown = _dots(runs, "pair")
        return finish(figure, data_title, details, n_note(runs), shown)


def _figure(runs: pd.DataFrame, arms: list[str], title: str) -> Figure:
    labels = [wrapped(str(arm)) + "\n(n)" for arm in arms]
    wide, lines = label_size(labels)
    height = max(_ROW * len(arms), _LINE * lines) + 1.7
    figure = new_figure(5.8 + max(wide, 1.6) + _SAID_INCHES, height)
    figure.suptitle(title, fontweight="bold")
    return figure


def _dots(runs: pd.DataFrame, single: str = "run") -> str:
    said = f"a dot is a {single}, seeds in order from the top; in black the mean"
    return said + "; diverged runs are left out" * bool((runs["status"] == "diverged").any())


def _rows(
    ax: Axes,
    values: pd.DataFrame,
    labels: Mapping[Any, str],
    given: Mapping[str, Look],
    signed: bool = False,
) -> Axes:
    seeds = sorted(set(values["seed"]))
    step = 2 * _SPREAD / max(len(seeds) - 1, 1)
    height = {seed: _BELOW - _SPREAD * (len(seeds) > 1) + step * i for i, seed in enumerate(seeds)}
    means = intervals(values, "arm", "value")
    for row, arm in enumerate(labels):
        rows = values[values["arm"] == arm]
        ax.plot(
            rows["value"], row + rows["seed"].map(height).astype(float), linestyle="none",
            marker=given[arm].marker, color=given[arm].colour, markersize=5, alpha=0.7,
            markeredgewidth=0, zorder=2,
        )  # fmt: skip
        if arm in means.index:
            _mean(ax, means.loc[arm], row + _ABOVE, signed)
        else:
            _said(ax, "no run counts", row)
    if not values.empty:
        limits(ax, "x", values["value"], means)
    ax.set_yticks(range(len(labels)), list(labels.values()), fontsize=9)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    return ax


def _mean(ax: Axes, mean: pd.Series, y: float, signed: bool) -> None:
    ax.plot([mean["mean"]], [y], marker="d", color="black", markersize=5, zorder=4)
    if mean["n"] > 1:
        ax.plot([mean["low"], mean["high"]], [y, y], color="black", linewidth=1.6, zorder=3)
    digits, sign = (3, "+") if signed else (4, "")
    said, low, high = (number(mean[name], digits, sign) for name in ("mean", "low", "high"))
    _said(ax, f"{said}  [{low}, {high}]" if mean["n"] > 1 else said, y - _ABOVE)


def _said(ax: Axes, text: str, y: float) -> None:
    transform = ax.get_yaxis_transform()
    ax.text(1.01, y, text, transform=transform, va="center", ha="left", fontsize=8.5, color="0.2")
