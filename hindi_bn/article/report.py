"""Everything that a comparison writes into its folder: tables, figures, and one document of both.

The folder stands alone: it holds copies of the histories and environments that it was made from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hindi_bn.article.compare import against_published, agreement, check_histories, summary
from hindi_bn.article.facts import ARTICLE, published_head
from hindi_bn.article.findings import findings
from hindi_bn.article.markdown import comparison_markdown
from hindi_bn.figures.confusion import class_scores_figure, confusion_figure
from hindi_bn.figures.curves import accuracy_figure, loss_figure
from hindi_bn.figures.descent import descent_figure
from hindi_bn.figures.style import FORMATS, Caption, looks, save
from hindi_bn.files import plain_json, write_text
from hindi_bn.stats.scores import Classes, confusion, per_class

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMAND = "hindi-bn compare"


@dataclass(frozen=True)
class _Tables:
    """The tables of a comparison; those that do not apply are empty."""

    summary: pd.DataFrame
    published: pd.DataFrame
    per_class: pd.DataFrame
    confusions: dict[str, pd.DataFrame]


def write_comparison(
    folder: Path,
    histories: Mapping[str, pd.DataFrame],
    predictions: Mapping[str, Classes],
    labels: Classes,
    data_title: str,
    published: bool,
    environments: Mapping[str, Mapping[str, Any]],
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
    *,
    seed: int | None = None,
) -> dict[str, Any]:
    """Compare runs and write all of it.

    Parameters
    ----------
    folder
        Where to; made if it is missing. What an earlier comparison left and this one does not have
        is removed.
    histories
        A history a run, in study order.
    predictions
        The predicted class of each test image, shape (images,), a run; may lack runs.
    labels
        The true classes, shape (images,).
    data_title
        The data's name, printed on every table and figure.
    published
        Whether the article's numbers may stand beside these: same data, same study.
    environments
        What each run was made with; see `hindi_bn.environment`.
    formats, dpi
        Of the figures; see `hindi_bn.figures.style.save`.
    seed
        Of the study, for the figures' note.

    Returns
    -------
    The document that is also written as comparison.json: `data`, `published_compared`, `article`,
    `command`, `runs`, `summary`, `published`, `agreement`, `findings`, `per_class`, `confusion`,
    `environments`, `figures`, `files`.

    Raises
    ------
    HindiBnError
        When a history or the predictions cannot be analysed, or the folder cannot be written.
    """
    check_histories(histories)
    tables = _tables(histories, predictions, labels, published)
    caption = Caption(data_title, _details(histories, seed))
    figures = _comparison_figures(histories, tables, caption, published)
    written = [
        path
        for name, figure in figures.items()
        for path in save(figure, folder / name, formats, dpi)
    ]
    written += _write_tables(folder, tables, data_title)
    written += _write_copies(folder, histories, environments)
    document = _document(histories, tables, data_title, published, environments)
    document["figures"] = {name: f"{name}.{formats[0]}" for name in figures}
    names = [path.name for path in written] + ["comparison.json", "comparison.md"]
    document["files"] = sorted(names)
    write_text(folder / "comparison.json", _json(document))
    write_text(folder / "comparison.md", comparison_markdown(document))
    _remove_leftovers(folder, set(names))
    return document


def write_descent(
    folder: Path,
    histories: Mapping[str, pd.DataFrame],
    data_title: str,
    captures: Mapping[str, Mapping[str, Any]],
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
    *,
    seed: int | None = None,
) -> list[Path]:
    """Write the descent figures: each run, and all runs side by side, in 3-D and projected.

    Parameters
    ----------
    captures
        What was recorded of each run: `layer`, and `wx` and `wy` as names or as indices (filter,
        channel, row, column).
    folder, histories, data_title, formats, dpi, seed
        As for `write_comparison`.

    Returns
    -------
    The files: `descent-<run>`, `descent-<run>-projected`, `descent`, `descent-projected`.

    Raises
    ------
    HindiBnError
        As for `write_comparison`.
    """
    check_histories(histories)
    names = {run: capture_names(capture) for run, capture in captures.items()}
    colours = {run: look.colour for run, look in looks(histories).items()}
    groups = {f"descent-{run}": {run: history} for run, history in histories.items()}
    groups["descent"] = dict(histories)
    written: list[Path] = []
    for name, part in groups.items():
        for projected in (False, True):
            caption = Caption(data_title, _details(part, seed))
            figure = descent_figure(part, names, caption, projected=projected, colours=colours)
            path = folder / (f"{name}-projected" if projected else name)
            written += save(figure, path, formats, dpi)
    return written


def capture_names(capture: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a capture for axis labels: indices become `weight[3, 4, 1, 0]`."""
    return {
        key: value if isinstance(value, str) else f"weight[{', '.join(map(str, value))}]"
        for key, value in capture.items()
    }


