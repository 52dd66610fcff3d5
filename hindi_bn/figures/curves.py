"""Test accuracy and training loss by epoch (the article's figures 6 and 7).

Histories come by run in study order: a row per epoch with the columns of history.csv.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hindi_bn.figures.style import Caption, Look, composing, count_axis, log_axis, looks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Histories = Mapping[str, pd.DataFrame]

_MANY_EPOCHS = 60  # beyond it a marker per epoch would hide the line


def accuracy_curves(
    histories: Histories,
    ax: Axes,
    published: pd.DataFrame | None = None,
    published_final: Mapping[str, tuple[int, float]] | None = None,
) -> Axes:
    """Draw test accuracy by epoch, in per cent (article, figure 6).

    `published` has the article's `run`, `epoch` and `test_accuracy`; hollow markers for the epochs
    that the run's history has. `published_final` has its last epoch and the accuracy at it, by run;
    hollow stars likewise.
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


def loss_curves(histories: Histories, ax: Axes, published: pd.DataFrame | None = None) -> Axes:
    """Draw training loss by epoch on a logarithmic axis (article, figure 7, there linear).

    `published` has `run`, `epoch` and `train_loss`; hollow markers, as for accuracy.
    """
    _curves(histories, ax, "train_loss", 1.0)
    _overlay(histories, ax, "train_loss", 1.0, published)
    if all((history["train_loss"] > 0).all() for history in histories.values()):
        log_axis(ax)
    ax.set_ylabel("Training loss (cross-entropy, nats)")
    return _finish(ax, histories)


def accuracy_figure(
    histories: Histories,
    caption: Caption,
    published: pd.DataFrame | None = None,
    published_final: Mapping[str, tuple[int, float]] | None = None,
) -> Figure:
    """Compose the figure of `accuracy_curves`."""
    with composing("Test accuracy by epoch", caption, 7.5, 5.4) as figure:
        accuracy_curves(histories, figure.add_subplot(), published, published_final)
    return figure


def loss_figure(
    histories: Histories, caption: Caption, published: pd.DataFrame | None = None
) -> Figure:
    """Compose the figure of `loss_curves`."""
    with composing("Training loss by epoch", caption, 7.5, 5.4) as figure:
        loss_curves(histories, figure.add_subplot(), published)
    return figure


def _curves(histories: Histories, ax: Axes, column: str, factor: float) -> None:
    import seaborn as sns

    for run, look in looks(histories).items():
        history = histories[run]
        sns.lineplot(
            x=history["epoch"], y=factor * history[column], ax=ax, color=look.colour, label=run,
            marker=look.marker if len(history) <= _MANY_EPOCHS else None,
            markersize=5, markeredgewidth=0, linewidth=1.8, zorder=3, legend=False,
        )  # fmt: skip


def _overlay(
    histories: Histories,
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


def _finish(ax: Axes, histories: Histories) -> Axes:
    last = max(int(history["epoch"].max()) for history in histories.values())
    ax.set_xlim(-0.03 * last - 0.3, 1.03 * last + 0.3)
    count_axis(ax)
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: list(histories).index(_run_of(labels[i])))
    ax.legend(
        [handles[i] for i in order], [labels[i] for i in order],
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, borderaxespad=0.3,
    )  # fmt: skip
    return ax


def _run_of(label: str) -> str:
    return label.partition(", published")[0]
