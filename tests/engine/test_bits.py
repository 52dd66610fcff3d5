"""The engine's promise: the same bits by any number of lanes and threads, and as WebAssembly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine.drivers import WasmLearner, batches, digest, learner_of, network_of, run_of

from hindi_bn.engine.library import variants
from hindi_bn.study import Run

GOLDEN = Path(__file__).with_name("golden.json")
"""The sha256 after fifty steps; `python tests/engine/test_bits.py` writes them anew."""
NORMS = {
    "none": {},
    "batch": {"norm": "batch"},
    "batch-after": {"norm": "batch", "placement": "after"},
    "batch-plain": {"norm": {"name": "batch", "affine": False, "momentum": 0.3}},
    "layer": {"norm": "layer"},
    "instance": {"norm": "instance", "placement": "after"},
    "group": {"norm": {"name": "group", "groups": 4}},
    "average": {"norm": "batch", "options__pooling": "avg"},
}
CASES = {
    f"{network}, {name}": {"network": network, **settings, "momentum": momentum}
    for network, momentum in (("three_convs", 0.9), ("one_conv", 0.0))
    for name, settings in NORMS.items()
}
SIZES = [3] * 45 + [9] * 4 + [5]  # some groups have no image, some two; the last batch is smaller


def case(name: str) -> Run:
    return run_of(**{"norm": "none", **CASES[name], "lr": 0.02, "batch_size": 9})


def trained(name: str, *, lanes: int = 0, threads: int = 1, wasm: bool = False) -> list[Any]:
    """The weights' sha256 after fifty steps, the last loss and its right answers."""
    run = case(name)
    network = network_of(run)
    native = None if wasm else learner_of(run, network, threads=threads, lanes=lanes)
    learner = native or WasmLearner(run, network)
    for images, labels in batches(SIZES):
        loss, right = learner.step(images, labels)
    if isinstance(learner, WasmLearner):
        learner.give_back()
    return [digest(network), loss, right]


@pytest.mark.parametrize("name", CASES)
def test_every_number_of_lanes_and_the_browser_give_the_golden_bits(name: str) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[name]
    assert {lanes: trained(name, lanes=lanes) for lanes in variants()} == dict.fromkeys(
        variants(), golden
    )
    assert trained(name, wasm=True) == golden


@pytest.mark.parametrize(
    ("name", "threads"),
    [
        *(("three_convs, batch", threads) for threads in range(2, 9)),
        *(
            (name, threads)
            for name in ("three_convs, none", "one_conv, group")
            for threads in (2, 8)
        ),
    ],
)
def test_any_number_of_threads_gives_the_golden_bits(name: str, threads: int) -> None:
    assert trained(name, threads=threads) == json.loads(GOLDEN.read_text(encoding="utf-8"))[name]


def test_other_weights_have_another_digest() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert len({entry[0] for entry in golden.values()}) == len(CASES)


if __name__ == "__main__":
    lines = (f'  "{name}": {json.dumps(trained(name))}' for name in CASES)
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
