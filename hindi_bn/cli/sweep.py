"""`hindi-bn sweep`: a study times a grid times seeds, trained once each, tabulated and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.cli.executors import (
    ExecutorName,
    ExecutorOption,
    GpusPerRun,
    RayAddress,
    Workers,
    check_executor,
    executor_of,
)
from hindi_bn.cli.results import Format, formats
from hindi_bn.cli.sweep_progress import duration, sweep_progress
from hindi_bn.cli.train import typed_command
from hindi_bn.errors import DataError

if TYPE_CHECKING:
    from hindi_bn.sweeps.cells import Cell
    from hindi_bn.sweeps.estimate import Estimate
    from hindi_bn.sweeps.run import Load, SweepResult
    from hindi_bn.sweeps.store import RunStore
    from hindi_bn.sweeps.sweep_file import Sweep


@app.command()
def sweep(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Sweep: a name that comes along, or a YAML file."),
    ],
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, metavar="N", help="Seeds.", show_default="the sweep's"),
    ] = None,
    set_: options.Set = None,
    epochs: options.Epochs = None,
    out: options.Out = Path("results"),
    data_dir: options.DataDir = Path("data"),
    executor: ExecutorOption = ExecutorName.local,
    ray_address: RayAddress = None,
    gpus_per_run: GpusPerRun = None,
    workers: Workers = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List what would be trained and estimate its cost."),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Train runs again that failed before.")
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first run that fails.")
    ] = False,
    format_: Format = None,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Train a sweep: every setting of a grid with every seed; tables, statistics and figures.

    Runs are kept in DIR/runs and never trained twice, whichever sweep they belong to; a sweep that
    was stopped goes on when the same command is given again. Results land in DIR/sweeps/<name>.
    """
    from hindi_bn.sweeps.cells import cells
    from hindi_bn.sweeps.run import run_sweep
    from hindi_bn.sweeps.store import RunStore
    from hindi_bn.sweeps.sweep_file import find_sweep, load_sweep

    check_executor(executor, ray_address, gpus_per_run, workers)
    changes = options.overrides(set_, epochs=epochs)
    chosen = load_sweep(file).changed(changes, seeds)
    runs, store = cells(chosen, str(find_sweep(file))), RunStore(out)
    if dry_run:
        show_plan(runs, store, data_dir, workers, retry_failed=retry_failed, json_=json_)
        return
    with sweep_progress(quiet=quiet) as on_event:
        result = run_sweep(
            runs, loader(data_dir, quiet=quiet), store,
            executor_of(executor, ray_address, gpus_per_run, workers),
            retry_failed=retry_failed, fail_fast=fail_fast, command=typed_command(),
            on_event=on_event,
        )  # fmt: skip
    _finish(result, chosen, out, formats(format_), json_=json_)


def loader(data_dir: Path, *, quiet: bool) -> Load:
    """Return what loads data by name; real digits that are not there are fetched.

    Without any source of the real digits the drawn stand-in takes their place, which is noted.
    """
    from hindi_bn import digits as source
    from hindi_bn.cli.data import progress_bar

    def load(name: str) -> source.Digits:
        try:
            return source.load(data_dir, name)
        except DataError:
            if name != "digits":
                raise
        with progress_bar(quiet=quiet) as advance:
            return source.resolve(data_dir, None, lambda text: note(text, quiet=quiet), advance)

    return load


def _finish(
    result: SweepResult, chosen: Sweep, out: Path, figure_formats: tuple[str, ...], *, json_: bool
) -> None:
    """Write and show the results; exit code 1 when a run has no result."""
    from hindi_bn.sweeps.output import output_folder, write_sweep

    folder = output_folder(out, chosen, result.data)
    document = write_sweep(result, chosen, folder, figure_formats)
    if json_:
        print_json(document)
    else:
        _show_result(document, folder)
    for end in result.bad_ends:
        if end.status != "diverged":
            note(f"{end.arm}, seed {end.seed} ({end.key}) {end.status}: {end.why}")
    if not result.complete:
        open_ = sum(not each for each in result.runs["status"].isin(["finished", "diverged"]))
        note(
            f"{open_} of {len(result.runs)} runs have no result. Give the same command again to "
            "train what was stopped; --retry-failed trains what failed, too."
        )
        raise typer.Exit(1)


def _show_result(document: dict[str, Any], folder: Path) -> None:
    from rich.console import Console

    from hindi_bn.cli.sweep_tables import result_tables

    console = Console(highlight=False)
    for part in result_tables(document):
        console.print(part)
    console.print(f"Tables and figures: {folder}", soft_wrap=True)


def show_plan(
    runs: tuple[Cell, ...],
    store: RunStore,
    data_dir: Path,
    workers: int | None,
    *,
    retry_failed: bool,
    json_: bool,
) -> None:
    """Print what is to be trained and what it will cost; nothing is fetched or written."""
    from rich.console import Console

    from hindi_bn.cli.sweep_tables import plan_document, plan_tables
    from hindi_bn.digits import load
    from hindi_bn.runners.plan import plan
    from hindi_bn.sweeps.estimate import estimate
    from hindi_bn.sweeps.run import plan_sweep

    planned = plan_sweep(runs, lambda name: load(data_dir, name), store, "")
    side_by_side = plan(len(runs), workers=workers, threads=1).workers
    found: Estimate = estimate(planned, store, side_by_side, retry_failed=retry_failed)
    if json_:
        print_json(plan_document(found))
        return
    console = Console(highlight=False)
    for part in plan_tables(found, duration(found.seconds)):
        console.print(part)
