"""A claim that tiny digits can be asked, and a runner that trains in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from tiny import tiny_digits

from hindi_bn.claims.claim import Claim
from hindi_bn.digits import Digits
from hindi_bn.runners.jobs import Job, JobResult, perform

DIGITS = tiny_digits(train=70, test=40)


class Here:
    """A runner that trains in this process, run by run."""

    def __init__(self) -> None:
        self.trained: list[str] = []

    def run(self, jobs: Sequence[Job], digits: Digits, **_: Any) -> Iterator[JobResult]:
        torch.set_num_threads(1)
        for job in jobs:
            self.trained.append(job.run)
            yield perform(job, digits)


def claim_file(**changes: Any) -> dict[str, Any]:
    """A claim that tiny digits can be asked."""
    return {
        "id": 1, "name": "shape", "title": "BN changes something", "statement": "It does.",
        "source": "Nobody.", "method": "By looking.",
        "sweeps": [{
            "name": "seeds", "study": {"name": "tiny", "threads": 1},
            "set": {"epochs": 2}, "grid": {"norm": ["none", "batch"]},
        }],
        "tests": [{
            "label": "Loss, with BN less without", "metric": "final_train_loss",
            "plus": [{"where": {"norm": "batch"}}], "minus": [{"where": {"norm": "none"}}],
            "below": 0,
        }],
    } | changes  # fmt: skip


def a_claim(**changes: Any) -> Claim:
    return Claim.model_validate(claim_file(**changes))
