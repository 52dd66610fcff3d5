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
