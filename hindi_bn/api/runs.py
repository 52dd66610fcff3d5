"""Runs: train them, read them back, draw what they recorded."""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from hindi_bn import digits as source
from hindi_bn.digits import Digits
from hindi_bn.errors import RunError, StudyError
from hindi_bn.plots import Choice, write_plot
from hindi_bn.records import Record, RunFolder
from hindi_bn.study import Run, Study
from hindi_bn.trackers import tracking
from hindi_bn.training.run import Reporter, train_run

ReporterOf = Callable[[Run], contextlib.AbstractContextManager[Reporter]]
"""Opens a reporter for a run's training and closes it afterwards."""

SILENT = Reporter()

RunLike = Record | str | os.PathLike[str]
"""A run: its record, or its folder."""


def train(
    study: Study,
    runs: Sequence[str] | None = None,
    *,
    digits: Digits | None = None,
    data_dir: str | os.PathLike[str] = "data",
    out: str | os.PathLike[str] = "results",
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    trackers: Sequence[str] = (),
    reporter: Reporter | ReporterOf = SILENT,
) -> list[Record]:
    """Train runs of a study and record each in `<out>/<study>/<run>/`.

    Args:
        runs: Names; None for all. The random stream is first moved to where a run begins.
        digits, data_dir: What to train on; loaded from `data_dir` unless given.
        resume: Use finished runs as they are and go on with unfinished ones.
        overwrite: Replace what earlier runs recorded.
        command: For the record: the command that was typed.
        trackers: `tensorboard` or `mlflow`, which follow each run; see `hindi_bn.trackers`.
    """
    data = source.load(Path(data_dir), study.data) if digits is None else digits
    records = []
    for name in [run.name for run in study.runs] if runs is None else runs:
        run = study.run(name)
        opening: contextlib.AbstractContextManager[Reporter] = (
            contextlib.nullcontext(reporter) if isinstance(reporter, Reporter) else reporter(run)
        )
        with opening as opened, tracking(trackers, study, name, Path(out)) as tracked:
            record = train_run(
                study, name, data, Path(out), resume=resume, overwrite=overwrite, command=command,
                reporter=tracked.beside(opened),
            )  # fmt: skip
            tracked.finished(record)
        records.append(record)
    return records


def read_run(run: RunLike, label: str = "") -> Record:
    """Read a run's record: its settings, its history (a DataFrame), its environment.

    `label` is what tables and figures call it; StudyError for one that no file can be named by.
    """
    if label and ({*label} & {*'/\\:*?"<>|'} or label[0] in ".-" or not label.isprintable()):
        raise StudyError(
            f"A run cannot be called {label!r}.",
            "Files are named by it.",
            "take letters, digits, spaces and hyphens, as in warm-up=results/article/bn",
        )
    record = run if isinstance(run, Record) else RunFolder(Path(run)).read()
    return dataclasses.replace(record, label=label) if label else record


def read_runs(runs: Sequence[RunLike], least: int = 1) -> list[Record]:
    """Read runs that are to stand side by side.

    Those that share a name are labelled by what differs in their paths. HindiBnError when they are
    fewer than `least`, are still called the same, or have no finished epoch.
    """
    if len(runs) < least:
        raise StudyError(
            "One run alone cannot be compared.",
            "A comparison takes two or more run folders.",
            "name another folder, as in: hindi-bn compare results/article/no-bn results/article/bn",
        )
    records = _labelled([read_run(run) for run in runs])
    names = [record.name for record in records]
    if len(set(names)) < len(names):
        raise StudyError(
            f"Two of the runs have the same name: {', '.join(names)}.",
            "Tables and figures tell runs apart by their names.",
            "name different folders, or give labels: LABEL=DIR",
        )
    for record in records:
        if record.history.empty:
            what, why = f"{record.folder} has no finished epoch.", "Its history is empty."
            raise RunError(what, why, "train it with --resume")
    return records


def _labelled(records: Sequence[Record]) -> list[Record]:
    """Label runs that share a name by the folders that tell them apart, the nearest if one does."""
    labelled = []
    for record in records:
        alike = [_upwards(each) for each in records if each.name == record.name]
        columns = [*itertools.zip_longest(*alike, fillvalue="")]  # of folders, nearest first
        differing = [depth for depth, column in enumerate(columns) if len({*column}) > 1]
        enough = [depth for depth in differing if len({*columns[depth]}) == len(alike)]
        own = dict(enumerate(_upwards(record)))
        parts = [own.get(depth, "") for depth in enough[:1] or reversed(differing)]
        label = "-".join(filter(None, [record.name, *parts])) if differing else record.label
        labelled.append(dataclasses.replace(record, label=label))
    return labelled


def _upwards(record: Record) -> list[str]:
    """Return the names of a run's folder and of those that it is in."""
    return [part for part in reversed(record.folder.resolve().parts) if part.strip("/\\")]


def plot(
    kind: str,
    runs: Sequence[RunLike],
    *,
    folder: str | os.PathLike[str] | None = None,
    digit: int = 3,
    index: int = 0,
    channel: int = 0,
    data_dir: str | os.PathLike[str] = "data",
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
) -> list[Path]:
    """Draw one kind of figure of runs (`hindi-bn plot --help` lists the kinds); return the files.

    They are in `folder`, or in `figures` in the run's folder or beside the first of several.
    `digit` and `index` say which test image is sent through the networks for `maps`, `channel`
    which channel of each layer `percentiles` shows.
    """
    records = read_runs(runs)
    first = records[0].folder
    target = (first if len(records) == 1 else first.parent) / "figures"
    choice = Choice(Path(data_dir), digit, index, channel)
    return write_plot(kind, records, Path(folder or target), choice, formats, dpi)
