"""Everything that a comparison writes into its folder: tables, figures, and one document of both.

The folder stands alone: it holds copies of the histories and environments that it was made from.
Times and commits, which no repetition gives again, stand in timings.json and nowhere else, so that
two folders of equal runs are equal in all other files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hindi_bn.article.compare import against_published, agreement, summary
from hindi_bn.article.facts import ARTICLE, published_head
from hindi_bn.article.findings import MeasuredFinding, findings
from hindi_bn.article.markdown import comparison_markdown
from hindi_bn.figures.comparison import (
    accuracy_figure,
    class_scores_figure,
    confusion_figure,
    loss_figure,
)
from hindi_bn.figures.descent import descent_figure
from hindi_bn.figures.style import FORMATS, Caption, looks, save
from hindi_bn.files import json_text, plain_json, write_text
from hindi_bn.stats.headlines import headline
from hindi_bn.stats.metrics import check_histories, metric_named
from hindi_bn.stats.recordings import pair_changes
from hindi_bn.stats.scores import Classes, confusion, per_class
from hindi_bn.study.words import arms_in_words, counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLED = 3  # runs that a title names at most


PASSING = ("seconds", "started", "commit", "dirty")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs beside each other and, if they are the article's, beside its published numbers.

    Args:
        histories, environments: By run, in study order.
        title: The data's name, as it stands on every table and figure.
        seed: Of the study, None where runs differ.
        summary: A row per run: final and best test accuracy, training loss, seconds.
        published: A row per published number, ours beside it; empty where the runs are not the
            article's.
        per_class: A row per run and digit: precision, recall, F1.
        confusions: A matrix per run: a row per true digit, a column per predicted one.
        of_article: Whether the study is the article's, of which its findings speak.
    """

    histories: Mapping[str, pd.DataFrame]
    environments: Mapping[str, Mapping[str, Any]]
    title: str
    seed: int | None
    folder: Path
    summary: pd.DataFrame
    published: pd.DataFrame
    per_class: pd.DataFrame
    confusions: dict[str, pd.DataFrame]
    of_article: bool = True

    @property
    def is_published(self) -> bool:
        """Whether the article's numbers stand beside these."""
        return not self.published.empty

    @cached_property
    def findings(self) -> list[MeasuredFinding]:
        """The article's three findings, and what these runs give."""
        return findings(self.histories, of_article=self.of_article)

    @cached_property
    def document(self) -> dict[str, Any]:
        """All of it as plain data, which JSON can hold."""
        document = {
            "data": self.title, "published_compared": self.is_published,
            "article": ARTICLE.citation, "command": "hindi-bn compare",
            "runs": list(self.histories),
            "summary": self.summary.to_dict("records"),
            "published": self.published.to_dict("records"),
            "agreement": agreement(self.published).to_dict("records") if self.is_published else [],
            "findings": [asdict(finding) for finding in self.findings],
            "per_class": self.per_class.to_dict("records"),
            "confusion": {run: m.to_numpy().tolist() for run, m in self.confusions.items()},
            "environments": {run: dict(about) for run, about in self.environments.items()},
        }  # fmt: skip
        plain: dict[str, Any] = plain_json(document)
        return plain

    def write(
        self, folder: Path | None = None, formats: Sequence[str] = ("png",), dpi: int = 150
    ) -> dict[str, Any]:
        """Write tables, figures, copies of what they were made from, comparison.json and .md.

        What an earlier comparison left in the folder and this one does not have is removed.

        Returns `document` and the names of `figures` and `files`, which comparison.json holds too,
        but for times. HindiBnError when the folder cannot be written or a format is unknown.
        """
        folder = Path(folder or self.folder)
        figures, texts = _figures(self), _texts(self)
        names = [*texts, "comparison.json", "comparison.md"]
        for name, figure in figures.items():
            names += [path.name for path in save(figure, folder / name, formats, dpi)]
        document = self.document | {
            "figures": {name: f"{name}.{formats[0]}" for name in figures},
            "files": sorted(names),
        }
        lasting = _lasting(document)
        texts |= {
            "comparison.json": json_text(lasting), "comparison.md": comparison_markdown(lasting)
        }  # fmt: skip
        for name, text in texts.items():
            write_text(folder / name, text)
        _remove_leftovers(folder, set(names))
        return document


