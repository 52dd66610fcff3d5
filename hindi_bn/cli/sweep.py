"""`hindi-bn sweep`: a study times a grid times seeds, trained once each, tabulated and drawn."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json, typed_command
from hindi_bn.cli.progress import loader
from hindi_bn.cli.sweep_progress import sweep_progress
from hindi_bn.cli.tables import Parts, plan_tables, show, table_of
from hindi_bn.study.words import arms_in_words, rows_in_words

METRIC = "final_test_accuracy"


@app.command()
def sweep(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Sweep: a name that comes along, or a YAML file."),
    ],
    seeds: Annotated[int | None, options.seeds("the sweep's")] = None,
    set_: options.Set = None,
    epochs: options.Epochs = None,
    out: options.Out = Path("results"),
    evidence: options.Evidence = None,
    data_dir: options.DataDir = Path("data"),
    executor: options.Executor = "local",
    ray_address: options.RayAddress = None,
    gpus_per_run: options.GpusPerRun = None,
    workers: options.Workers = None,
    dry_run: options.DryRun = False,
    retry_failed: options.RetryFailed = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first run that fails.")
    ] = False,
    format_: options.Format = None,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Train a sweep: every setting of a grid with every seed; tables, statistics and figures.

    Runs are kept in DIR/runs and never trained twice, whichever sweep they belong to, nor are runs
    that the evidence has; a sweep that was stopped goes on when the same command is given again.
    Results land in DIR/sweeps/<name>.
    """
    runner = options.runner(executor, ray_address, gpus_per_run, workers)
    changes = options.overrides(set_, epochs=epochs)
    if dry_run:
        estimate = hindi_bn.estimate_sweep(
            file, changes, seeds=seeds, data_dir=data_dir, out=out, evidence=evidence,
            workers=workers, retry_failed=retry_failed,
        )  # fmt: skip
        print_json(asdict(estimate)) if json_ else show(plan_tables(estimate))
        return
    written = hindi_bn.sweep(
        file, changes, seeds=seeds, out=out, evidence=evidence,
        load=loader(data_dir, quiet=quiet), runner=runner,
        retry_failed=retry_failed, fail_fast=fail_fast, formats=options.formats(format_),
        command=typed_command(), progress=partial(sweep_progress, quiet=quiet),
        note=partial(note, quiet=quiet),
    )  # fmt: skip
    if json_:
        print_json(written.document)
    else:
        show(_result_tables(written.document))
        typer.echo(f"Tables and figures: {written.folder}")
    for end in written.result.bad_ends:
        if end.status != "diverged":
            note(f"{end.arm}, seed {end.seed} ({end.key}) {end.status}: {end.why}")
    if written.open:
        note(
            f"{written.open} of {len(written.result.runs)} runs have no result. Give the same "
            "command again to train what was stopped; --retry-failed trains what failed, too."
        )
        raise typer.Exit(1)


def _result_tables(document: dict[str, Any]) -> Parts:
    """Return final test accuracy by arm, and differences from the first arm."""
    summary, paired = (
        [_percent(row) for row in document[name] if row["metric"] == METRIC]
        for name in ("summary", "paired")
    )
    title = f"Final test accuracy, per cent, on: {'; '.join(document['data'])}"
    columns = {
        "arm": ("arm", ""), "n": ("n", "d"), "n_diverged": ("diverged", "d"),
        "mean": ("mean", ".2f"), "std": ("std", ".2f"), "low": ("low", ".2f"),
        "high": ("high", ".2f"), "method": ("interval", ""),
    }  # fmt: skip
    words = arms_in_words(row["arm"] for row in document["arms"])
    parts: Parts = [table_of(rows_in_words(summary), title, columns)]
    if paired:
        title = f"Points above {words[paired[0]['baseline']]}, paired by seed"
        columns = {
            "arm": ("arm", ""), "n": ("n", "d"), "mean_difference": ("mean", "+.2f"),
            "low": ("low", "+.2f"), "high": ("high", "+.2f"), "p": ("p (t)", ".4f"),
            "p_holm": ("p (t, Holm)", ".4f"), "p_sign_flip": ("p (sign-flip)", ".4f"),
        }  # fmt: skip
        parts.append(table_of(rows_in_words(paired), title, columns))
    diverged = [end for end in document["bad_ends"] if end["status"] == "diverged"]
    if diverged:
        parts.append(
            f"{len(diverged)} runs diverged and count as guessing (10 %): "
            + "; ".join(f"{words[end['arm']]}, seed {end['seed']}" for end in diverged)
        )
    return parts


def _percent(row: dict[str, Any]) -> dict[str, Any]:
    for key in ("mean", "std", "low", "high", "mean_difference"):
        if row.get(key) is not None:
            row = row | {key: 100 * row[key]}
    return row
