"""Hostile inputs: refused with one message, in bounded memory, the folder as before."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from faults import archives, documents, pictures, servers
from faults.children import command
from faults.trees import tree_of
from faults.tries import MEMORY, Try, refused, same
from faults.workplace import Workplace

EACH = 8  # of every kind that draws something

Make = Callable[[Path, Random], Sequence[str]]
"""Writes something hostile into a folder, and gives the command that is to read it."""


def inputs() -> Iterator[Try]:
    """Every kind of hostile input, those that draw something several times."""
    for place, kinds in (("archive", archives.KINDS), ("picture", pictures.KINDS),
                         ("YAML file", documents.YAML), ("--set", documents.SETTINGS)):  # fmt: skip
        for name, make in kinds.items():
            yield Try("hostile input", place, functools.partial(_hostile, name, make))
    for place, mutate in documents.MUTATED.items():
        for _ in range(EACH):
            yield Try("mutated file", place, functools.partial(_mutated, mutate))
    for name in servers.ANSWERS:
        yield Try("lying or slow server", "download", functools.partial(_served, name))


def _hostile(name: str, make: Make, place: Workplace, random: Random) -> str:
    peak = max(each.peak for each in place.commands.values())
    with place.folder(place.root / "after" / "train") as folder:
        arguments = make(folder, random)
        before = tree_of(folder)
        ended = command(arguments, folder)
        found = refused(ended, peak) or same(before, folder)
    return found and f"{name}: {found}"


def _mutated(mutate: documents.Mutation, place: Workplace, random: Random) -> str:
    """A file that is changed in some way is refused, or read to the same end."""
    arguments = mutate.reader
    with place.folder(place.root / "after" / "train") as folder:
        expected = command(arguments, folder)
    with place.folder(place.root / "after" / "train") as folder:
        what = mutate.change(folder, random)
        ended = command(arguments, folder)
    if ended.peak > expected.peak + MEMORY:
        return f"{what}: {(ended.peak - expected.peak) >> 20} MB more than undisturbed"
    answered = ended.done and ended.out != expected.out
    return f"{what}: another answer without a word" if answered else ended.broken and (
        f"{what}: {ended.broken}"
    )  # fmt: skip


def _served(name: str, place: Workplace, random: Random) -> str:
    made = place.commands["download from a server"]
    with place.folder(made.before) as folder:
        before = tree_of(folder)
        address = {"HINDI_BN_UCI_URL": f"{place.server}/{name.replace(' ', '%20')}"}
        ended = command(made.arguments, folder, **address)
        after = {k: v for k, v in tree_of(folder).items() if not k.startswith("data/.")}
        found = refused(ended, made.peak)
        found = found or ("" if after in (before, before | {"data/": ""}) else "files are left")
    return found and f"{name}: {found}"
