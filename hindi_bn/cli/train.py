"""`hindi-bn train`: train a study's runs, all of them or those that are asked for."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.study import Study, norm_names

if TYPE_CHECKING:
    from hindi_bn.records import Record


BY_FLAG = {True: "batch", False: "none", None: None}
"""Normalisation layer that --bn, --no-bn or neither asks for."""


@app.command()
def train(
    bn: Annotated[
        bool | None,
        typer.Option(
            "--bn/--no-bn",
            help="Train only the study's runs with (without) batch norm.",
            show_default="all runs",
        ),
    ] = None,
    norm: Annotated[
        str | None,
        typer.Option(
            "--norm",
            help="Train only the runs with this normalisation layer; if there is none, the run "
            "with batch norm (or the last one) with this layer instead. --bn is --norm batch, "
            f"--no-bn is --norm none. The layers: {options.NORMS}.",
            show_default="all runs",
            **options.known(norm_names),
        ),
    ] = None,
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
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a study's runs and record them in DIR/<study>/<run>/.

    With --bn, --no-bn or --norm the random stream is first moved to where that run begins, so that
    it gives the study's numbers without training the runs before it; --epochs, --lr and
    --batch-size then hold for that run alone.
    """
    changes = options.overrides(
        set_, epochs=epochs, seed=seed, batch_size=batch_size, lr=lr, data=data, device=device,
        threads=threads,
    )  # fmt: skip
    if bn is not None and norm is not None:
        raise typer.BadParameter("--norm and --bn/--no-bn exclude each other.")
    wanted = norm if norm is not None else BY_FLAG[bn]
    study, names = chosen_study(config, changes, wanted)
    records = train_runs(
        study, names, out, data_dir, resume=resume, overwrite=overwrite, quiet=quiet
    )
    if json_:
        print_json([outcome(record) for record in records])
        return
    for record in records:
        last = record.history.iloc[-1]
        typer.echo(
            f"{record.run.name}: test accuracy {last['test_accuracy']:.4f} after "
            f"{len(record.history)} epochs, {last['seconds']:.0f} s of training "
            f"({record.environment['data']['title']}) -> {record.folder}"
        )


def chosen_study(config: str, changes: dict[str, Any], norm: str | None) -> tuple[Study, list[str]]:
    """Return the study with the changes and the names of its runs to train, in study order.

    Parameters
    ----------
    changes
        Overrides, as for `load_study`; with a `norm`, keys of a run hold for the chosen runs alone.
    norm
        Train the runs with this normalisation layer, or the run that stands in for one: it keeps
        its place in the random stream. None for all runs.

    Raises
    ------
    StudyError
        When a key or a value is wrong.
    """
    from hindi_bn.study.files import load_study

    plain = load_study(config)
    if norm is None:
        study = load_study(config, changes)
        return study, [run.name for run in study.runs]
    chosen = plain.with_norm(norm)
    if not chosen:
        stand_in = (plain.with_norm("batch") or plain.runs)[-1]
        chosen, place = (stand_in,), plain.position(stand_in.name)
        name = norm.rpartition(":")[2]
        replaced = {"norm": norm, "capture.layer": "last-conv", "name": name}
        changes = {f"runs.{place}.{key}": value for key, value in replaced.items()} | changes
    names = [run.name for run in chosen]
    places = [plain.position(name) for name in names]
    study = load_study(config, changes, only=[*names, norm.rpartition(":")[2]])
    return study, [study.runs[place].name for place in places]


def train_runs(
    study: Study,
    names: list[str],
    out: Path,
    data_dir: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> list[Record]:
    """Train the named runs of a study with progress on stderr; return their records.

    The digits are loaded once; see `train_run` for the errors.
    """
    from hindi_bn.cli.progress import training_progress
    from hindi_bn.digits import load
    from hindi_bn.training.run import train_run

    digits = load(data_dir, study.data)
    note(f"Data: {digits.title}", quiet=quiet)
    records = []
    for name in names:
        with training_progress(study.run(name), quiet=quiet) as reporter:
            records.append(
                train_run(
                    study, name, digits, out,
                    resume=resume, overwrite=overwrite, command=typed_command(), reporter=reporter,
                )
            )  # fmt: skip
    return records


def typed_command() -> str:
    """Return the command line as typed, for the record."""
    return shlex.join(["hindi-bn", *sys.argv[1:]])


def outcome(record: Record) -> dict[str, Any]:
    """Return what a finished run gave, for JSON."""
    history = record.history
    return {
        "study": record.study.name,
        "run": record.run.name,
        "folder": str(record.folder),
        "data": record.environment["data"]["title"],
        "epochs": len(history),
        "seconds": float(history["seconds"].iloc[-1]),
        "final": {
            key: float(history[key].iloc[-1])
            for key in ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "wx", "wy")
        },
        "best_test_accuracy": float(history["test_accuracy"].max()),
    }
