"""What a run is known by: a digest of everything that its training depends on.

Only settings that differ from their defaults count, so that a setting that is new in a later
version of the program, at its default, leaves the keys of older runs as they were. Recordings do
not count: a run gives the same weights with them and without them.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from hindi_bn.engine import numerics_of
from hindi_bn.files import digest_of
from hindi_bn.study import Run, Study

DIGITS_OF_A_KEY = 20
"""Keys of 16 digits are those of before: recordings counted in them."""

CHOICES = ("name", "kind")
"""Keys that choose among kinds of settings; they count also where they are a default."""

NOT_COUNTED = {"name", "description", "stream", "data", "device", "threads", "runs", "numerics"}
"""Keys of a study that a run's numbers do not depend on, or that count in a way of their own."""


def settings_of(study: Study, run: Run, threads: int = 1) -> dict[str, Any]:
    """Return what the training of a run that restarts the rng depends on, as JSON can hold it.

    Numerics are those that train the run. `threads` count where they change bits: not for the
    engine. The data's digests are the rest.
    """
    numerics = numerics_of(study, run)
    counted = {k: v for k, v in significant(study).items() if k not in NOT_COUNTED}
    found = {
        **counted,
        "seed": study.seed,
        "numerics": numerics,
        "run": {k: v for k, v in significant(run).items() if k not in {"name", "recordings"}},
    }
    return found | ({"threads": threads} if threads != 1 and numerics != "engine" else {})


def key_of(settings: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Return the key of a run by its `settings_of` and the sha256 of its pixels: 20 hex digits."""
    return digest_of({"settings": dict(settings), "data": dict(digests)})[:DIGITS_OF_A_KEY]


def run_key(study: Study, run: Run, digests: Mapping[str, str]) -> str:
    """Return the key of a run that is trained on one thread; see `key_of`."""
    return key_of(settings_of(study, run), digests)


def recordings_of(run: Run) -> dict[str, Any]:
    """Return the settings of a run's recordings by kind, each a list."""
    found: dict[str, Any] = {}
    for recording in run.recordings:
        found.setdefault(recording.kind, []).append(significant(recording))
    return found


def folder_name(key: str, run: Run) -> str:
    """Return the name of a run's folder: its key, and a digest of its recordings if it has any."""
    recordings = recordings_of(run)
    return f"{key}-{digest_of(recordings)[:8]}" if recordings else key


def significant(settings: BaseModel) -> dict[str, Any]:
    """Return the settings that differ from their defaults, as what JSON can hold."""
    return {
        name: _plain(getattr(settings, name))
        for name, field in type(settings).model_fields.items()
        if name in CHOICES
        or getattr(settings, name) != field.get_default(call_default_factory=True)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return significant(value)
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
