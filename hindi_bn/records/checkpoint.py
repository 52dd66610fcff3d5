"""Where an unfinished run stands: tensors, and a state that names them with their sha256.

The state is written last and has a digest of its own. It names all that the run goes on with and
that lies outside of it: its settings in `run.yaml`, and what its recordings have written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindi_bn.files import read_sealed, refused, sha256_of, write_sealed
from hindi_bn.records.manifest import refuse_changed
from hindi_bn.records.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    import torch

STATE = "state.json"

BEFORE = {"tensors", "sha256", "rows", "settings"}
"""What a state held before it had a digest; such a run is resumed, too."""


@dataclass(frozen=True)
class Checkpoint:
    """Where an unfinished run stands."""

    tensors: dict[str, torch.Tensor]  # of the network and the optimiser, and the random state
    rows: list[dict[str, float]]  # of history.csv
    settings: dict[str, Any]  # what the run depends on; it is resumed only with equal ones
    files: Mapping[str, str] = field(default_factory=dict)  # sha256 by path in the run's folder


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write tensors, then the state that names them: a kill between leaves the older pair."""
    name = _tensors_of(checkpoint.rows)
    write_tensors(folder / name, checkpoint.tensors)
    write_sealed(folder / STATE, {
        "tensors": name,
        "sha256": sha256_of(folder / name),
        "rows": checkpoint.rows,
        "settings": checkpoint.settings,
        "files": dict(checkpoint.files),
    })  # fmt: skip
    for older in folder.glob("*.safetensors"):
        if older.name != name:
            older.unlink()


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint; RunError when it, or what it goes on with, is not as it was written."""
    again = "start this run again with --overwrite"
    mend = f"history.csv is untouched; put the checkpoint back from a copy, or {again}"
    with refused(f"The checkpoint in {folder.parent} is damaged.", mend):
        state = {"files": {}, **read_sealed(folder / STATE, BEFORE)}
        rows = list(state["rows"])
        name, epochs = _tensors_of(rows), [row["epoch"] for row in rows]
        if state["tensors"] != name or epochs != [*range(len(rows))]:
            raise ValueError(f"the rows in {STATE} are not those of its epochs")
        if sha256_of(folder / name) != state["sha256"]:
            raise ValueError(f"the sha256 of {name} is not the recorded one")
        found = Checkpoint(
            read_tensors(folder / name), rows, dict(state["settings"]), state["files"]
        )
    refuse_changed(folder.parent, found.files, "the run was saved", f"put it back, or {again}")
    return found


def _tensors_of(rows: list[dict[str, float]]) -> str:
    return f"epoch-{len(rows)}.safetensors"
