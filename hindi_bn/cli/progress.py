"""Progress of a training: a bar and a line an epoch on a terminal, lines alone elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hindi_bn.cli.app import note
from hindi_bn.study import Run

if TYPE_CHECKING:
    from rich.console import Console

    from hindi_bn.training.loop import EpochRow
    from hindi_bn.training.run import Reporter


@contextlib.contextmanager
def training_progress(run: Run, *, quiet: bool) -> Iterator[Reporter]:
    """Give a reporter for one run's training; on a terminal it draws a bar on stderr."""
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
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from hindi_bn.training.run import Reporter

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=True),
        console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(run.name, total=None)
        state = {"epoch": 0, "drawn": 0.0}

        def step(done: int, steps: int) -> None:
            now = time.monotonic()
            if done < steps and now - state["drawn"] < 0.1:  # noqa: PLR2004
                return
            state["drawn"] = now
            epoch = int(state["epoch"])
            bar.update(
                task, total=steps * run.epochs, completed=steps * epoch + done,
                description=f"{run.name} · epoch {epoch + 1}/{run.epochs} · step {done}/{steps}",
            )  # fmt: skip

        def finished(row: EpochRow) -> None:
            state["epoch"] = row.epoch + 1
            console.print(epoch_line(run, row))

        def begin(text: str) -> None:
            console.print(text)

        yield Reporter(step, finished, begin)


def epoch_line(run: Run, row: EpochRow) -> str:
    """Return one epoch's losses, accuracies and the run's training time so far, as a line."""
    return (
        f"{run.name:>8}  epoch {row.epoch + 1:>{len(str(run.epochs))}}/{run.epochs}  "
        f"train loss {row.train_loss:.4f} accuracy {row.train_accuracy:.4f}  "
        f"test loss {row.test_loss:.4f} accuracy {row.test_accuracy:.4f}  {row.seconds:6.1f} s"
    )
