"""A try of the campaign, and what it means that it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from faults.children import Ended
from faults.trees import Tree, differences, tree_of
from faults.workplace import Workplace

MEMORY = 100 * 2**20
"""Bytes that a command may take above what it takes undisturbed, when its input is hostile."""


@dataclass(frozen=True)
class Try:
    """One fault at one place. `carry_out` says what is wrong afterwards, nothing if it holds.

    It gives None where the fault did not come about, as when a command was over before its moment.
    """

    fault: str
    place: str
    carry_out: Callable[[Workplace, Random], str | None]
    seconds: float = 1.0  # that its command takes undisturbed


def same(expected: Tree, folder: Path) -> str:
    """What differs in a folder from what it should hold; nothing if it holds."""
    return differences(expected, tree_of(folder))


CACHE = "data/digits.safetensors"


def lacking(expected: Tree, folder: Path) -> str:
    """What is lost or differs; files that could not be removed may be left for the next start.

    The digits' cache is what a command goes on without.
    """
    found = tree_of(folder)
    needed = {name: tree for name, tree in expected.items() if name != CACHE or name in found}
    return differences(needed, {name: found[name] for name in needed.keys() & found.keys()})


def refused_or_same(ended: Ended, expected: Ended) -> str:
    """Whether a reader said one message, or just what it says of the intact files."""
    if ended.broken or ended.code == 1:
        return ended.broken
    if (ended.code, ended.out) == (expected.code, expected.out):
        return ""
    return f"another answer without a word: {ended.out[-200:]!r}"


def refused(ended: Ended, peak: int) -> str:
    """Whether hostile input was refused: one message, exit code 1 or 2, in bounded memory."""
    if ended.done:
        return f"taken: {ended.out[-200:]!r}"
    if ended.peak > peak + MEMORY:
        return f"{(ended.peak - peak) >> 20} MB more than undisturbed"
    return ended.broken
