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

ROUNDS, BATCH = 3, 32
KINDS: dict[str, list[dict[str, Any]]] = {
    "one weight": [{"kind": "weight", "name": "wx", "layer": "6", "index": [3, 4, 1, 0]}],
    "gradients": [{"kind": "gradients"}],
    "statistics": [{"kind": "statistics"}],
    "activations": [{"kind": "activations"}],
}
KINDS["all four"] = [recording for recordings in list(KINDS.values()) for recording in recordings]
STEPS = {1: 10, 10: 10, 50: 50}  # of an epoch, by the steps from reading to reading


def epoch_seconds(
    recordings: list[dict[str, Any]], steps: int, data: Tensors, folder: RunFolder
) -> float:
    """CPU seconds of an epoch of some steps, recording and writing included."""
    run = tiny_study(recordings=recordings).run("bn")
    network = build_run(run)
    recorder = Recorder(folder, run, network, data)
    order = torch.arange(steps * BATCH)
    start = time.process_time()
    on_step = recorder.begin(0, lambda done, steps: None)
    train_epoch(TorchLearner(network, make_optimizer(run, network)), data, order, BATCH, on_step)
    recorder.keep(0)
    return time.process_time() - start


@pytest.mark.slow
@pytest.mark.timed
def test_the_cost_of_recordings(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    data = to_tensors(tiny_digits(50 * BATCH, test=100), "unit", torch.device("cpu"))
    folder = RunFolder(tmp_path)
    epoch_seconds([], 50, data, folder)  # the first epoch warms the memory up
    ratios: dict[tuple[str, int], list[float]] = {}
    for every, steps in [each for each in STEPS.items() for _ in range(ROUNDS)]:
        plain = epoch_seconds([], steps, data, folder)
        for name, kinds in KINDS.items():
            seconds = epoch_seconds(
                [kind | {"every": every} for kind in kinds], steps, data, folder
            )
            ratios.setdefault((name, every), []).append(seconds / plain)
    for (name, every), values in ratios.items():
        median, low, high = statistics.median(values), min(values), max(values)
        print(f"{name:<12} every {every:>2}: x {median:.3f} ({low:.3f} to {high:.3f})")
    assert statistics.median(ratios["all four", 50]) < 1.2
    assert statistics.median(ratios["one weight", 50]) < 1.1
