"""The digits: from a source to verified tensors.

The names below are imported when they are first used, because they need torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hindi_bn.digits.dataset import Digits, load
    from hindi_bn.digits.fetching import fetch, resolve

__all__ = ["Digits", "fetch", "load", "resolve"]

_HOMES = {"Digits": "dataset", "load": "dataset", "fetch": "fetching", "resolve": "fetching"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
