"""The snippets of docs/api.md, run one after the other on tiny digits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_digits
from tiny_sweeps import Here

import hindi_bn
import hindi_bn.digits

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.mark.usefixtures("unrendered")
@pytest.mark.slow
def test_the_snippets_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())
    monkeypatch.setattr("hindi_bn.runners.local.LocalRunner.run", Here().run)
    monkeypatch.setattr("hindi_bn.sweeps.drawing.sweep_figures", lambda *_: {})
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save("three.png")
    text = PAGE.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for snippet in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(snippet, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert "no-bn" in printed
    assert "27 The momentum" in printed
    for written in ("compared/comparison.md", "compared/loss.svg", "figures/curves.png", "bn.svg"):
        assert Path(written).exists()


def test_every_function_stands_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in hindi_bn.__all__ if f"`{name}`" not in text] == []
