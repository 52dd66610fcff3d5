"""Tables and text for the terminal, from the documents that are also printed as JSON."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hindi_bn.study.words import counted, rows_in_words

if TYPE_CHECKING:
    from rich.table import Table

    from hindi_bn.sweeps.estimate import Estimate

Parts = list["Table | str"]
SHORT = 18  # characters
WIDE = 80
"""Characters of a terminal from which on columns stand further apart."""


def show(parts: Iterable[Any]) -> None:
    """Print tables and text on stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for part in parts:
        console.print(part)
        if isinstance(part, Table):
            console.print()


def table_of(
    rows: Sequence[Mapping[str, Any]], title: str, columns: Mapping[str, tuple[str, str]]
) -> Table:
    """Return a table of the given keys of each row.

    Args:
        columns: Key of a row -> heading and format of its column, in order.
    """
    from rich import box
    from rich.table import Table

    wide = shutil.get_terminal_size().columns >= WIDE
    table = Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold",
        padding=(0, int(wide), 0, 0), pad_edge=False, show_edge=False,
    )  # fmt: skip
    texts = [
        ["" if row[key] is None else format(row[key], spec) for key, (_, spec) in columns.items()]
        for row in rows
    ]
    for place, (key, (heading, _)) in enumerate(columns.items()):
        numeric = any(isinstance(row.get(key), int | float) for row in rows)
        longest = max((len(line[place]) for line in texts), default=0)
        whole = numeric or longest <= SHORT  # is never broken
        word = max((len(word) for line in texts for word in line[place].split()), default=0)
        table.add_column(
            heading, justify="right" if numeric else "left", overflow="fold",
            min_width=longest if whole else min(word, SHORT),  # nor is a word
            no_wrap=whole and len(heading) <= longest + 2,
        )  # fmt: skip
    for line in texts:
        table.add_row(*line)
    return table


def plan_tables(found: Estimate) -> Parts:
    """Return what a dry run prints: the arms, and the estimated time."""
    rows = [
        vars(arm) | {"seeds": _seeds(arm.seeds), "todo": arm.runs - arm.done} for arm in found.arms
    ]
    columns = {
        "arm": ("arm", ""), "seeds": ("seeds", ""), "done": ("done", "d"), "todo": ("to do", "d"),
        "seconds_per_epoch": ("s per epoch", ".2f"),
    }  # fmt: skip
    if any(arm.refused for arm in found.arms):
        columns["refused"] = ("cannot be trained", "")
    table = table_of(rows_in_words(rows), "What would be trained", columns)
    if not found.todo:
        return [table, "Nothing is left to train."]
    workers = "1 run at a time" if found.workers == 1 else f"{found.workers} runs side by side"
    text = (
        f"{counted(found.todo, 'run')} to train, {counted(found.epochs_left, 'epoch')}: about "
        f"{duration(found.seconds)} with {workers}, "
        f"{found.seconds * found.workers / 60:.0f} core-minutes in all. "
        "This is an estimate from a few measured steps of each network; nothing was written."
    )
    return [table, text]


def _seeds(seeds: Sequence[int]) -> str:
    """Write seeds, a range when they count up."""
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def duration(seconds: float | None) -> str:
    """Write a duration in its two largest units; empty for None."""
    if seconds is None:
        return ""
    minutes, over = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {over} s" if minutes else f"{over} s"
