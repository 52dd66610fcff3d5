"""Sweeps from Python, trained in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sweeps import Here, load
from tiny_sweeps import sweep as made

import hindi_bn


def test_a_sweep_made_in_python_is_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hindi_bn.sweeps.drawing.sweep_figures", lambda *_: {})
    what, first, second = made(grid={"norm": ["none", "batch"]}, seeds=1), Here(), Here()
    written = hindi_bn.sweep(what, out=tmp_path, load=load, runner=first)
    assert list(written.result.runs["norm"]) == ["none", "batch"]
    assert (written.open, len(first.jobs)) == (0, 2)
    assert written.folder.is_relative_to(tmp_path)
    hindi_bn.sweep(what, out=tmp_path, load=load, runner=second)
    assert second.jobs == []
