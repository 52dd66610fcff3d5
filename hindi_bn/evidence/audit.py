"""Training evidence again: does a run still give what its row says?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hindi_bn.digits import Digits
from hindi_bn.errors import EvidenceError
from hindi_bn.evidence.agreement import Agreement, compare
from hindi_bn.evidence.row import Row, row_of
from hindi_bn.measures import measure, version_of
from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Job, perform, write_failure
from hindi_bn.study import Study

MEASURED = 1e-3
"""Difference of a value measured on equal weights: relative, or absolute where it is below 1."""


@dataclass(frozen=True)
class Audited:
    """A row, the same run trained again, and how they compare."""

    row: Row
    again: Row
    agreement: Agreement


def sample(rows: Sequence[Row], size: int, seed: int) -> list[Row]:
    """Draw so many rows of different keys at random, or all there are, in the order of the keys.

    A row that was trained on a device that is not here is left out.
    """
    here = {"cpu", *(["cuda"] if torch.cuda.is_available() else [])}
    known = [row for row in rows if row.environment["device"] in here]
    known.sort(key=lambda row: (row.key, row.started, row.seconds))
    drawn: dict[str, Row] = {}
    for place in np.random.default_rng(seed).permutation(len(known)):
        drawn.setdefault(known[place].key, known[place])
    return sorted([*drawn.values()][:size], key=lambda row: row.key)


def audit(rows: Sequence[Row], load: Callable[[str], Digits], out: Path) -> Iterator[Audited]:
    """Train each row's run again, below the empty folder `out`, and compare.

    EvidenceError when the data here are not those of a row, or its run cannot be trained.
    """
    for place, row in enumerate(rows):
        digits = load(str(row.data["name"]))
        if dict(digits.digests) != row.data["sha256"]:
            raise EvidenceError(
                f"Run {row.key} cannot be trained again.",
                f"It was trained on other data than is here, {digits.title}.",
                "name the folder of its data with --data-dir",
            )
        job = Job(study_of(row), row.key, out / str(place))
        result = perform(job, digits)
        if result.failure is not None and not result.failure.diverged:
            raise EvidenceError(f"Run {row.key} cannot be trained again.", str(result.failure))
        folder = RunFolder(job.folder)
        if result.failure is not None:
            write_failure(result)
        changed = list(_changed_measures(row, folder, digits)) if folder.finished else []
        again = row_of(folder)
        agreement = compare(row, again)
        if agreement.outcome == "same bits" and changed:
            agreement = Agreement("different", "its weights are equal, yet " + "; ".join(changed))
        yield Audited(row, again, agreement)


def study_of(row: Row) -> Study:
    """Return the study whose only run, called as the row's key, is the row's."""
    settings = dict(row.settings)
    recordings = [each for group in row.recordings.values() for each in group]
    run = settings.pop("run") | {"name": row.key, "recordings": recordings}
    threads = settings.pop("threads", 1)
    here = {"stream": "paired", "device": row.environment["device"], "threads": threads}
    return Study.model_validate(
        settings | here | {"name": "audit", "data": row.data["name"], "runs": [run]}
    )


def _changed_measures(row: Row, folder: RunFolder, digits: Digits) -> Iterator[str]:
    """Measure again what the row has in today's version; tell of each value that is another."""
    for name, kept in row.measures.items():
        if kept["version"] != version_of(name):
            continue
        values = measure(folder, name, digits)
        for value, before in kept["values"].items():
            now = values.get(value, float("nan"))
            if not abs(now - before) <= MEASURED * max(1.0, abs(before)):
                yield f"{name}.{value} was {before!r} and is {now!r}"
