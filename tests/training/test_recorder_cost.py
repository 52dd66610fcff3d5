"""What recordings cost: CPU time of an epoch with them over one without, measured in turns.

`python -m pytest -m slow -s tests/training/test_recorder_cost.py` prints the table of
docs/recordings.md.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_digits, tiny_study

from hindi_bn.networks import build_run
from hindi_bn.records import RunFolder
from hindi_bn.training.loop import TorchLearner, make_optimizer, train_epoch
from hindi_bn.training.recorder import Recorder
from hindi_bn.training.tensors import Tensors, to_tensors

ROUNDS, STEPS, BATCH = 3, 50, 32
KINDS: dict[str, list[dict[str, Any]]] = {
    "one weight": [{"kind": "weight", "name": "wx", "layer": "6", "index": [3, 4, 1, 0]}],
    "gradients": [{"kind": "gradients"}],
    "statistics": [{"kind": "statistics"}],
    "activations": [{"kind": "activations"}],
}
KINDS["all four"] = [recording for recordings in list(KINDS.values()) for recording in recordings]
EVERY = (1, 10, 50)


def epoch_seconds(recordings: list[dict[str, Any]], data: Tensors, folder: RunFolder) -> float:
    """CPU seconds of an epoch of `STEPS` steps, recording and writing included."""
    run = tiny_study(recordings=recordings).run("bn")
    network = build_run(run)
    recorder = Recorder(folder, run, network, data)
    order = torch.arange(STEPS * BATCH)
    start = time.process_time()
    on_step = recorder.begin(0, lambda done, steps: None)
    train_epoch(TorchLearner(network, make_optimizer(run, network)), data, order, BATCH, on_step)
    recorder.keep(0)
    return time.process_time() - start


@pytest.mark.slow
def test_the_cost_of_recordings(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    digits = tiny_digits(train=STEPS * BATCH, test=100)
    data = to_tensors(digits, "unit", torch.device("cpu"))
    cases = {
        (name, every): [recording | {"every": every} for recording in recordings]
        for name, recordings in KINDS.items()
        for every in EVERY
    }
    epoch_seconds([], data, RunFolder(tmp_path))  # the first epoch warms the memory up
    ratios: dict[tuple[str, Any], list[float]] = {case: [] for case in cases}
    for _ in range(ROUNDS):
        for case, recordings in cases.items():
            plain = epoch_seconds([], data, RunFolder(tmp_path))
            ratios[case].append(epoch_seconds(recordings, data, RunFolder(tmp_path)) / plain)
    for (name, every), values in ratios.items():
        median, low, high = statistics.median(values), min(values), max(values)
        print(f"{name:<12} every {every:>2}: x {median:.3f} ({low:.3f} to {high:.3f})")
    assert statistics.median(ratios["all four", 50]) < 1.2
    assert statistics.median(ratios["one weight", 50]) < 1.1
