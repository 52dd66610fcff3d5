"""`hindi-bn train`: train a study's runs, all of them or those that are asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json, typed_command
from hindi_bn.cli.progress import training_progress
from hindi_bn.study import norm_names
from hindi_bn.study.words import counted

if TYPE_CHECKING:
    from hindi_bn.records import Record

NORM_OF_FLAG = {True: "batch", False: "none", None: None}


@app.command()
def train(
    bn: Annotated[bool | None, typer.Option(
        "--bn/--no-bn", show_default="all runs",
        help="Train only the study's runs with BN (without BN).",
    )] = None,
    norm: Annotated[str | None, typer.Option(
        "--norm", show_default="all runs", **options.known(norm_names),
        help="Train only the runs with this normalisation layer; if there is none, the run "
        "with BN (or the last one) with this layer instead. --bn is --norm batch, "
        f"--no-bn is --norm none. The layers: {options.NORMS}.",
    )] = None,
    config: options.Config = "article",
    set_: options.Set = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    batch_size: options.BatchSize = None,
    lr: options.LearningRate = None,
    data: options.Data = None,
    device: options.DeviceOption = None,
    threads: options.Threads = None,
    out: options.Out = Path("results"),
    data_dir: options.DataDir = Path("data"),
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    tracker: options.Trackers = None,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Train a study's runs and record them in DIR/<study>/<run>/.

    With --bn, --no-bn or --norm the random stream is first moved to where that run begins, so that
    it gives the study's numbers without training the runs before it; --epochs, --lr and
    --batch-size then hold for that run alone.
    """
    if bn is not None and norm is not None:
        raise typer.BadParameter("--norm and --bn/--no-bn exclude each other.")
    if resume and overwrite:
        raise typer.BadParameter("--resume and --overwrite exclude each other.")
    changes = options.overrides(
        set_, epochs=epochs, seed=seed, batch_size=batch_size, lr=lr, data=data, device=device,
        threads=threads,
    )  # fmt: skip
    wanted, names = norm or NORM_OF_FLAG[bn], None
    if wanted is None:
        study = hindi_bn.load_study(config, changes)
    else:
        study, names = hindi_bn.choose_runs(config, wanted, changes)
    digits = hindi_bn.load_digits(data_dir, study.data)
    note(f"Data: {digits.title}", quiet=quiet)
    records = hindi_bn.train(
        study, names, digits=digits, out=out, resume=resume, overwrite=overwrite,
        command=typed_command(), trackers=tracker or [],
        reporter=partial(training_progress, quiet=quiet),
    )  # fmt: skip
    if json_:
        print_json([_document(record) for record in records])
        return
    for record in records:
        last = record.history.iloc[-1]
        typer.echo(
            f"{record.run.name}: test accuracy {last['test_accuracy']:.4f} after "
            f"{counted(len(record.history), 'epoch')}, {last['seconds']:.0f} s of training "
            f"({record.data_title}) -> {record.folder}"
        )


def _document(record: Record) -> dict[str, Any]:
    history = record.history
    return {
        "study": record.study.name,
        "run": record.run.name,
        "folder": str(record.folder),
        "data": record.data_title,
        "epochs": len(history),
        "seconds": float(history["seconds"].iloc[-1]),
        "final": {
            key: float(history[key].iloc[-1]) for key in history.columns.drop(["epoch", "seconds"])
        },
        "best_test_accuracy": float(history["test_accuracy"].max()),
    }