def _details(histories: Mapping[str, pd.DataFrame], seed: int | None) -> str:
    runs = "n = 1 run" + (" each" if len(histories) > 1 else "")
    return runs if seed is None else f"{runs}, seed {seed}"


def _tables(
    histories: Mapping[str, pd.DataFrame],
    predictions: Mapping[str, Classes],
    labels: Classes,
    published: bool,
) -> _Tables:
    predicted = {run: predictions[run] for run in histories if len(predictions.get(run, ()))}
    scores = [per_class(labels, classes) for classes in predicted.values()]
    for run, frame in zip(predicted, scores, strict=True):
        frame.insert(0, "run", run)
    return _Tables(
        summary=summary(histories),
        published=against_published(histories) if published else pd.DataFrame(),
        per_class=pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(),
        confusions={run: confusion(labels, classes) for run, classes in predicted.items()},
    )


def _comparison_figures(
    histories: Mapping[str, pd.DataFrame],
    tables: _Tables,
    caption: Caption,
    published: bool,
) -> dict[str, Figure]:
    head = published_head() if published else None
    finals = ARTICLE.final_test_accuracy.items() if published else ()
    ends = {run: (ARTICLE.last_epoch, accuracy) for run, accuracy in finals}
    figures = {
        "accuracy": accuracy_figure(histories, caption, head, ends),
        "loss": loss_figure(histories, caption, head),
    }
    if tables.confusions:
        figures["confusion"] = confusion_figure(tables.confusions, caption)
        figures["per_class"] = class_scores_figure(tables.per_class, caption)
    return figures


def _write_tables(folder: Path, tables: _Tables, data_title: str) -> list[Path]:
    frames = {
        "summary": tables.summary,
        "published": tables.published,
        "per_class": tables.per_class,
        "confusion": _long(tables.confusions),
    }
    written = []
    for name, frame in frames.items():
        if not frame.empty:
            path = folder / f"{name}.csv"
            write_text(path, _csv(frame.assign(data=data_title)))
            written.append(path)
    return written


def _long(confusions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack confusion matrices: `run`, `true`, then a column `predicted_<class>` a class."""
    parts = []
    for run, matrix in confusions.items():
        part = matrix.add_prefix("predicted_").reset_index()
        part.insert(0, "run", run)
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _write_copies(
    folder: Path,
    histories: Mapping[str, pd.DataFrame],
    environments: Mapping[str, Mapping[str, Any]],
) -> list[Path]:
    copies = {f"{run}.history.csv": _csv(history) for run, history in histories.items()}
    copies |= {f"{run}.environment.json": _json(about) for run, about in environments.items()}
    for name, text in copies.items():
        write_text(folder / name, text)
    return [folder / name for name in copies]


def _document(
    histories: Mapping[str, pd.DataFrame],
    tables: _Tables,
    data_title: str,
    published: bool,
    environments: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    agreeing = agreement(tables.published) if published else tables.published
    document = {
        "data": data_title,
        "published_compared": published,
        "article": ARTICLE.citation,
        "command": COMMAND,
        "runs": list(histories),
        "summary": tables.summary.to_dict("records"),
        "published": tables.published.to_dict("records"),
        "agreement": agreeing.to_dict("records"),
        "findings": [finding.as_dict() for finding in findings(histories)],
        "per_class": tables.per_class.to_dict("records"),
        "confusion": {run: m.to_numpy().tolist() for run, m in tables.confusions.items()},
        "environments": {run: dict(about) for run, about in environments.items()},
    }
    plain: dict[str, Any] = plain_json(document)
    return plain


def _remove_leftovers(folder: Path, written: set[str]) -> None:
    """Remove tables and figures of an earlier comparison that would contradict this one."""
    tables = [f"{name}.csv" for name in ("published", "per_class", "confusion")]
    figures = [f"{name}.{end}" for name in ("confusion", "per_class") for end in FORMATS]
    for name in {*tables, *figures} - written:
        (folder / name).unlink(missing_ok=True)


def _csv(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
