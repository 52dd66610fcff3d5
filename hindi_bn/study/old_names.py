"""Keys and values that had another name in the version before; they still work for one release.

What a study file or --set says by an old name is read under today's; whoever wrote it gets a note.
"""

import functools
import logging
from collections.abc import Mapping
from typing import Any

# Today's names, by the old ones.
KEYS = {"arithmetic": "numerics", "captures": "recordings"}  # of a study or a run
CLAIM_KEYS = {"outcome": "metric"}
VALUES: Mapping[str, Mapping[str, str]] = {"data": {"drawn": "stand-in"}}  # by their key
STUDIES = {"captures": "recordings"}
PAIR = "capture"  # old key of two sample weights, which are now a recording of the kind `pair`


def with_new_names(settings: Mapping[str, Any], *, note: bool = False) -> dict[str, Any]:
    """Return a study's or run's mapping with today's names; `note` tells who wrote old ones."""
    renamed = {}
    for old, value in settings.items():
        key = new_key(old, note=note)
        renamed[PAIR if old == PAIR else key] = new_value(key, value, note=note)
    if isinstance(runs := renamed.get("runs"), list):
        renamed["runs"] = [
            with_new_names(run, note=note) if isinstance(run, dict) else run for run in runs
        ]
    return renamed


def from_record(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run of the version before recorded of a study or a run, as it is today."""
    renamed = pair_recorded(with_new_names(settings))
    if isinstance(runs := renamed.get("runs"), list):
        renamed["runs"] = [pair_recorded(run) if isinstance(run, dict) else run for run in runs]
    return renamed


def new_key(key: str, *, note: bool = False) -> str:
    """Return today's name of a dotted key: `arithmetic`, `runs.bn.captures.0.every`."""
    parts = key.split(".")
    place = 2 if parts[0] == "runs" and len(parts) > 2 else 0  # noqa: PLR2004
    old = parts[place]
    parts[place] = KEYS.get(old, old)
    if note and old in KEYS:
        _note(f"The key {old} is now called {KEYS[old]}")
    if old == PAIR:
        parts[place] = "recordings.pair"
        if note:
            _note("The key capture is now a recording, recordings: [{kind: pair}]")
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


def new_study(config: str) -> str:
    """Return today's name of a study that comes along; others as they are."""
    if config in STUDIES:
        _note(f"The study {config} is now called {STUDIES[config]}")
    return STUDIES.get(config, config)


def pair_recorded(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's mapping with what stood under `capture` as the first of its recordings."""
    others = run.get("recordings") or []
    if PAIR not in run or not isinstance(others, list | tuple):
        return {key: value for key, value in run.items() if key != PAIR}
    old = run[PAIR]
    pair = {"kind": "pair", **old} if isinstance(old, dict) else old
    rest = [entry for entry in others if not _is_pair(entry)]
    return {k: v for k, v in run.items() if k != PAIR} | {"recordings": [pair, *rest]}


def pair_aside(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's mapping with its recorded pair under `capture`, where old keys reach it."""
    entries = run.get("recordings")
    for entry in entries if isinstance(entries, list) else []:
        if _is_pair(entry):
            return {**run, PAIR: {k: v for k, v in dict(entry).items() if k != "kind"}}
    return dict(run)


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("kind") == "pair"


@functools.cache  # each note once
def _note(text: str) -> None:
    """Log a note; the command line prints it as its own ones, a notebook shows it as a warning."""
    logging.getLogger("hindi_bn").warning("%s; the old name works for one more release.", text)
