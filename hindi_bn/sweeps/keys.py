"""What a run of a sweep is known by: a digest of everything that its numbers depend on.

Only settings that differ from their defaults count, so that a setting that is new in a later
version of the program, at its default, leaves the keys of older runs as they were.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from hindi_bn.engine import numerics_of
from hindi_bn.errors import StudyError
from hindi_bn.networks import build_run, weight_of
from hindi_bn.study import Run, Study

DIGITS_OF_A_KEY = 16
CHOICES = ("name", "kind")
"""Keys that choose among kinds of settings; they count also where they are a default."""


def run_key(study: Study, run: Run, digests: Mapping[str, str]) -> str:
    """Return the key of a run that restarts the rng from its study's seed: 16 hex digits.

    The study gives seed, precision and numerics; the names of both, device and threads do not
    count. `digests` are the sha256 of the pixels of each split.
    """
    document = {
        "run": _run_document(study, run),
        "seed": study.seed,
        "precision": study.precision,
        "arithmetic": numerics_of(study, run),  # its name when the first keys were made
        "data": dict(digests),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS_OF_A_KEY]


def _run_document(study: Study, run: Run) -> dict[str, Any]:
    """Return a run's settings in the words of the first keys, so that these stay as they were.

    Every run recorded two weights then: what is now the recording `pair` was `capture`, and a run
    whose network lacks the usual two had a pair in the middle of its last convolution instead.
    """
    document = {k: v for k, v in significant(run).items() if k not in {"name", "recordings"}}
    pair = run.recorded_pair()
    if others := [each for each in run.recordings if each is not pair]:
        document["captures"] = _plain(others)
    asked = {k: v for k, v in significant(pair).items() if k not in CHOICES} if pair else {}
    shape = {key: getattr(run, key) for key in ("network", "norm", "options", "placement")}
    if capture := asked or _pair_of_its_own(Run(name="run", **shape), study.image_size):
        document["capture"] = capture
    return document


@cache
def _pair_of_its_own(run: Run, image_size: int) -> Mapping[str, Any]:
    """Return the pair that a run without the usual one recorded; nothing where it has that one.

    The network is built without memory and without drawing its weights. Where it cannot be built,
    there is nothing to record.
    """
    try:
        with torch.device("meta"):
            built = build_run(run, image_size)
    except StudyError:
        return {}
    found = {name: (m, weight_of(m)) for name, m in built.named_modules() if name}
    shapes = {name: tuple(w.shape) for name, (_, w) in found.items() if w is not None}
    convolutions = [name for name in shapes if isinstance(found[name][0], nn.Conv2d)]
    layer = convolutions[-1] if convolutions else next(iter(shapes))
    if convolutions and all(i < n for i, n in zip((3, 8, 1, 0), shapes[layer], strict=True)):
        return {}
    first, *rest = (size // 2 for size in shapes[layer])
    return {"layer": layer, "wx": [first, *rest], "wy": [0, *rest]}


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
