"""Test accuracy and training loss by epoch (the article's figures 6 and 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hindi_bn.figures.style import Look, data_note, looks, new_figure, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MANY_EPOCHS = 60  # beyond it a marker an epoch would hide the line


def accuracy_curves(
    histories: Mapping[str, pd.DataFrame],
    ax: Axes,
    published: pd.DataFrame | None = None,
    published_final: Mapping[str, tuple[int, float]] | None = None,
) -> Axes:
    """Draw test accuracy by epoch, in per cent (article, figure 6).

    Parameters
    ----------
    histories
        A history a run, in study order: a row an epoch with `epoch` and `test_accuracy` (0..1).
    ax
        Where to draw.
    published
        The article's rows with `run`, `epoch` and `test_accuracy`; drawn as hollow markers for the
        epochs that the run's history has.
    published_final
        The article's last epoch and the accuracy at it, a run; drawn as a hollow star likewise.

    Returns
    -------
    `ax`.
    """
    _curves(histories, ax, "test_accuracy", 100.0)
    _overlay(histories, ax, "test_accuracy", 100.0, published)
    for run, (epoch, accuracy) in (published_final or {}).items():
        if run in histories and epoch in set(histories[run]["epoch"]):
            look = looks(histories)[run]
            ax.plot(
                [epoch], [100 * accuracy], linestyle="none", marker="*", markersize=17,
                markerfacecolor="none", markeredgecolor=look.colour, markeredgewidth=1.3,
                zorder=4, label=f"{run}, published final ({100 * accuracy:.2f} %)",
            )  # fmt: skip
    ax.set_ylabel("Test accuracy (%)")
    return _finish(ax, histories)


def loss_curves(
    histories: Mapping[str, pd.DataFrame], ax: Axes, published: pd.DataFrame | None = None
) -> Axes:
    """Draw training loss by epoch on a logarithmic axis (article, figure 7, there linear).

    Parameters
    ----------
    histories
        A history a run, in study order: a row an epoch with `epoch` and `train_loss`, the mean over
        the epoch's batches of the cross-entropy in nats.
    ax
        Where to draw.
    published
        The article's rows with `run`, `epoch` and `train_loss`; hollow markers, as for accuracy.

    Returns
    -------
    `ax`.
    """
    _curves(histories, ax, "train_loss", 1.0)
    _overlay(histories, ax, "train_loss", 1.0, published)
    if all((history["train_loss"] > 0).all() for history in histories.values()):
        _logarithmic(ax)
    ax.set_ylabel("Training loss (cross-entropy, nats)")
    return _finish(ax, histories)


def accuracy_figure(
    histories: Mapping[str, pd.DataFrame],
    data_title: str,
    details: str = "",
    published: pd.DataFrame | None = None,
    published_final: Mapping[str, tuple[int, float]] | None = None,
) -> Figure:
    """Compose the accuracy figure: `accuracy_curves` with a title and the data note."""
    with theme():
        figure, ax = _one_panel("Test accuracy by epoch")
        accuracy_curves(histories, ax, published, published_final)
        data_note(figure, data_title, details)
    return figure


def loss_figure(
    histories: Mapping[str, pd.DataFrame],
    data_title: str,
    details: str = "",
    published: pd.DataFrame | None = None,
) -> Figure:
    """Compose the loss figure: `loss_curves` with a title and the data note."""
    with theme():
        figure, ax = _one_panel("Training loss by epoch")
        loss_curves(histories, ax, published)
        data_note(figure, data_title, details)
    return figure


def _one_panel(title: str) -> tuple[Figure, Axes]:
    figure = new_figure(7.5, 5.4)
    figure.suptitle(title, fontweight="bold")
    return figure, figure.add_subplot()


def _curves(histories: Mapping[str, pd.DataFrame], ax: Axes, column: str, factor: float) -> None:
    import seaborn as sns

    for run, look in looks(histories).items():
        history = histories[run]
        sns.lineplot(
            x=history["epoch"], y=factor * history[column], ax=ax, color=look.colour, label=run,
            marker=look.marker if len(history) <= _MANY_EPOCHS else None,
            markersize=5, markeredgewidth=0, linewidth=1.8, zorder=3, legend=False,
        )  # fmt: skip


def _overlay(
    histories: Mapping[str, pd.DataFrame],
    ax: Axes,
    column: str,
    factor: float,
    published: pd.DataFrame | None,
) -> None:
    if published is None:
        return
    for run, look in looks(histories).items():
        reached = published["epoch"].isin(histories[run]["epoch"])
        rows = published[(published["run"] == run) & reached]
        if not rows.empty:
            _hollow(ax, rows["epoch"], factor * rows[column], look, f"{run}, published")


def _hollow(ax: Axes, x: pd.Series, y: pd.Series, look: Look, label: str) -> None:
    ax.plot(
        x, y, linestyle="none", marker=look.marker, markersize=11, markerfacecolor="none",
        markeredgecolor=look.colour, markeredgewidth=1.3, zorder=4, label=label,
    )  # fmt: skip


def _logarithmic(ax: Axes) -> None:
    """Make y logarithmic with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _finish(ax: Axes, histories: Mapping[str, pd.DataFrame]) -> Axes:
    from matplotlib.ticker import MaxNLocator

    last = max(int(history["epoch"].max()) for history in histories.values())
    ax.set_xlim(-0.03 * last - 0.3, 1.03 * last + 0.3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    ax.set_xlabel("Epoch (counted from 0)")
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: list(histories).index(_run_of(labels[i])))
    ax.legend(
        [handles[i] for i in order], [labels[i] for i in order],
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, borderaxespad=0.3,
    )  # fmt: skip
    return ax


def _run_of(label: str) -> str:
    return label.partition(", published")[0]
