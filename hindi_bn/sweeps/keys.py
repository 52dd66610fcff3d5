"""What a run of a sweep is known by: a digest of everything that its numbers depend on.

Only settings that differ from their defaults count, so that a setting that is new in a later
version of the program, at its default, leaves the keys of older runs as they were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from hindi_bn.study import Run, Study

DIGITS_OF_A_KEY = 16
CHOICES = ("name", "kind")
"""Keys that choose among kinds of settings; they count also where they are a default."""


def run_key(study: Study, run: Run, digests: Mapping[str, str]) -> str:
    """Return the key of a run that restarts the random stream from its study's seed.

    Parameters
    ----------
    study
        Gives seed, precision and numerics; its name, device and threads do not count.
    run
        Its name does not count.
    digests
        sha256 of the pixels of each split.

    Returns
    -------
    16 hexadecimal digits.
    """
    document = {
        "run": {k: v for k, v in significant(run).items() if k != "name"},
        "seed": study.seed,
        "precision": study.precision,
        "arithmetic": study.numerics,  # its name when the first keys were made
        "data": dict(digests),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS_OF_A_KEY]


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
