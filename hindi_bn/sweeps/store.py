"""The runs of all sweeps in one place: `<out>/runs/<key>/`, each trained once.

Such a folder is a run's folder like any other (see `hindi_bn.records`); a run that ended badly
has `failure.json` in it. Data other than the real digits are in the folder's name: `runs-stand-in`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from hindi_bn.digits import Digits
from hindi_bn.engine import numerics_of
from hindi_bn.errors import RunError
from hindi_bn.files import refused, write_json
from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Failure, Job, JobResult
from hindi_bn.sweeps.cells import Cell
from hindi_bn.sweeps.keys import run_key

Status = Literal["finished", "diverged", "failed", "unfinished", "missing"]

STUDY = "runs"
"""Name of the study that holds every sweep's runs."""

FAILURE = "failure.json"


@dataclass(frozen=True)
class SweepRun:
    """A cell with its key in the store; cells with equal keys have equal jobs."""

    cell: Cell
    key: str
    job: Job


class RunStore:
    """The folder of runs that sweeps share, in a folder of results that need not exist."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def place(self, cell: Cell, digits: Digits, command: str = "") -> SweepRun:
        """Return the cell with its key and its job on these digits, perhaps a stand-in."""
        key = run_key(cell.study, cell.run, digits.digests)
        run = cell.run.model_copy(update={"name": key})
        study = cell.study.model_copy(update={
            "name": STUDY, "description": "", "data": digits.name, "runs": (run,),
            "numerics": numerics_of(cell.study, cell.run),  # wherever it is trained, as the key
        })  # fmt: skip
        return SweepRun(cell, key, Job(study, key, self.out, resume=True, command=command))

    def status(self, job: Job) -> Status:
        """Say how far a run has come."""
        folder = RunFolder(job.folder)
        if folder.finished:
            return "finished"
        if (failure := self.failure(job)) is not None:
            return "diverged" if failure.diverged else "failed"
        return "unfinished" if folder.resumable else "missing"

    def failure(self, job: Job) -> Failure | None:
        """Return why a run ended badly; None when it did not."""
        document = self._read_failure(job)
        document.pop("seconds", None)
        return Failure(**document) if document else None

    def failed_after(self, job: Job) -> float:
        """Return the seconds after which a run ended badly; NaN when it did not."""
        return float(self._read_failure(job).get("seconds", "nan"))

    def history(self, job: Job) -> pd.DataFrame:
        """Read a run's history; RunError when it cannot be read."""
        return RunFolder(job.folder).read_history()

    def epochs_done(self, job: Job) -> int:
        """Count the epochs that are recorded."""
        folder = RunFolder(job.folder)
        return len(folder.read_history()) if folder.history_file.exists() else 0

    def keep_failure(self, result: JobResult) -> None:
        """Record why a run ended badly; HindiBnError when it cannot be written."""
        assert result.failure is not None
        document = asdict(result.failure) | {"seconds": result.seconds}
        write_json(result.job.folder / FAILURE, document)

    def forget(self, job: Job) -> None:
        """Clear a run that ended badly, so that it is trained anew; RunError when it is in use."""
        folder = RunFolder(job.folder)
        with folder.locked():
            folder.clear()

    def in_use(self, job: Job) -> bool:
        """Say whether another process is training the run."""
        try:
            with RunFolder(job.folder).locked():
                return False
        except RunError:
            return True

    def _read_failure(self, job: Job) -> dict[str, Any]:
        file = job.folder / FAILURE
        if not file.exists():
            return {}
        with refused(f"{file} cannot be read.", f"delete {job.folder}"):
            return dict(json.loads(file.read_text(encoding="utf-8")))
