"""Runs of a study side by side: curves by epoch (the article's figures 6 and 7), confusion, scores.

Histories come by run in study order: a row per epoch with the columns of history.csv.
"""

import math
from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from hindi_bn.figures.style import Caption, composing, count_axis, log_axis, looks
from hindi_bn.study.words import arms_in_words

Histories = Mapping[str, pd.DataFrame]

_MANY_EPOCHS = 60  # beyond it a marker per epoch would hide the line
_COLUMNS = 2  # panels in a row at most
_DARKER = "the darker a cell, the more images, on a logarithmic scale: 1 can be seen beside 300"


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
    _curves(histories, ax, "test_accuracy", 100.0, published)
    words = arms_in_words(histories)
    for run, (epoch, accuracy) in (published_final or {}).items():
        if run in histories and epoch in set(histories[run]["epoch"]):
            look = looks(histories)[run]
            ax.plot(
                [epoch], [100 * accuracy], linestyle="none", marker="*", markersize=17,
                markerfacecolor="none", markeredgecolor=look.colour, markeredgewidth=1.3,
                zorder=4, label=f"{words[run]}, published final ({100 * accuracy:.2f} %)",
            )  # fmt: skip
    ax.set_ylabel("Test accuracy (%)")
    return _finish(ax, histories)


def loss_curves(histories: Histories, ax: Axes, published: pd.DataFrame | None = None) -> Axes:
    """Draw training loss by epoch on a logarithmic axis (article, figure 7, there linear).

    `published` has `run`, `epoch` and `train_loss`; hollow markers, as for accuracy.
    """
    _curves(histories, ax, "train_loss", 1.0, published)
    if all((history["train_loss"] > 0).all() for history in histories.values()):
        log_axis(ax)
    ax.set_ylabel("Training loss (cross-entropy, nats)")
    return _finish(ax, histories)


def accuracy_figure(
    histories: Histories,
    caption: Caption,
    published: pd.DataFrame | None = None,
    published_final: Mapping[str, tuple[int, float]] | None = None,
    title: str = "Test accuracy by epoch",
) -> Figure:
    """Compose the figure of `accuracy_curves`."""
    with composing(title, caption, 7.5, 5.4) as figure:
        accuracy_curves(histories, figure.add_subplot(), published, published_final)
    return figure


def loss_figure(
    histories: Histories,
    caption: Caption,
    published: pd.DataFrame | None = None,
    title: str = "Training loss by epoch",
) -> Figure:
    """Compose the figure of `loss_curves`."""
    with composing(title, caption, 7.5, 5.4) as figure:
        loss_curves(histories, figure.add_subplot(), published)
    return figure


def _curves(
    histories: Histories, ax: Axes, column: str, factor: float, published: pd.DataFrame | None
) -> None:
    """Draw a column of each run, and hollow markers where the article gives it.

    A single epoch is a point: it is larger, and its value stands in the legend.
    """
    words = arms_in_words(histories)
    for run, look in looks(histories).items():
        history = histories[run]
        single = f": {factor * history[column].iloc[0]:.4g}" if len(history) == 1 else ""
        sns.lineplot(
            x=history["epoch"], y=factor * history[column], ax=ax, color=look.colour,
            label=words[run] + single, marker=look.marker if len(history) <= _MANY_EPOCHS else None,
            markersize=10 if single else 5, alpha=0.8 if single else 1.0, markeredgewidth=0,
            linewidth=1.8, zorder=3, legend=False,
        )  # fmt: skip
    if published is None:
        return
    for run, look in looks(histories).items():
        reached = published["epoch"].isin(histories[run]["epoch"])
        rows = published[(published["run"] == run) & reached]
        if not rows.empty:
            ax.plot(
                rows["epoch"], factor * rows[column], linestyle="none", marker=look.marker,
                markersize=11, markerfacecolor="none", markeredgecolor=look.colour,
                markeredgewidth=1.3, zorder=4, label=f"{words[run]}, published",
            )  # fmt: skip


def _finish(ax: Axes, histories: Histories) -> Axes:
    last = max(int(history["epoch"].max()) for history in histories.values())
    ax.set_xlim(-0.03 * last - 0.3, 1.03 * last + 0.3)
    count_axis(ax)
    handles, labels = ax.get_legend_handles_labels()
    words = list(arms_in_words(histories).values())
    runs = [label.partition(", published")[0].partition(": ")[0] for label in labels]
    order = sorted(range(len(labels)), key=lambda i: words.index(runs[i]))
    ax.legend(
        [handles[i] for i in order], [labels[i] for i in order],
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, borderaxespad=0.3,
    )  # fmt: skip
    return ax


def confusion_matrix(confusion: pd.DataFrame, ax: Axes, colour: str = "C0") -> Axes:
    """Draw a confusion matrix with its counts; cells of no image are left empty.

    A row per true class and a column per predicted class (10 x 10 for the digits). A cell is the
    darker, on a logarithmic scale, the larger its count, so that single mistakes can be seen beside
    hundreds of right answers.
    """
    largest = max(int(confusion.to_numpy().max()), 2)
    sns.heatmap(
        confusion, ax=ax, mask=confusion == 0, annot=True, fmt="d", square=True, cbar=False,
        cmap=sns.light_palette(colour, as_cmap=True), norm=LogNorm(1, largest),
        annot_kws={"fontsize": 9}, linewidths=0.5, linecolor="0.9",
    )  # fmt: skip
    ax.grid(False)
    ax.set(xlabel="Predicted digit", ylabel="True digit")
    ax.tick_params(axis="y", rotation=0)
    return ax


def class_scores(per_class: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the F1 score of every class, a marker per run.

    `per_class` has `run`, `class` and `f1` (0..1).
    """
    words = arms_in_words(per_class["run"])
    for run, look in looks(per_class["run"]).items():
        rows = per_class[per_class["run"] == run]
        ax.plot(
            rows["class"].astype(str), 100 * rows["f1"], linestyle="none", marker=look.marker,
            color=look.colour, markersize=8, alpha=0.85, label=words[run],
        )  # fmt: skip
    ax.set(xlabel="Digit", ylabel="F1 score on the test images (%)")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False)
    return ax


def confusion_figure(
    confusions: Mapping[str, pd.DataFrame],
    caption: Caption,
    title: str = "Test images by true and predicted digit",
) -> Figure:
    """Compose the confusion matrices of one or more runs, at most two in a row."""
    columns = min(len(confusions), _COLUMNS)
    rows = math.ceil(len(confusions) / columns)
    caption, words = caption.plus(_DARKER), arms_in_words(confusions)
    with composing(title, caption, 6.2 * columns, 6.3 * rows + 0.5) as figure:
        for place, (run, look) in enumerate(looks(confusions).items(), start=1):
            ax = figure.add_subplot(rows, columns, place)
            confusion_matrix(confusions[run], ax, look.colour)
            counts = confusions[run].to_numpy()
            title = f"{words[run]}: {counts.sum() - counts.trace()} of {counts.sum()} wrong"
            ax.set_title(title, color=look.colour, fontweight="bold")
    return figure


def class_scores_figure(
    per_class: pd.DataFrame, caption: Caption, title: str = "F1 score by digit"
) -> Figure:
    """Compose the figure of `class_scores`."""
    with composing(title, caption, 7.5, 4.8) as figure:
        class_scores(per_class, figure.add_subplot())
    return figure
