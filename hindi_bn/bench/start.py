"""What a start costs at the least: importing torch, and a step of its optimiser."""

from __future__ import annotations

import subprocess
import sys
import time

CODE = """
import sys, time
import torch
imported = time.time()
layer = torch.nn.Linear(4, 4)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
layer(torch.ones(1, 4)).sum().backward()
optimizer.step()
print(imported - float(sys.argv[1]), time.time() - float(sys.argv[1]))
"""


def least_start(times: int = 3) -> dict[str, float]:
    """Return the seconds from a process's start until torch is imported and a step is done.

    The least of a few times: the first one may have to read torch from the disk.
    """
    imported, stepped = [], []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(time.time())],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        first, second = map(float, done.stdout.split())
        imported.append(first)
        stepped.append(second)
    return {"torch": min(imported), "step": min(stepped)}
