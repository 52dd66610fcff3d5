"""Comparisons: runs beside each other and beside the article, and the whole study reproduced."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hindi_bn import digits as source
from hindi_bn.api.digits import load_digits
from hindi_bn.api.runs import SILENT, ReporterOf, RunLike, read_runs, train
from hindi_bn.article import report
from hindi_bn.article.reference import is_of_article, is_published
from hindi_bn.article.report import Comparison
from hindi_bn.digits import Digits
from hindi_bn.errors import RunError
from hindi_bn.page.aboard import has_path, with_weights
from hindi_bn.records import Record, RunFolder
from hindi_bn.study import Study
from hindi_bn.training.loop import predict as probabilities
from hindi_bn.training.run import Reporter, load_network
from hindi_bn.training.tensors import run_constants, scale


def compare(
    what: Study | Sequence[RunLike],
    digits: Digits | None = None,
    *,
    data_dir: str | os.PathLike[str] = "data",
    out: str | os.PathLike[str] = "results",
    command: str = "",
    reporter: Reporter | ReporterOf = SILENT,
) -> Comparison:
    """Compare runs with each other and, if they are the article's, with its published numbers.

    HindiBnError when a run cannot be read or trained, or was trained on other data.

    Args:
        what: A study, whose missing runs are trained, or two or more runs.
        digits, data_dir: The runs' data; loaded from `data_dir` unless given.
    """
    records = [] if isinstance(what, Study) else read_runs(what, least=2)
    _refuse_different_data(records)
    name = what.data if isinstance(what, Study) else records[0].study.data
    data = source.load(Path(data_dir), name) if digits is None else digits
    if isinstance(what, Study):
        records = train(what, digits=data, out=out, resume=True, command=command, reporter=reporter)
    return report.compare_runs(
        {record.name: record.history for record in records},
        {record.name: _predicted(record, data) for record in records},
        data.test_labels.numpy(),
        data.title,
        of_article=all(is_of_article(record) for record in records),
        published=all(is_published(record) for record in records),
        called={record.name: record.run.name for record in records},
        environments={record.name: record.environment for record in records},
        seed=common_seed(records),
        folder=folder_beside(records, Path(out)),
    )


def _refuse_different_data(records: Sequence[Record]) -> None:
    """Refuse to compare runs that were not trained on the same data, with a RunError."""
    if len({str(record.environment["data"]["sha256"]) for record in records}) > 1:
        trained = "; ".join(f"{record.folder} on {record.data_title}" for record in records)
        raise RunError(
            "The runs were trained on different data.", f"{trained}.",
            "compare runs that were trained on the same data",
        )  # fmt: skip


def _predicted(record: Record, digits: Digits) -> Any:
    """Return the classes that a finished run predicts for the test images, int64 (images,)."""
    record.check_data(digits)
    images = scale(digits.test_images, run_constants(digits, record.run))
    return probabilities(load_network(record), images).argmax(1).numpy()


def plot_descent(
    runs: Sequence[RunLike],
    *,
    folder: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "results",
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
) -> list[Path]:
    """Draw the training loss along two sample weights (the article's figure 8); return the files.

    They are in `folder`, or in `comparison` beside the runs.
    """
    records = read_runs(runs)
    return report.write_descent(
        Path(folder) if folder else folder_beside(records, Path(out)),
        {record.name: record.history for record in records},
        records[0].data_title,
        {record.name: record.recorded_pair() for record in records},
        formats,
        dpi,
        seed=common_seed(records),
    )


def reproduce(
    study: Study,
    digits: Digits | None = None,
    *,
    data_dir: str | os.PathLike[str] = "data",
    archive: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "results",
    overwrite: bool = False,
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
    command: str = "",
    reporter: Reporter | ReporterOf = SILENT,
) -> Comparison:
    """Reproduce a study: get the digits, train every run, compare, write all tables and figures.

    Finished runs are used and unfinished ones resumed, unless `overwrite`. The descent is drawn
    where the study records the two weights for it. Weights are recorded after every epoch, for the
    page, where it can show them.

    Args:
        digits, data_dir, archive: The study's data, or (if the real digits could not be had) the
            stand-in, which is then in the name of the study's folder. Loaded or fetched unless
            given; see `load_digits`.
    """
    data = digits or load_digits(data_dir, study.data, fetch=True, archive=archive)
    study = _for_the_page(study.model_copy(update={"data": data.name}), Path(out), overwrite)
    records = train(
        study, digits=data, out=out, resume=not overwrite, overwrite=overwrite,
        command=command, reporter=reporter,
    )  # fmt: skip
    comparison = compare(records, data, out=out)
    comparison.write(formats=formats, dpi=dpi)
    if all(record.run.recorded_pair() for record in records):
        plot_descent(records, folder=comparison.folder, formats=formats, dpi=dpi)
    return comparison


def _for_the_page(study: Study, out: Path, overwrite: bool) -> Study:
    """Record weights after every epoch in runs that begin now, or began so."""
    runs = []
    for plain, recording in zip(study.runs, with_weights(study).runs, strict=True):
        folder = RunFolder(study.folder(out) / plain.name)
        try:
            begun = folder.read().run if folder.begun and not overwrite else recording
        except RunError:  # which `train` will say in its own words
            begun = plain
        runs.append(recording if has_path(begun) else plain)
    return study.model_copy(update={"runs": tuple(runs)})


def folder_beside(records: Sequence[Record], out: Path) -> Path:
    """Return the folder for results on runs: in their study's folder if they share it."""
    parents = {record.folder.parent for record in records}
    return (parents.pop() if len(parents) == 1 else out) / "comparison"


def common_seed(records: Sequence[Record]) -> int | None:
    """Return the seed of all runs, None when they differ."""
    seeds = {record.study.seed for record in records}
    return seeds.pop() if len(seeds) == 1 else None
