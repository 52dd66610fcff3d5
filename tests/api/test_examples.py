"""The examples in the API's docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import hindi_bn.api

MODULES = [module.name for module in pkgutil.iter_modules(hindi_bn.api.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"hindi_bn.api.{name}")
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0