def compare_runs(
    histories: Mapping[str, pd.DataFrame],
    predictions: Mapping[str, Classes],
    labels: Classes,
    title: str,
    *,
    published: bool,
    environments: Mapping[str, Mapping[str, Any]],
    folder: Path,
    seed: int | None = None,
    called: Mapping[str, str] | None = None,
    of_article: bool = True,
) -> Comparison:
    """Compare runs; HindiBnError when a history or the predictions cannot be analysed.

    Args:
        predictions: The predicted class of each test image, shape (images,), by run; may lack runs.
        labels: The true classes, shape (images,).
        published: Whether the article's numbers may stand beside these: same data, same study.
        called: The article's name of each run, where that is another one.
        of_article: Whether the study is the article's, on whatever data.
    """
    check_histories(histories)
    predicted = {run: predictions[run] for run in histories if len(predictions.get(run, ()))}
    scores = [per_class(labels, classes) for classes in predicted.values()]
    for run, frame in zip(predicted, scores, strict=True):
        frame.insert(0, "run", run)
    return Comparison(
        histories, environments, title, seed, folder,
        summary=summary(histories),
        published=against_published(histories, called) if published else pd.DataFrame(),
        per_class=pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(),
        confusions={run: confusion(labels, classes) for run, classes in predicted.items()},
        of_article=of_article,
    )  # fmt: skip


def write_descent(
    folder: Path,
    histories: Mapping[str, pd.DataFrame],
    data_title: str,
    pairs: Mapping[str, Mapping[str, Any]],
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
    *,
    seed: int | None = None,
) -> list[Path]:
    """Write the descent figures: each run, and all runs side by side, in 3-D and projected.

    Args:
        pairs: The pair of weights of each run: `layer`, and `wx` and `wy` as names or as indices
            (filter, channel, row, column).
    """
    check_histories(histories)
    names = {run: pair_names(pair) for run, pair in pairs.items()}
    colours = {run: look.colour for run, look in looks(histories).items()}
    paths = {run: pair_changes(history) for run, history in histories.items()}
    groups = {f"descent-{run}": {run: path} for run, path in paths.items()} | {"descent": paths}
    written: list[Path] = []
    for name, part in groups.items():
        for projected in (False, True):
            caption = Caption(data_title, _details(part, seed))
            title = f"{_headline(part, 'train_loss')}; one arrow per epoch"
            figure = descent_figure(
                part, names, caption, title=title, projected=projected, colours=colours
            )
            path = folder / (f"{name}-projected" if projected else name)
            written += save(figure, path, formats, dpi)
    return written


def pair_names(pair: Mapping[str, Any]) -> dict[str, str]:
    """Return a pair's names for axis labels: indices become `weight[3, 4, 1, 0]`."""
    return {
        key: value if isinstance(value, str) else f"weight[{', '.join(map(str, value))}]"
        for key, value in pair.items()
    }


def _details(histories: Mapping[str, pd.DataFrame], seed: int | None) -> str:
    runs = "n = 1 run" + (" each" if len(histories) > 1 else "")
    return runs if seed is None else f"{runs}, seed {seed}"


