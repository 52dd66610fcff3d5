"""Curves of a sweep: each arm's mean by epoch with its interval, and every seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hindi_bn.figures.over_seeds import (
    arm_looks,
    finish,
    intervals,
    label_size,
    n_note,
    plain_log,
    quantity,
    wide_loss,
    wrapped,
)
from hindi_bn.figures.style import Look, new_figure, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DONE = "finished"
_MARKERS = 8  # about so many on a mean line, to tell arms of one colour apart
_LINES = 40  # with more seeds in a figure than this, their lines become fainter
_ZOOM_EPOCHS = 9  # from so many epochs on, the last third has a panel of its own
_LEGEND_LINE, _LEGEND_HANDLE = 0.19, 0.75  # inches


def mean_curves(
    epochs: pd.DataFrame, ax: Axes, outcome: str = "test_accuracy", runs: pd.DataFrame | None = None
) -> Axes:
    """Draw each arm's mean by epoch with a 95 % t-interval band, single seeds thin beneath.

    Parameters
    ----------
    epochs
        A row a run and epoch: `arm`, `seed`, `epoch` (counted from 0) and the outcome's column.
    ax
        Where to draw.
    outcome
        A column of a history: `test_accuracy`, `train_accuracy`, `train_loss` or `test_loss`.
    runs
        A row a run: `arm`, `seed` and `status`. A run that diverged ends with a cross and is left
        out of the mean, one that is unfinished too; without this table every row counts.

    Returns
    -------
    `ax`, labelled, without a legend. A loss that spans a decade has a logarithmic axis.
    """
    values = epochs.assign(value=quantity(outcome).factor * epochs[outcome])
    values = values[values["value"].notna()]
    status = _status(values, runs)
    arms = values["arm"] if runs is None else runs["arm"]
    faint = min(0.45, 0.1 + 0.35 * _LINES / max(len(status), 1))
    if wide_loss(outcome, values["value"]):
        plain_log(ax, "y")
    for arm, look in arm_looks(arms).items():
        rows = values[values["arm"] == arm]
        for seed, run in rows.groupby("seed"):
            _seed_line(ax, run, look, faint, status[arm, seed] == "diverged")
        counts = {seed for (name, seed), state in status.items() if (name, state) == (arm, _DONE)}
        _mean_line(ax, rows[rows["seed"].isin(counts)], look, str(arm))
    return _axes(ax, values, outcome)


def curves_figure(
    epochs: pd.DataFrame,
    outcome: str = "test_accuracy",
    data_title: str = "",
    details: str = "",
    runs: pd.DataFrame | None = None,
) -> Figure:
    """Compose `mean_curves` with a legend, and a closer look at the last third of the epochs.

    Parameters
    ----------
    epochs, outcome, runs
        See `mean_curves`.
    data_title, details
        For the note at the bottom; the number of seeds and the interval's name are added.
    """
    status = _status(epochs, runs)
    labels = {arm: _label(str(arm), status) for arm in arm_looks(arm for arm, _ in status)}
    wide, lines = label_size(list(labels.values()))
    zoomed = epochs["epoch"].nunique() >= _ZOOM_EPOCHS
    with theme():
        height = max(4.8, _LEGEND_LINE * lines + 1.0)
        figure = new_figure((11.0 if zoomed else 6.8) + wide + _LEGEND_HANDLE, height)
        figure.suptitle(f"{quantity(outcome).name} by epoch", fontweight="bold")
        panels = figure.subplots(1, 1 + zoomed, squeeze=False)[0]
        mean_curves(epochs, panels[0], outcome, runs)
        if zoomed:
            last = epochs["epoch"] >= epochs["epoch"].max() * 2 / 3
            mean_curves(epochs[last], panels[1], outcome, runs).set_title("The last third, closer")
        _legend(figure, panels[0], labels)
        one_a_seed = "thin: single seeds" + "; × diverged" * ("diverged" in status.values())
        table = epochs if runs is None else runs
        return finish(figure, data_title, details, n_note(table, list(labels)), one_a_seed)


def _status(epochs: pd.DataFrame, runs: pd.DataFrame | None) -> dict[tuple[Any, Any], str]:
    """Return each run's status by arm and seed."""
    if runs is None:
        return dict.fromkeys(zip(epochs["arm"], epochs["seed"], strict=True), _DONE)
    return dict(zip(zip(runs["arm"], runs["seed"], strict=True), runs["status"], strict=True))


def _seed_line(ax: Axes, run: pd.DataFrame, look: Look, faint: float, diverged: bool) -> None:
    how: dict[str, Any] = {"color": look.colour, "alpha": faint, "linewidth": 0.7, "zorder": 2}
    ax.plot(run["epoch"], run["value"], **how)
    if diverged:
        ax.plot(
            run["epoch"].iloc[-1:],
            run["value"].iloc[-1:],
            **how | {"marker": "x", "alpha": 1, "zorder": 4},
        )


def _mean_line(ax: Axes, rows: pd.DataFrame, look: Look, arm: str) -> None:
    """Draw mean and band; an arm of which no run counts has an empty line, for the legend."""
    means = intervals(rows, "epoch", "value").sort_index()
    low, high = means["low"], means["high"]
    if ax.get_yscale() == "log":
        low = low.clip(lower=rows["value"].min() / 100)  # below zero there is no place
    ax.fill_between(means.index, low, high, color=look.colour, alpha=0.18, linewidth=0, zorder=1)
    ax.plot(
        means.index, means["mean"], color=look.colour, marker=look.marker, markersize=5,
        markevery=max(1, len(means) // _MARKERS), linewidth=1.8, zorder=3, label=arm,
    )  # fmt: skip


def _axes(ax: Axes, values: pd.DataFrame, outcome: str) -> Axes:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("Epoch (counted from 0)")
    ax.set_ylabel(quantity(outcome).axis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    low, high = values["value"].min(), values["value"].max()
    if ax.get_yscale() == "log":
        ax.set_ylim(low / 1.15, high * 1.15)
    elif high > low:
        ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    return ax


def _label(arm: str, status: dict[tuple[Any, Any], str]) -> str:
    """Name an arm with its n, and with what became of runs that do not count."""
    states = [state for (name, _), state in status.items() if name == arm]
    said = [f"n = {states.count(_DONE)}"]
    lost = dict.fromkeys(state for state in states if state != _DONE)
    said += [f"{states.count(state)} {state}" for state in lost]
    return wrapped(f"{arm} ({', '.join(said)})")


def _legend(figure: Figure, ax: Axes, labels: dict[str, str]) -> None:
    handles, names = ax.get_legend_handles_labels()
    figure.legend(
        handles, [labels[name] for name in names], loc="outside right upper", frameon=False,
        fontsize=9,
    )  # fmt: skip
