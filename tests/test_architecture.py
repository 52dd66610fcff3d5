"""Imports run one way: a room of the package imports only from rooms that stand before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hindi_bn"
ROOMS = (
    "errors", "files", "registry", "environment", "study", "digits", "networks", "engine",
    "records", "training", "runners", "stats", "curvature", "measures", "landscape", "evidence",
    "figures", "plots", "exports", "trackers", "article", "sweeps", "claims", "explain", "bench",
    "page", "api", "cli",
)  # fmt: skip
"""In the order of docs/architecture.md."""


def room_of(module: str) -> str:
    return module.split(".")[1]


def imported(tree: ast.Module) -> Iterator[str]:
    """The package's modules that a file imports anywhere, names of the package itself aside."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("hindi_bn."))
        elif isinstance(node, ast.ImportFrom) and node.module == "hindi_bn":
            yield from (f"hindi_bn.{a.name}" for a in node.names if a.name in ROOMS)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("hindi_bn."):
            yield str(node.module)


def test_every_room_has_its_place() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert there - {"__init__", "__main__", "__pycache__", "py"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_from_one_that_stands_after_it(room: str) -> None:
    files = sorted((PACKAGE / room).rglob("*.py")) or [PACKAGE / f"{room}.py"]
    for file in files:
        for module in imported(ast.parse(file.read_text(encoding="utf-8"))):
            assert ROOMS.index(room_of(module)) <= ROOMS.index(room), (file.name, module)
