"""Keys and values that had another name in the version before; they still work for one release."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any

KEYS = {"arithmetic": "numerics"}
"""Today's name of a key of a study or a run."""

CLAIM_KEYS = {"outcome": "metric"}
"""Today's name of a key of a claim's file."""

VALUES: Mapping[str, Mapping[str, str]] = {"data": {"drawn": "stand-in"}}
"""Today's name of a value, by its key."""


def with_new_names(settings: Mapping[str, Any], *, note: bool = False) -> dict[str, Any]:
    """Return a study's or run's mapping with today's names, those of the study's runs too.

    Parameters
    ----------
    note
        Whether to tell the person at the terminal, who wrote the old names: once for each.
    """
    renamed = {new_key(k, note=note): new_value(k, v, note=note) for k, v in settings.items()}
    if isinstance(runs := renamed.get("runs"), list):
        renamed["runs"] = [
            with_new_names(run, note=note) if isinstance(run, dict) else run for run in runs
        ]
    return renamed


def new_key(key: str, *, note: bool = False) -> str:
    """Return today's name of a dotted key: `arithmetic`, `runs.bn.captures.0.every`."""
    parts = key.split(".")
    place = 2 if parts[0] == "runs" and len(parts) > 2 else 0  # noqa: PLR2004
    old = parts[place]
    parts[place] = KEYS.get(old, old)
    if note and old in KEYS:
        _note(f"The key {old} is now called {KEYS[old]}")
    return ".".join(parts)


def new_value(key: str, value: Any, *, note: bool = False) -> Any:
    """Return today's name of the value of a dotted key; other values as they are."""
    names = VALUES.get(key.rpartition(".")[2], {})
    if not isinstance(value, str) or value not in names:
        return value
    if note:
        _note(f"{key}: {value} is now written {key}: {names[value]}")
    return names[value]


def old_values(key: str, value: str) -> list[str]:
    """Return the names that a value had before."""
    return [old for old, new in VALUES.get(key, {}).items() if new == value]


def new_claim_key(key: str) -> str:
    """Return today's name of a key of a claim's file, with a note for an old one."""
    if key in CLAIM_KEYS:
        _note(f"The key {key} of claims is now called {CLAIM_KEYS[key]}")
    return CLAIM_KEYS.get(key, key)


@functools.cache  # each note once
def _note(text: str) -> None:
    """Log a note; the command line prints it as its own ones, a notebook shows it as a warning."""
    logging.getLogger("hindi_bn").warning("%s; the old name works for one more release.", text)
