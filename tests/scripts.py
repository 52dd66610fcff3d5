"""Scripts that tests start as processes of their own, and that use the tests' own modules."""

from __future__ import annotations

import os
from pathlib import Path


def importing(test: str, **variables: str) -> dict[str, str]:
    """The environment in which a script can import a test's file (`__file__`) and the helpers."""
    folders = [str(Path(__file__).parent), str(Path(test).parent)]
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(folders + ([known] if known else []))
    return {**os.environ, "PYTHONPATH": path, **variables}


def stat_of(process: int | str) -> list[str]:
    """What /proc tells of a process: state, parent, group, session; nothing when it is gone."""
    try:
        return Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def running(process: int | str) -> bool:
    """Whether a process is there; one that ended and that nobody has asked about is not."""
    return stat_of(process)[:1] not in ([], ["Z"])
