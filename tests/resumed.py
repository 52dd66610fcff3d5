"""A run that a process of its own goes on with, until a test kills it."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

import torch
from tiny import tiny_digits, tiny_study

from hindi_bn.training.run import train_run


def resume(out: Path, epochs: int, told: Connection) -> None:
    """Say that training begins now, and train."""
    torch.set_num_threads(1)
    told.send("ready")
    train_run(tiny_study(epochs=epochs), "bn", tiny_digits(), out, resume=True)
