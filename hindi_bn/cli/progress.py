"""Progress of a download and of a training: bars on a terminal, a line per epoch everywhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import hindi_bn
from hindi_bn.cli.app import note
from hindi_bn.study import Run

if TYPE_CHECKING:
    from rich.console import Console

    from hindi_bn.digits import Digits
    from hindi_bn.digits.images import Advance
    from hindi_bn.sweeps.run import Load
    from hindi_bn.training.loop import EpochRow
    from hindi_bn.training.run import Reporter

REDRAWN_EVERY = 0.1  # seconds


@contextlib.contextmanager
def download_progress(*, quiet: bool) -> Iterator[tuple[Callable[[str], None], Advance]]:
    """Give what a download calls with notes and progress; it draws a bar on a terminal's stderr."""
    from rich import progress as bars
    from rich.console import Console

    console, say = Console(stderr=True, highlight=False), partial(note, quiet=quiet)
    if quiet or not console.is_terminal:
        yield say, lambda task, done, total: None
        return
    with contextlib.ExitStack() as shown:
        current: dict[str, tuple[bars.Progress, bars.TaskID]] = {}

        def advance(task: str, done: int, total: int | None) -> None:
            if task not in current:
                shown.close()  # a terminal shows one bar at a time
                current.clear()
                bytes_ = task == "Downloading"
                bar = bars.Progress(
                    bars.TextColumn("{task.description}"), bars.BarColumn(),
                    bars.DownloadColumn() if bytes_ else bars.MofNCompleteColumn(),
                    bars.TimeRemainingColumn(), console=console, transient=True,
                )  # fmt: skip
                current[task] = shown.enter_context(bar), bar.add_task(task, total=total)
            bar, number = current[task]
            bar.update(number, completed=done, total=total)

        yield say, advance


def loader(data_dir: Path, *, quiet: bool) -> Load:
    """Return what loads data by name, with a bar while real digits that are missing are fetched."""

    def load(name: str) -> Digits:
        with download_progress(quiet=quiet) as (say, advance):
            return hindi_bn.load_digits(data_dir, name, fetch=True, note=say, advance=advance)

    return load


@contextlib.contextmanager
def points_progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Give what a computation calls with what it does, the points done and all of them."""
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if quiet:
        yield lambda what, done, points: None
        return
    with bars.Progress(
        bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(), bars.TextColumn("left"), bars.TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        tasks: dict[str, bars.TaskID] = {}

        def advance(what: str, done: int, points: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=points, completed=done)
            bar.update(tasks[what], completed=done)
            if done == points:
                note(f"{what}: {points:,} points", quiet=quiet)

        yield advance


@contextlib.contextmanager
def training_progress(run: Run, *, quiet: bool) -> Iterator[Reporter]:
    """Open a reporter for a run's training; on a terminal it draws a bar."""
    from rich.console import Console

    from hindi_bn.training.run import Reporter

    console = Console(stderr=True, highlight=False)
    if quiet:
        yield Reporter(note=lambda text: None)
    elif not console.is_terminal:
        yield Reporter(epoch=lambda row: note(epoch_line(run, row)), note=note)
    else:
        yield from _with_bar(run, console)


def _with_bar(run: Run, console: Console) -> Iterator[Reporter]:
    from rich import progress as bars

    from hindi_bn.training.run import Reporter

    with bars.Progress(
        bars.TextColumn("{task.description}"), bars.BarColumn(),
        bars.TextColumn("{task.percentage:>3.0f} %"), bars.TimeElapsedColumn(),
        bars.TextColumn("left"), bars.TimeRemainingColumn(),
        console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(run.name, total=None)
        epoch, drawn = 0, 0.0

        def step(done: int, steps: int) -> None:
            nonlocal drawn
            now = time.monotonic()
            if done < steps and now - drawn < REDRAWN_EVERY:
                return
            drawn = now
            bar.update(
                task, total=steps * run.epochs, completed=steps * epoch + done,
                description=f"{run.name} · epoch {epoch + 1}/{run.epochs} · step {done}/{steps}",
            )  # fmt: skip

        def finished(row: EpochRow) -> None:
            nonlocal epoch
            epoch = row.epoch + 1
            console.print(epoch_line(run, row))

        yield Reporter(step, finished, console.print)


def epoch_line(run: Run, row: EpochRow) -> str:
    """Return one epoch's losses, accuracies and the run's training time so far, as a line."""
    return (
        f"{run.name:>8}  epoch {row.epoch + 1:>{len(str(run.epochs))}}/{run.epochs}  "
        f"train loss {row.train_loss:.4f} accuracy {row.train_accuracy:.4f}  "
        f"test loss {row.test_loss:.4f} accuracy {row.test_accuracy:.4f}  {row.seconds:6.1f} s"
    )
