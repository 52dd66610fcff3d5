"""What a finished run's files were when it finished: `manifest.json`, written last.

It holds the number of epochs and the sha256 of every file that does not change any more. Not in it:
`log.txt`, which is added to, and what is drawn later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hindi_bn.files import read_sealed, refused, sha256_of, write_sealed

FILE = "manifest.json"

FILES = (
    "run.yaml", "history.csv", "environment.json", "weights.safetensors", "captures.csv",
)  # fmt: skip
"""What it lists, where it is there, beside files of recordings' own."""

MEND = "put it back from a copy, or train this run again with --overwrite"


@dataclass(frozen=True)
class Manifest:
    """Epochs of a finished run, and the sha256 of its files by their path in its folder."""

    epochs: int
    files: dict[str, str]


def write_manifest(folder: Path, epochs: int, more: Mapping[str, str]) -> None:
    """Write what the files of a run are now; `more` are the sha256 of others that are known."""
    write_sealed(folder / FILE, {"epochs": epochs, "files": {**digests_of(folder), **more}})


def digests_of(folder: Path) -> dict[str, str]:
    """Return the sha256 of those of `FILES` that a folder has."""
    return {name: sha256_of(folder / name) for name in FILES if (folder / name).exists()}


def read_manifest(folder: Path) -> Manifest | None:
    """Read a run's manifest; None when it has none, RunError when it is damaged."""
    file = folder / FILE
    if not file.exists():
        return None
    with refused(f"{file} is damaged.", MEND):
        return Manifest(**read_sealed(file))


def refuse_changed(folder: Path, files: Mapping[str, str], since: str, next_step: str) -> None:
    """Raise RunError unless each file, by its path in `folder`, has its sha256."""
    for name, digest in files.items():
        with refused(f"{folder / name} has changed since {since}.", next_step):
            if sha256_of(folder / name) != digest:
                raise ValueError("Its sha256 is not the one that was recorded.")
