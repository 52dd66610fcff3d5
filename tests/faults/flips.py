"""Flipped bits: in every file of a run, a checkpoint, the cache, an archive and the evidence."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from faults.children import Ended, command
from faults.moments import killed_at
from faults.tries import Try, refused_or_same, same
from faults.workplace import Workplace

PREDICT = ["predict", "picture.png", "--run", "results/one/bn", "--json"]
AGAIN = ["train", "--config", "one.yaml", "--resume", "-q"]


@dataclass(frozen=True)
class Place:
    """Files that can be damaged, and the commands that read them.

    `before` gives the folder as it stands. What a reader writes is held against what it writes of
    the intact files.
    """

    name: str
    before: Callable[[Workplace], Path]
    files: str  # a pattern
    readers: Sequence[Sequence[str]]


def _after(name: str) -> Callable[[Workplace], Path]:
    return lambda place: place.root / "after" / name


PLACES = (
    Place("finished run", _after("train"), "results/one/bn/**/*",
          [PREDICT, AGAIN, ["runs", "show", "results/one/bn", "--json"],
           ["runs", "verify", "results/one/bn"],
           ["evidence", "add", "results/one/bn", "--json"]]),
    Place("runs that are compared", _after("reproduce"), "results/pair/*bn/**/*",
          [["compare", "--config", "pair.yaml", "-q"],
           ["reproduce", "--config", "pair.yaml", "-q"]]),
    Place("checkpoint", lambda place: place.root / "unfinished", "results/one/bn/**/*", [AGAIN]),
    Place("digits' cache", _after("train"), "data/*.safetensors",
          [["train", "--config", "one.yaml", "--out", "anew", "-q"], ["data", "--json"]]),
    Place("digits' images", _after("train"), "data/digits/**/*",
          [["train", "--config", "one.yaml", "--out", "anew", "-q"]]),
    Place("archive, zip", _after("train"), "digits.zip",
          [["download", "digits.zip", "--data-dir", "anew", "-q"]]),
    Place("archive, tar", _after("train"), "digits.tar.gz",
          [["download", "digits.tar.gz", "--data-dir", "anew", "-q"]]),
    Place("evidence", _after("evidence"), "results/evidence/*",
          [["evidence", "verify"], ["sweep", "s.yaml", "--workers", "1", "-q", "--out", "anew",
                                    "--evidence", "results/evidence"]]),
)  # fmt: skip
"""Readers are given by turns; what they leave is compared with what they leave of intact files."""


def leave_unfinished(place: Workplace) -> None:
    """Kill a run after its first epoch, for `checkpoint`."""
    made = place.commands["train"]
    number = 2 * made.moments[0] // 3
    with place.folder(made.before) as folder:
        made.run(folder, killed_at(number))
        folder.rename(place.root / "unfinished")
    states = list((place.root / "unfinished/results/one/bn/checkpoint").glob("state.json"))
    assert states, "the run was not killed between its epochs"


def flips(seed: int) -> Iterator[Try]:
    """A flipped bit in each place by turns, without end."""
    expected: dict[tuple[str, int], tuple[Ended, dict[str, str]]] = {}
    number = 0
    while True:
        for where in PLACES:
            which = number % len(where.readers)
            carry_out = functools.partial(_flip, where, which, f"{seed}-{number}", expected)
            yield Try("flipped bit", where.name, carry_out)
        number += 1


def _flip(where: Place, which: int, seed: str, known: dict, place: Workplace, _: Random) -> str:
    random, reader = Random(f"{seed}-{where.name}"), where.readers[which]
    if (where.name, which) not in known:
        with place.folder(where.before(place)) as folder:
            known[where.name, which] = read(reader, folder)
    expected, after = known[where.name, which]
    with place.folder(where.before(place)) as folder:
        file = random.choice(sorted(f for f in folder.glob(where.files) if _counts(f)))
        bit = random.randrange(8 * file.stat().st_size)
        flip(file, bit)
        name, damaged = str(file.relative_to(folder)), file.read_bytes()
        ended = command(reader, folder)
        found = refused_or_same(_timeless(reader, ended), _timeless(reader, expected))
        if not found and ended.done:
            if file.exists() and file.read_bytes() == damaged:  # not mended, as it need not be
                flip(file, bit)
            found = same(after, folder)
    return found and f"{name}, bit {bit}, `{' '.join(reader[:2])}`: {found}"


def _timeless(reader: Sequence[str], ended: Ended) -> Ended:
    """What trains says how long it took; what it wrote is compared in any case."""
    return ended if "--json" in reader or "verify" in reader else replace(ended, out="")


def read(reader: Sequence[str], folder: Path) -> tuple[Ended, dict[str, str]]:
    from faults.trees import tree_of

    ended = command(reader, folder)
    assert ended.done, f"{reader} does not read the intact files: {ended.told}"
    return ended, tree_of(folder)


def _counts(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0 and file.suffix != ".lock"


def flip(file: Path, bit: int) -> None:
    """Flip a bit in place; the file's times stay, as on a disk that errs."""
    times = file.stat()
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
