"""What a run of a sweep is known by."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from tiny import tiny_study

from hindi_bn.study import Study
from hindi_bn.sweeps.keys import run_key

DIGESTS = {"train": "a", "test": "b"}


def key(name: str = "bn", digests: dict[str, str] = DIGESTS, **changes: Any) -> str:
    study: Study = tiny_study(stream="paired", **changes)
    return run_key(study, study.run(name), digests)


def test_a_key_is_the_digest_of_what_is_not_a_default() -> None:
    """Written out by hand: epochs differ from the default, and the captured weights' layer."""
    document = {
        "arithmetic": "exact",
        "data": DIGESTS,
        "precision": "float32",
        "run": {"capture": {"layer": "6"}, "epochs": 2, "norm": {"name": "batch"}},
        "seed": 5842,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert key() == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1}, {"lr": 0.01}, {"epochs": 3}, {"norm": "layer"}, {"norm__momentum": 0.2},
        {"numerics": "fast"}, {"numerics": "engine"}, {"precision": "bf16"},
        {"scaling": "half"}, {"init": "xavier"},
        {"init": {"name": "normal", "std": 0.1}}, {"recordings": ["losses"]},
        {"recordings": ["gradients"]}, {"options__pooling": "avg"}, {"digests": {"train": "c"}},
    ],
)  # fmt: skip
def test_whatever_moves_the_numbers_changes_the_key(changes: dict[str, Any]) -> None:
    if "norm__momentum" in changes:
        changes = {"runs__bn__norm__momentum": 0.2}
    assert key(**changes) != key()


@pytest.mark.parametrize("changes", [{"threads": 2}, {"device": "auto"}, {"description": "other"}])
def test_what_does_not_leaves_it_alone(changes: dict[str, Any]) -> None:
    assert key(**changes) == key()


def test_auto_has_the_key_of_what_trains_it() -> None:
    assert key(numerics="auto") == key(numerics="engine")
    assert key(numerics="auto", optimizer="adam") == key(numerics="fast", optimizer="adam")


def test_a_default_counts_the_same_written_out_or_not() -> None:
    assert key(lr=0.001, init="default", norm="batch") == key(norm="batch")
