"""The keys of 16 digits by which runs were known first: those of committed tables and old folders.

Recordings counted in them, and every run recorded a pair of weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from hindi_bn.engine import numerics_of
from hindi_bn.errors import StudyError
from hindi_bn.evidence.keys import significant
from hindi_bn.networks import build_run, weight_of
from hindi_bn.study import Run, Study


def old_key(study: Study, run: Run, digests: Mapping[str, str]) -> str:
    document = {
        "run": _settings(study, run),
        "seed": study.seed,
        "precision": study.precision,
        "arithmetic": numerics_of(study, run),
        "data": dict(digests),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _settings(study: Study, run: Run) -> dict[str, Any]:
    document = {k: v for k, v in significant(run).items() if k not in {"name", "recordings"}}
    pair = run.recorded_pair()
    if others := [significant(each) for each in run.recordings if each is not pair]:
        document["captures"] = others
    recorded = significant(pair) if pair else {}
    asked = {k: v for k, v in recorded.items() if k not in {"name", "kind"}}
    shape = {key: getattr(run, key) for key in ("network", "norm", "options", "placement")}
    if capture := asked or _pair_of_its_own(Run(name="run", **shape), study.image_size):
        document["capture"] = capture
    return document


@cache
def _pair_of_its_own(run: Run, image_size: int) -> Mapping[str, Any]:
    """The pair that a network without the usual one recorded, in its last convolution."""
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
