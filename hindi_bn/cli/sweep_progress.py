"""Progress of a sweep: a bar and the arms on a terminal, a line per finished run elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hindi_bn.cli.app import note
from hindi_bn.cli.tables import duration, table_of
from hindi_bn.study.words import counted, rows_in_words

if TYPE_CHECKING:
    from rich.console import Console

    from hindi_bn.sweeps.progress import Progress
    from hindi_bn.sweeps.run import OnEvent

REDRAWN_EVERY = 0.5  # seconds
MOST_ARMS = 24
"""Arms that the table on the terminal shows."""

ENDED = ("finished", "diverged")


@contextlib.contextmanager
def sweep_progress(*, quiet: bool) -> Iterator[OnEvent]:
    """Give what `run_sweep` calls with its progress; it writes on stderr, or nothing if quiet.

    Ctrl-C raises KeyboardInterrupt with a sentence on how to go on.
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    try:
        if quiet:
            yield lambda progress, what: None
        elif not console.is_terminal:
            yield _tell_line
        else:
            yield from _live(console)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(
            "Stopped: every finished epoch is saved. Give the same command again to go on."
        ) from interrupt


def _live(console: Console) -> Iterator[OnEvent]:
    from rich.live import Live

    drawn = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def hear(progress: Progress, what: Any) -> None:
            nonlocal drawn
            line = ended_line(progress, what)
            if line:
                console.print(line)
            if line or time.monotonic() - drawn > REDRAWN_EVERY:
                drawn = time.monotonic()
                live.update(picture(progress), refresh=True)

        yield hear


def _tell_line(progress: Progress, what: Any) -> None:
    if what is None:
        counts = progress.counts
        bad = "".join(f", {counts[s]} {s}" for s in ("diverged", "failed") if counts[s])
        runs, todo = len(progress.statuses), len(progress.todo)
        note(f"{counted(runs, 'run')}: {counts['finished']} finished{bad}; {todo} to train.")
    elif line := ended_line(progress, what):
        note(line)


def ended_line(progress: Progress, what: Any) -> str:
    """Return a line for a run that ended, with the time left; empty for anything else."""
    from hindi_bn.runners.jobs import JobResult

    if not isinstance(what, JobResult):
        return ""
    name = what.job.run
    cell = next(run.cell for run in progress.runs if run.name == name)
    over = sum(
        progress.statuses[each] in (*ENDED, "failed") or each in progress.died
        for each in progress.todo
    )
    status = progress.statuses[name]
    if status == "finished":
        text = f"test accuracy {progress.accuracy[name]:.4f} after "
        text += counted(cell.run.epochs, "epoch")
    elif status == "diverged" and what.failure is not None:
        text = f"diverged at epoch {what.failure.epoch}, step {what.failure.step}"
    else:
        reason = what.failure.what if what.failure is not None else ""
        text = f"{'failed' if status == 'failed' else 'stopped'}: {reason}"
    left = duration(progress.seconds_left)
    return f"[{over}/{len(progress.todo)}] {cell.arm}, seed {cell.seed}: {text}" + (
        f" ({left} left)" if left and over < len(progress.todo) else ""
    )


def picture(progress: Progress) -> Any:
    """Return what the terminal shows: counts, a bar over epochs, and the arms so far."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    counts, left = progress.counts, duration(progress.seconds_left) or "…"
    text = (
        f"{counts['finished']} of {len(progress.statuses)} runs done · {counts['failed']} failed · "
        f"{counts['diverged']} diverged · {len(progress.running)} running · {left} left"
    )
    wanted, done = sum(progress.epochs_wanted.values()), sum(progress.epochs.values())
    bar = ProgressBar(total=max(1, wanted), completed=done)
    return Group(arms_table(progress), Text(text), bar)


def arms_table(progress: Progress) -> Any:
    """Return the arms so far: runs with a result, of all, and their mean final test accuracy."""
    arms: dict[str, list[str]] = {}
    for run in progress.runs:
        arms.setdefault(run.cell.arm, []).append(run.name)
    rows = []
    for arm, names in list(arms.items())[:MOST_ARMS]:
        values = [progress.accuracy[name] for name in names if name in progress.accuracy]
        mean = sum(values) / len(values) if values else None
        rows.append({"arm": arm, "n": f"{len(values)}/{len(names)}", "mean": mean})
    title = "" if len(arms) <= MOST_ARMS else f"The first {MOST_ARMS} of {len(arms)} arms"
    columns = {"arm": ("arm", ""), "n": ("n", ""), "mean": ("mean final test accuracy", ".4f")}
    return table_of(rows_in_words(rows), title, columns)
