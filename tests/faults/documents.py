"""YAML, JSON, CSV and headers that are not what they should be."""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

Make = Callable[[Path, Random], Sequence[str]]

RUNS = "runs: [{name: bn, norm: batch}]\n"
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(f'*{old}' for _ in range(9))}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

TEXTS = {
    "nothing": "", "null": "null\n", "a number": "5\n", "a list": "[1, 2]\n", "a word": "word\n",
    "two documents": f"name: a\n{RUNS}---\nname: b\n",
    "a tab": f"name: a\n\t{RUNS}", "no end": "name: [a, b\n", "a quote": 'name: "a\n',
    "nested 20,000 deep": "name: " + "[" * 20_000,
    "maps 5,000 deep": "".join(f"{' ' * n}a:\n" for n in range(2_000)),
    "aliases that grow": ALIASES, "an alias of itself": "name: a\nruns: &a [*a]\n",
    "a Python object": "name: !!python/object/apply:os.system ['touch hacked']\n",
    "an unknown tag": "name: !secret a\n", "a merge": f"<<: 5\n{RUNS}",
    "an unknown key": f"name: a\nlearning_rate: 1\n{RUNS}",
    "a control character": "name: \x00\x07\n", "a key twice": f"name: a\nname: 5\nlr: [1]\n{RUNS}",
    "a key that is no text": f"? [1, 2]\n: 5\n{RUNS}",
    "an escape in a name": f'name: "\\e[2Jx"\n{RUNS}',
    "a name that leads out": f"name: ../../x\n{RUNS}",
    "an empty name": f"name: ''\n{RUNS}", "a device's name": f"name: a/b\n{RUNS}",
    "runs without a name": "name: a\nruns: [{norm: batch}]\n",
    "the same run twice": "name: a\nruns: [{name: b}, {name: b}]\n",
    "a run called comparison": "name: a\nruns: [{name: comparison}]\n",
    "runs that are a text": "name: a\nruns: bn\n", "no runs": "name: a\nruns: []\n",
    "a million runs": "name: a\nruns: [" + "{name: a}," * 20_000 + "]\n",
}  # fmt: skip

VALUES = {
    "lr": ("-1", "0", "nan", ".nan", ".inf", "1e999", "fast", "[1]", "{}", "null"),
    "epochs": ("-1", "1.5", "1e22", "99999999999999999999999", "true", "''", "0x"),
    "batch_size": ("0", "-5", "1e22", "many"), "seed": ("-1", "1.5", "1e40", "0b2", "x"),
    "network": ("nothing", "os:system", "../x", "a:b:c", "5"), "norm": ("nothing", "5", "[batch]"),
    "threads": ("0", "-1", "1e9"), "device": ("tpu", "cuda:99"), "data": ("../x", "nothing"),
    "recordings": ("5", "[nothing]", "[{kind: gradients, every: 0}]"),
    "runs.bn.lr": ("x",), "runs.nobody.lr": ("1",), ".": ("1",), "a.b.c.d": ("1",), "": ("1",),
    ".".join("a" * 3_000): ("1",),
}  # fmt: skip


def _checked(text: str, folder: Path, random: Random) -> Sequence[str]:
    (folder / "hostile.yaml").write_text(text)
    return ["train", "--config", "hostile.yaml", "--out", "anew", "-q"]


def _bytes(folder: Path, random: Random) -> Sequence[str]:
    (folder / "hostile.yaml").write_bytes(random.randbytes(300))
    return ["train", "--config", "hostile.yaml", "--out", "anew", "-q"]


def _set(key: str, value: str, folder: Path, random: Random) -> Sequence[str]:
    return ["train", "--config", "one.yaml", "--set", f"{key}={value}", "--out", "anew", "-q"]


YAML: dict[str, Make] = {name: functools.partial(_checked, text) for name, text in TEXTS.items()}
YAML |= {f"noise ({turn})": _bytes for turn in range(4)}
SETTINGS: dict[str, Make] = {
    f"{key[:20]}={value}": functools.partial(_set, key, value)
    for key, values in VALUES.items() for value in values
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """A file of a finished run or of the data that is written anew, and what reads it."""

    file: str
    reader: Sequence[str]
    header: bool = False  # of a safetensors file: its JSON alone is changed

    def change(self, folder: Path, random: Random) -> str:
        """Change the file; says what was done."""
        path = folder / self.file
        data = path.read_bytes()
        if self.header:
            (length,) = struct.unpack("<Q", data[:8])
            name, head = _mutated(data[8 : 8 + length], random)
            size = random.choice((len(head), len(head), 0, 2**63, length + 1))
            data = struct.pack("<Q", size) + head + data[8 + length :]
            name += f", its length {size}"
        else:
            name, data = _mutated(data, random)
        path.write_bytes(data)
        return f"{path.name}: {name}"


def _mutated(data: bytes, random: Random) -> tuple[str, bytes]:
    """Text with one of its numbers, words, lines or brackets changed, doubled or lost."""
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?(e-?\d+)?", data))
    lines = data.splitlines(keepends=True)
    kind = random.choice(("number", "line lost", "line twice", "cut", "bracket", "bytes", "empty"))
    if kind == "number" and numbers:
        found = random.choice(numbers)
        value = random.choice((b"-1", b"NaN", b"Infinity", b"1e999", b"9" * 400, b"[]", b'"x"'))
        return f"{found[0][:9]!r} becomes {value[:9]!r}", data[: found.start()] + value + data[
            found.end() :
        ]
    if kind.startswith("line") and lines:
        place = random.randrange(len(lines))
        lines[place : place + 1] = [] if kind == "line lost" else 2 * [lines[place]]
        return f"{kind} ({place})", b"".join(lines)
    if kind == "bracket":
        return kind, data.replace(random.choice((b"{", b"}", b"[", b",", b'"', b":")), b"", 1)
    if kind == "bytes":
        place = random.randrange(len(data))
        return kind, data[:place] + random.randbytes(4) + data[place + 4 :]
    return ("empty", b"") if kind == "empty" else ("cut", data[: random.randrange(len(data))])


_RUN = "results/one/bn"
_SHOWN = ["runs", "show", _RUN, "--json"]
_TOLD = ["predict", "picture.png", "--run", _RUN, "--json"]

MUTATED = {
    "run.yaml": Mutation(f"{_RUN}/run.yaml", _SHOWN),
    "environment.json": Mutation(f"{_RUN}/environment.json", _SHOWN),
    "history.csv": Mutation(f"{_RUN}/history.csv", _SHOWN),
    "captures.csv": Mutation(f"{_RUN}/captures.csv", ["plot", "gradients", _RUN, "-q"]),
    "header of the weights": Mutation(f"{_RUN}/weights.safetensors", _TOLD, header=True),
    "header of the cache": Mutation("data/digits.safetensors", ["data", "--json"], header=True),
    "source.json": Mutation("data/digits/source.json", ["data", "--json"]),
}  # fmt: skip
