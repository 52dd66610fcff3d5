"""Tables of sweeps made by a seeded generator, for the tests of figures over seeds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

DIVERGED = 0.1  # the accuracy that counts for a diverged run


def made_sweep(
    grid: Mapping[str, Sequence[Any]],
    seeds: int = 5,
    epochs: int = 12,
    diverged: Sequence[tuple[str, int]] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables `runs` and `epochs`: a cell of the grid an arm, later arms a little better."""
    generator = np.random.default_rng(5)
    runs, rows = [], []
    for place, cell in enumerate(itertools.product(*grid.values())):
        keys = dict(zip(grid, cell, strict=True))
        arm = ", ".join(f"{key}={value}" for key, value in keys.items())
        for seed in range(seeds):
            lost = (arm, seed) in diverged
            done = max(1, epochs // 3) if lost else epochs
            steps = np.arange(done)
            start = {"arm": arm, "seed": seed, "key": f"{place:08x}{seed:08x}", **keys}
            error = 0.04 + 0.2 * np.exp(-steps / 3) - 0.002 * place
            accuracy = 1 - error - generator.normal(0, 0.004, done)
            loss = 2.0 * np.exp(-steps / 3) + 0.02 * generator.uniform(0.8, 1.2, done)
            history = {"epoch": steps, "train_loss": loss, "test_accuracy": accuracy}
            rows.append(pd.DataFrame(start | history))
            ends = {
                "status": "diverged" if lost else "finished",
                "final_test_accuracy": DIVERGED if lost else accuracy[-1],
                "final_train_loss": np.nan if lost else loss[-1],
            }
            runs.append(start | ends)
    return pd.DataFrame(runs), pd.concat(rows, ignore_index=True)