def _figures(comparison: Comparison) -> dict[str, Figure]:
    histories, published = comparison.histories, comparison.is_published
    caption = Caption(comparison.title, _details(histories, comparison.seed))
    head = published_head() if published else None
    finals = ARTICLE.final_test_accuracy.items() if published else ()
    ends = {run: (ARTICLE.last_epoch, accuracy) for run, accuracy in finals}
    accuracy, loss = (_headline(histories, name) for name in ("test_accuracy", "train_loss"))
    figures = {
        "accuracy": accuracy_figure(histories, caption, head, ends, accuracy),
        "loss": loss_figure(histories, caption, head, loss),
    }
    if comparison.confusions:
        wrong, lowest = _wrong(comparison.confusions), _lowest(comparison.per_class)
        figures["confusion"] = confusion_figure(comparison.confusions, caption, wrong)
        figures["per_class"] = class_scores_figure(comparison.per_class, caption, lowest)
    return figures


def _headline(histories: Mapping[str, pd.DataFrame], name: str) -> str:
    """Say how a column of the histories ends; where runs are of one length, after which epoch."""
    lengths = {len(history) for history in histories.values()}
    when = f"after {counted(min(lengths), 'epoch')}" if len(lengths) == 1 else "at the end"
    ends = {run: float(history[name].iloc[-1]) for run, history in histories.items()}
    return headline(metric_named(name), ends, when)


def _wrong(confusions: Mapping[str, pd.DataFrame]) -> str:
    words, matrices = arms_in_words(confusions), {r: m.to_numpy() for r, m in confusions.items()}
    each = [f"{m.sum() - m.trace()} {words[run]}" for run, m in matrices.items()]
    total = next(iter(matrices.values())).sum()
    return f"Of {total:,} test images wrong: {', '.join(each[:_TITLED])}"


def _lowest(per_class: pd.DataFrame) -> str:
    words = arms_in_words(per_class["run"])
    rows = per_class.loc[per_class.groupby("run", sort=False)["f1"].idxmin()].to_dict("records")
    each = [f"{100 * row['f1']:.1f} % {words[row['run']]}" for row in rows]
    return f"Lowest F1 score of a digit: {', '.join(each[:_TITLED])}"


def _texts(comparison: Comparison) -> dict[str, str]:
    """Return the tables, and copies of what they were made from, by the names of their files."""
    tables = {
        "summary": comparison.summary.drop(columns="seconds"), "published": comparison.published,
        "per_class": comparison.per_class,
    }  # fmt: skip
    if comparison.confusions:  # a row per run and true class, a column per predicted class
        parts = {run: m.add_prefix("predicted_") for run, m in comparison.confusions.items()}
        tables["confusion"] = pd.concat(parts, names=["run"]).reset_index()
    texts = {
        f"{name}.csv": _csv(table.assign(data=comparison.title))
        for name, table in tables.items()
        if not table.empty
    }
    for run, frame in comparison.histories.items():
        texts[f"{run}.history.csv"] = _csv(frame.drop(columns="seconds"))
    for run, about in comparison.environments.items():
        texts[f"{run}.environment.json"] = json_text(_without_passing(about))
    return texts | {"timings.json": json_text(_timings(comparison))}


def _lasting(document: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a comparison's document what no repetition of the runs gives again."""
    about = document["environments"].items()
    return {
        **document,
        "summary": [_without_passing(row) for row in document["summary"]],
        "environments": {run: _without_passing(environment) for run, environment in about},
    }


def _without_passing(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in PASSING}


def _timings(comparison: Comparison) -> dict[str, Any]:
    """Return by run what the other files leave out, `epochs` being seconds of training so far."""
    authors = ARTICLE.total_seconds if comparison.is_published else {}
    return {
        run: {
            "epochs": history["seconds"].tolist(),
            "author": authors.get(run),
            **{k: v for k, v in comparison.environments.get(run, {}).items() if k in PASSING},
        }
        for run, history in comparison.histories.items()
    }


def _remove_leftovers(folder: Path, written: set[str]) -> None:
    """Remove tables and figures of an earlier comparison that would contradict this one."""
    tables = [f"{name}.csv" for name in ("published", "per_class", "confusion")]
    figures = [f"{name}.{end}" for name in ("confusion", "per_class") for end in FORMATS]
    for name in {*tables, *figures} - written:
        (folder / name).unlink(missing_ok=True)


def _csv(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))
