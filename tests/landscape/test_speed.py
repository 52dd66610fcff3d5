"""A surface's time beside that of torch's forward passes alone, in turns."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_digits, tiny_study

from hindi_bn.landscape.grid import Work, losses, on_plane
from hindi_bn.landscape.planes import random_plane
from hindi_bn.landscape.subset import subset_of
from hindi_bn.networks import build_run
from hindi_bn.study import Run
from hindi_bn.training.numerics import arrange
from hindi_bn.training.run import load_network, train_run

pytestmark = [pytest.mark.slow, pytest.mark.timed]

IMAGES, POINTS, ROUNDS = 1000, 9, 3


@torch.inference_mode()
def forward_passes(run: Run, images: torch.Tensor, statistics: str) -> float:
    """Seconds of torch's fastest pass over all images in the same mode, on one thread."""
    network = arrange(build_run(run), "fast").train(statistics != "running")
    size = {"batch": run.batch_size, "running": 250, "reestimated": 250}[statistics]
    times = []
    for _ in range(3):
        began = time.perf_counter()
        for batch in images.split(size):
            network(batch)
        times.append(time.perf_counter() - began)
    return min(times)


@pytest.mark.parametrize("statistics", ["batch", "running", "reestimated"])
def test_a_surface_takes_at_most_half_as_long_again_as_its_forward_passes(
    tmp_path: Path, statistics: str
) -> None:
    digits = tiny_digits(train=IMAGES)
    record = train_run(tiny_study(epochs=1, numerics="engine"), "bn", digits, tmp_path)
    subset = subset_of(record, digits, IMAGES)
    axis = np.linspace(-1, 1, 3)
    plane = random_plane(load_network(record), 2, seed=0, like=None)
    points = on_plane(plane, np.array([(x, y) for x in axis for y in axis]))
    torch.set_num_threads(1)
    ratios = []
    for number in range(ROUNDS):
        alone = forward_passes(record.run, subset.images, statistics)
        work = Work(torch.device("cpu"), 1, tmp_path / f"{number}")
        began = time.perf_counter()
        losses(record, subset, statistics, points, work, "surface")
        ratios.append((time.perf_counter() - began) / POINTS / alone)
    print(f"{statistics}: a point over its forward passes: {sorted(ratios)}")
    assert sorted(ratios)[ROUNDS // 2] <= 1.5
