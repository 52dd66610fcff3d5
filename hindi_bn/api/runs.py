"""Runs: train them, read them back, draw what they recorded."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from hindi_bn import digits as source
from hindi_bn.digits import Digits
from hindi_bn.errors import RunError, StudyError
from hindi_bn.plots import Image, write_plot
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


def read_run(run: RunLike) -> Record:
    """Read a run's record: its settings, its history (a DataFrame), its environment."""
    return run if isinstance(run, Record) else RunFolder(Path(run)).read()


def read_runs(runs: Sequence[RunLike], least: int = 1) -> list[Record]:
    """Read runs that are to stand side by side.

    HindiBnError when they are fewer than `least`, share a name, or have no finished epoch.
    """
    if len(runs) < least:
        raise StudyError(
            "One run alone cannot be compared.",
            "A comparison takes two or more run folders.",
            "name another folder, as in: hindi-bn compare results/article/no-bn results/article/bn",
        )
    records = [read_run(run) for run in runs]
    names = [record.run.name for record in records]
    if len(set(names)) < len(names):
        raise StudyError(
            f"Two of the runs have the same name: {', '.join(names)}.",
            "Tables and figures tell runs apart by their names.",
            "give one of them another name in its study file",
        )
    for record in records:
        if record.history.empty:
            what, why = f"{record.folder} has no finished epoch.", "Its history is empty."
            raise RunError(what, why, "train it with --resume")
    return records


def plot(
    kind: str,
    runs: Sequence[RunLike],
    *,
    folder: str | os.PathLike[str] | None = None,
    digit: int = 3,
    index: int = 0,
    data_dir: str | os.PathLike[str] = "data",
    formats: Sequence[str] = ("png",),
    dpi: int = 150,
) -> list[Path]:
    """Draw one kind of figure of runs (`hindi-bn plot --help` lists the kinds); return the files.

    They are in `folder`, or in `figures` in the run's folder or beside the first of several.
    `digit` and `index` say which test image is sent through the networks for `maps`.
    """
    records = read_runs(runs)
    first = records[0].folder
    target = (first if len(records) == 1 else first.parent) / "figures"
    image = Image(Path(data_dir), digit, index)
    return write_plot(kind, records, Path(folder or target), image, formats, dpi)
