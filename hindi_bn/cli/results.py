"""`compare`, `plot-descent` and `reproduce`: from runs to tables and figures."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json, typed_command
from hindi_bn.cli.progress import download_progress, training_progress
from hindi_bn.cli.tables import Parts, show, table_of
from hindi_bn.study.words import rows_in_words

Folders = Annotated[list[str] | None, typer.Argument(
    metavar="[RUN]...", show_default="the study's runs",
    help="Run folders to use instead of the study's, two or more; LABEL=DIR says what to call one.",
)]  # fmt: skip
To = Annotated[Path | None, typer.Option(
    "--to", metavar="DIR", help="Folder for tables and figures.",
    show_default="comparison, beside the runs",
)]  # fmt: skip


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
    labels: options.Labels = None,
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare runs with each other and with the article's published numbers.

    Uses the study's runs and trains what is missing, or takes two or more run folders. Writes the
    accuracy and loss figures, the tables (CSV, JSON, Markdown), per-class scores and confusion
    matrices.
    """
    if folders:
        comparison = hindi_bn.compare(options.runs(folders, labels), data_dir=data_dir, out=out)
    else:
        changes = options.overrides(set_, data=data, device=device, threads=threads)
        study = hindi_bn.load_study(config, changes)
        digits = hindi_bn.load_digits(data_dir, study.data)
        note(f"Data: {digits.title}", quiet=quiet)
        how: dict[str, Any] = {"digits": digits, "out": out, "command": typed_command()}
        how["reporter"] = partial(training_progress, quiet=quiet)
        comparison = hindi_bn.compare(
            options.labelled_runs(hindi_bn.train(study, resume=True, **how), labels)
            if labels
            else study,
            **how,
        )
    target = to or comparison.folder
    _show(comparison.write(target, options.formats(format_), dpi), target, json_=json_)


@app.command("plot-descent")
def plot_descent(
    folders: Folders = None,
    config: options.Config = "article",
    data: options.Data = None,
    out: options.Out = Path("results"),
    to: To = None,
    labels: options.Labels = None,
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw the descent of the training loss along two sample weights (the article's figure 8).

    One figure per run, the runs side by side, and the same paths projected: wx against wy, coloured
    by the loss.
    """
    if not folders:
        study = hindi_bn.load_study(config, options.overrides(None, data=data))
        folders = [str(study.folder(out) / run.name) for run in study.runs]
    written = hindi_bn.plot_descent(
        options.runs(folders, labels), folder=to, out=out, formats=options.formats(format_), dpi=dpi
    )
    options.tell_files(written, json_=json_)
    note("The path of (wx, wy, training loss), a point per epoch.", quiet=quiet)


@app.command()
def reproduce(
    config: options.Config = "article",
    set_: options.Set = None,
    archive: Annotated[Path | None, typer.Option(
        "--archive", envvar="HINDI_BN_ARCHIVE", metavar="FILE|DIR", show_default="none",
        help="Archive or folder with the digits.",
    )] = None,
    device: options.DeviceOption = None,
    threads: options.Threads = None,
    out: options.Out = Path("results"),
    data_dir: options.DataDir = Path("data"),
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    overwrite: options.Overwrite = False,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Reproduce the study: get the digits, train every run, compare, plot, and sum up.

    Finished runs are used, unfinished ones resumed. Without any source of the real digits the
    study runs on the stand-in and says so everywhere.
    """
    study = hindi_bn.load_study(config, options.overrides(set_, device=device, threads=threads))
    with download_progress(quiet=quiet) as (say, advance):
        digits = hindi_bn.load_digits(
            data_dir, study.data, fetch=True, archive=archive, note=say, advance=advance
        )
    note(f"Data: {digits.title}", quiet=quiet)
    comparison = hindi_bn.reproduce(
        study, digits, out=out, overwrite=overwrite, formats=options.formats(format_), dpi=dpi,
        command=typed_command(), reporter=partial(training_progress, quiet=quiet),
    )  # fmt: skip
    written = json.loads((comparison.folder / "comparison.json").read_text(encoding="utf-8"))
    _show(written | comparison.document, comparison.folder, json_=json_)  # which has the times


def _show(document: dict[str, Any], target: Path, *, json_: bool) -> None:
    """Print a comparison: its tables and findings, or the whole document as JSON."""
    if json_:
        print_json(document)
    else:
        show(_parts(document))
        typer.echo(f"Tables and figures: {target}")


def _parts(document: dict[str, Any]) -> Parts:
    """Return what a comparison prints: summary, agreement with the article, findings."""
    title = f"Test accuracy and training loss on: {document['data']}"
    columns = {
        "run": ("run", ""), "epochs": ("epochs", "d"), "final_test_accuracy": ("final", ".4f"),
        "best_test_accuracy": ("best", ".4f"), "best_epoch": ("epoch", "d"),
        "last_five_mean_test_accuracy": ("last 5", ".4f"), "final_train_loss": ("loss", ".4f"),
        "seconds": ("s", ".0f"),
    }  # fmt: skip
    parts: Parts = [table_of(rows_in_words(document["summary"]), title, columns)]
    if document["published_compared"]:
        parts += _published(document["published"])
    else:
        parts.append(
            "No published numbers stand beside these runs: their data or settings are not the "
            "article's, and neither are their numbers."
        )
    for finding in document["findings"]:
        number, statement = finding["number"], finding["statement"]
        of_article = f"Finding {number} of the article: {statement}" if statement else ""
        parts.append(f"\n{of_article or finding['title']}")
        parts += [f"  {sentence}" for sentence in finding["sentences"]]
    return parts


def _published(rows: list[dict[str, Any]]) -> Parts:
    columns = {
        "run": ("run", ""), "epoch": ("epoch", "d"), "quantity": ("quantity", ""),
        "published": ("published", ".6f"), "ours": ("ours", ".6f"),
        "difference": ("diff.", "+.1e"), "tolerance": ("within", ".1e"), "verdict": ("verdict", ""),
    }  # fmt: skip
    agreeing = sum(row["verdict"] == "agrees" for row in rows)
    return [
        table_of(rows_in_words(rows), "Ours against the article's published numbers", columns),
        f"{agreeing} of {len(rows)} published numbers agree within the stated tolerances.",
    ]
