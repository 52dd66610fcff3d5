"""`compare`, `plot-descent` and `reproduce`: from runs to tables and figures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.cli.data import progress_bar
from hindi_bn.cli.train import train_runs
from hindi_bn.errors import RunError, StudyError
from hindi_bn.study import Study

if TYPE_CHECKING:
    from hindi_bn.digits import Digits
    from hindi_bn.records import Record


class FigureFormat(StrEnum):
    """File formats of figures."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[RUN]...", help="Run folders to use instead of the study's, two or more.",
        show_default="the study's runs",
    ),
]  # fmt: skip
Format = Annotated[
    list[FigureFormat] | None,
    typer.Option(
        "--format", help="File format of the figures; may be repeated.", show_default="png"
    ),
]
Dpi = Annotated[int, typer.Option("--dpi", min=30, max=1200, help="Dots an inch of PNG figures.")]
To = Annotated[
    Path | None,
    typer.Option(
        "--to", metavar="DIR", help="Folder for tables and figures.",
        show_default="comparison, beside the runs",
    ),
]  # fmt: skip


@app.command()
def compare(
    folders: Folders = None,
    config: options.Config = "article",
    set_: options.Set = None,
    data: options.Data = None,
    device: options.DeviceOption = None,
    threads: options.Threads = None,
    out: options.Out = Path("results"),
    data_dir: options.DataDir = Path("data"),
    to: To = None,
    format_: Format = None,
    dpi: Dpi = 150,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare runs with each other and with the article's published numbers.

    Uses the study's runs and trains what is missing, or takes two or more run folders. Writes the
    accuracy and loss figures, the tables (CSV, JSON, Markdown), per-class scores and confusion
    matrices.
    """
    from hindi_bn.study.files import load_study

    if folders:
        records, target = read_runs(folders, least=2), to or beside(folders, out)
    else:
        changes = options.overrides(set_, data=data, device=device, threads=threads)
        study = load_study(config, changes)
        records = study_runs(study, out, data_dir, quiet=quiet)
        target = to or out / study.folder_name / "comparison"
    document = write_comparison(records, target, data_dir, formats(format_), dpi)
    show_comparison(document, target, json_=json_)


@app.command("plot-descent")
def plot_descent(
    folders: Folders = None,
    config: options.Config = "article",
    data: options.Data = None,
    out: options.Out = Path("results"),
    to: To = None,
    format_: Format = None,
    dpi: Dpi = 150,
    quiet: options.Quiet = False,
) -> None:
    """Draw the descent of the training loss along two sample weights (the article's figure 8).

    One figure a run, the runs side by side, and the same paths projected: wx against wy, coloured
    by the loss.
    """
    from hindi_bn.study.files import load_study

    if folders:
        records, target = read_runs(folders, least=1), to or beside(folders, out)
    else:
        study = load_study(config, options.overrides(None, data=data))
        base = out / study.folder_name
        records = read_runs([base / run.name for run in study.runs], least=1)
        target = to or base / "comparison"
    for path in write_descent(records, target, formats(format_), dpi):
        typer.echo(path)
    note("The path of (wx, wy, training loss), a point an epoch.", quiet=quiet)


@app.command()
def reproduce(
    config: options.Config = "article",
    set_: options.Set = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            "--archive",
            envvar="HINDI_BN_ARCHIVE",
            metavar="FILE|DIR",
            help="Archive or folder with the digits.",
            show_default="none",
        ),
    ] = None,
    device: options.DeviceOption = None,
    threads: options.Threads = None,
    out: options.Out = Path("results"),
    data_dir: options.DataDir = Path("data"),
    format_: Format = None,
    dpi: Dpi = 150,
    overwrite: options.Overwrite = False,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Reproduce the study: get the digits, train every run, compare, plot, and sum up.

    Finished runs are used, unfinished ones resumed. Without any source of the real digits the
    study runs on the drawn stand-in and says so everywhere.
    """
    from hindi_bn.digits import resolve
    from hindi_bn.study.files import load_study

    changes = options.overrides(set_, device=device, threads=threads)
    study = load_study(config, changes)
    if study.data == "digits":
        with progress_bar(quiet=quiet) as advance:
            digits = resolve(data_dir, archive, lambda text: note(text, quiet=quiet), advance)
        study = load_study(config, changes | {"data": digits.name})
    records = study_runs(study, out, data_dir, overwrite=overwrite, quiet=quiet)
    target = out / study.folder_name / "comparison"
    document = write_comparison(records, target, data_dir, formats(format_), dpi)
    write_descent(records, target, formats(format_), dpi)
    show_comparison(document, target, json_=json_)


def study_runs(
    study: Study, out: Path, data_dir: Path, *, overwrite: bool = False, quiet: bool = False
) -> list[Record]:
    """Return all runs of a study: finished ones as they are, the others trained now."""
    names = [run.name for run in study.runs]
    return train_runs(
        study, names, out, data_dir, resume=not overwrite, overwrite=overwrite, quiet=quiet
    )


def read_runs(folders: list[Path], least: int) -> list[Record]:
    """Read run folders; their names must differ, and there must be `least` or more."""
    from hindi_bn.records import RunFolder

    if len(folders) < least:
        raise StudyError(
            "One run alone cannot be compared.",
            "A comparison takes two or more run folders.",
            "name another folder, as in: hindi-bn compare results/article/no-bn results/article/bn",
        )
    records = [RunFolder(folder).read() for folder in folders]
    names = [record.run.name for record in records]
    if len(set(names)) < len(names):
        raise StudyError(
            f"Two of the runs have the same name: {', '.join(names)}.",
            "Tables and figures tell runs apart by their names.",
            "give one of them another name in its study file",
        )
    empty = [str(record.folder) for record in records if record.history.empty]
    if empty:
        raise RunError(
            f"{empty[0]} has no finished epoch.", "Its history is empty.", "train it with --resume"
        )
    return records


def beside(folders: list[Path], out: Path) -> Path:
    """Return the folder for results on `folders`: in their study's folder if they share it."""
    parents = {folder.parent for folder in folders}
    return (parents.pop() if len(parents) == 1 else out) / "comparison"


def formats(chosen: list[FigureFormat] | None) -> tuple[str, ...]:
    """Return the chosen figure formats, PNG if none was."""
    return tuple(dict.fromkeys(each.value for each in chosen or [FigureFormat.png]))


def write_comparison(
    records: list[Record], target: Path, data_dir: Path, figure_formats: tuple[str, ...], dpi: int
) -> dict[str, Any]:
    """Predict the test images with every run and write the comparison; return its document."""
    from hindi_bn.article import report
    from hindi_bn.article.reference import is_published
    from hindi_bn.digits import load

    digits = load(data_dir, records[0].study.data)
    predictions = {record.run.name: predicted_classes(record, digits) for record in records}
    return report.write_comparison(
        target,
        {record.run.name: record.history for record in records},
        predictions,
        digits.test_labels.numpy(),
        digits.title,
        all(is_published(record) for record in records),
        {record.run.name: record.environment for record in records},
        figure_formats,
        dpi,
        seed=common_seed(records),
    )


def common_seed(records: list[Record]) -> int | None:
    """Return the seed of all runs, None when they differ."""
    seeds = {record.study.seed for record in records}
    return seeds.pop() if len(seeds) == 1 else None


def predicted_classes(record: Record, digits: Digits) -> Any:
    """Return the classes that a finished run predicts for the test images, int64 (images,)."""
    from hindi_bn.training.loop import predict
    from hindi_bn.training.run import load_network
    from hindi_bn.training.tensors import run_constants, scale

    record.check_data(digits)
    constants = run_constants(digits, record.run)
    network = load_network(record)
    return predict(network, scale(digits.test_images, constants)).argmax(1).numpy()


def write_descent(
    records: list[Record], target: Path, figure_formats: tuple[str, ...], dpi: int
) -> list[Path]:
    """Write the descent figures; return their paths."""
    from hindi_bn.article import report

    return report.write_descent(
        target,
        {record.run.name: record.history for record in records},
        records[0].environment["data"]["title"],
        {record.run.name: record.run.capture.model_dump(mode="json") for record in records},
        figure_formats,
        dpi,
        seed=common_seed(records),
    )


def show_comparison(document: dict[str, Any], target: Path, *, json_: bool) -> None:
    """Print a comparison: its tables and findings, or the whole document as JSON."""
    if json_:
        print_json(document)
        return
    from rich.console import Console

    from hindi_bn.cli.tables import comparison_tables

    console = Console()
    for part in comparison_tables(document):
        console.print(part)
    typer.echo(f"Tables and figures: {target}")
