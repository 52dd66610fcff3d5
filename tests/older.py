"""Run folders as versions of before left them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def without_manifest(folder: Path) -> Path:
    """Leave a finished run as it was before there were manifests; return its folder."""
    (folder / "manifest.json").unlink()
    return folder


def as_unfinished(folder: Path) -> None:
    """Take from a finished run what a kill would not have let it write."""
    (without_manifest(folder) / "weights.safetensors").unlink()


def with_older_state(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Leave an unfinished run's state as it was before it had a digest, and change it."""
    file = folder / "checkpoint" / "state.json"
    state = json.loads(file.read_text())
    del state["digest"], state["files"]
    change(state)
    file.write_text(json.dumps(state))
