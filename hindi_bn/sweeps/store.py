"""Where the runs of all sweeps are: `<out>/runs/<key>/`, each trained once, and the evidence.

Such a folder is a run's folder like any other (see `hindi_bn.records`), with a digest of what was
recorded behind its key, if anything was; a run that ended badly has `failure.json` in it. Data
other than the real digits are in the name of `runs-stand-in`. A run is looked for in its own
folder, in others of its key, then in the evidence.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd

from hindi_bn.digits import Digits
from hindi_bn.engine import numerics_of
from hindi_bn.errors import DivergedError, HindiBnError, RunError
from hindi_bn.evidence.keys import (
    DIGITS_OF_A_KEY,
    folder_name,
    key_of,
    recordings_of,
    run_key,
)
from hindi_bn.evidence.row import Row, settings_of_record
from hindi_bn.evidence.shards import Evidence, read_evidence
from hindi_bn.measures import measure, recording_of, version_of
from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Failure, Job, read_failure
from hindi_bn.sweeps.cells import Cell

Status = Literal["finished", "diverged", "failed", "unfinished", "missing"]

STUDY = "runs"
"""Name of the study that holds every sweep's runs."""


@dataclass(frozen=True)
class SweepRun:
    """A cell with its key and the job that trains it.

    Cells with equal keys are the same run; their jobs differ where they record something else.
    """

    cell: Cell
    key: str
    job: Job

    @property
    def name(self) -> str:
        """Name of the folder that it is trained into; runs of equal names are trained once."""
        return self.job.run


@dataclass(frozen=True)
class Ended:
    """A run that finished or diverged: in a folder, or as a row of evidence."""

    key: str
    source: RunFolder | Row

    @property
    def status(self) -> Literal["finished", "diverged"]:
        """How it ended."""
        return "diverged" if self._divergence else "finished"

    @cached_property
    def history(self) -> pd.DataFrame:
        """Its history, without seconds where it is evidence; RunError when it cannot be read."""
        return self.source.frame if isinstance(self.source, Row) else self.source.read_history()

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        if isinstance(self.source, Row):
            return self.source.seconds
        if len(self.history):
            return float(self.history["seconds"].iloc[-1])
        failed = read_failure(self.source.path)
        return failed[1] if failed else float("nan")

    @property
    def failure(self) -> Failure | None:
        """Where the loss was no longer finite, in the same words wherever the run is."""
        if self._divergence is None:
            return None
        return Failure.of(DivergedError(self.key, *self._divergence))

    @property
    def claims(self) -> dict[str, str]:
        """The claims that it was trained for, each with the digest of its rule."""
        return self.source.claims if isinstance(self.source, Row) else self.source.read_claims()

    def measured(self, name: str, digits: Digits) -> dict[str, float]:
        """Return a measure's values; RunError when it cannot be taken, nothing if it diverged."""
        if self._divergence:
            return {}
        if isinstance(self.source, Row):
            return dict(self.source.measures[name]["values"])
        return measure(self.source, name, digits)

    @cached_property
    def _divergence(self) -> tuple[int, int] | None:
        if isinstance(self.source, Row):
            found = self.source.diverged
            return (found["epoch"], found["step"]) if found else None
        failed = None if self.source.finished else read_failure(self.source.path)
        return failed[0].place if failed else None


class RunStore:
    """The folder of runs that sweeps share, in a folder of results that need not exist.

    `evidence` is the folder of the evidence, `<out>/evidence` unless given.
    """

    def __init__(self, out: Path, evidence: Path | None = None) -> None:
        self.out, self._evidence = out, evidence or out / "evidence"
        self._folders: dict[Path, dict[str, list[RunFolder]]] = {}
        self._found: dict[tuple[str, tuple[str, ...] | None], Ended] = {}

    @cached_property
    def evidence(self) -> Evidence:
        """The evidence, as it was when it was first asked for; EvidenceError when it is damaged."""
        return read_evidence(self._evidence)

    def place(self, cell: Cell, digits: Digits, command: str = "") -> SweepRun:
        """Return the cell with its key and its job on these digits, perhaps a stand-in."""
        key = run_key(cell.study, cell.run, digits.digests)
        name = folder_name(key, cell.run)
        run = cell.run.model_copy(update={"name": name})
        study = cell.study.model_copy(update={
            "name": STUDY, "description": "", "data": digits.name, "runs": (run,),
            "numerics": numerics_of(cell.study, cell.run),  # wherever it is trained, as the key
        })  # fmt: skip
        return SweepRun(cell, key, Job(study, name, self.out, resume=True, command=command))

    def found(self, run: SweepRun) -> Ended | None:
        """Return the run as it ended, with all that its cell asks for; None if it is not there."""
        asked = run.name, run.cell.measures
        if asked not in self._found and (source := self._source(run)) is not None:
            self._found[asked] = Ended(run.key, source)
        return self._found.get(asked)

    def lacking(self, run: SweepRun) -> str:
        """Say what the evidence of a run lacks of what its cell asks for; empty if it has none."""
        rows = self.evidence.of(run.key)
        return ", ".join(_lacking(rows[-1], run.cell)) if rows else ""

    def status(self, run: SweepRun) -> Status:
        """Say how far a run has come."""
        if (found := self.found(run)) is not None:
            return found.status
        folder = RunFolder(run.job.folder)
        if read_failure(folder.path) is not None:
            return "failed"
        return "unfinished" if folder.resumable else "missing"

    def failure(self, run: SweepRun) -> Failure | None:
        """Return why a run ended badly; None when it did not."""
        if (found := self.found(run)) is not None:
            return found.failure
        failed = read_failure(run.job.folder)
        return failed[0] if failed else None

    def failed_after(self, run: SweepRun) -> float:
        """Return the seconds after which a run failed; NaN when it did not."""
        failed = read_failure(run.job.folder)
        return failed[1] if failed else float("nan")

    def history(self, run: SweepRun) -> pd.DataFrame | None:
        """Read a run's history, whole or begun; None without one, RunError for a damaged one."""
        if (found := self.found(run)) is not None:
            return found.history
        folder = RunFolder(run.job.folder)
        return folder.read_history() if folder.history_file.exists() else None

    def epochs_done(self, run: SweepRun) -> int:
        """Count the epochs that are recorded where it is trained."""
        folder = RunFolder(run.job.folder)
        return len(folder.read_history()) if folder.history_file.exists() else 0

    def ended_here(self, run: SweepRun) -> bool:
        """Say whether a run ended in the folder of its job, and let others of its key find it."""
        folder = RunFolder(run.job.folder)
        if not ended(folder):
            return False
        known = self._known(folder.path.parent).setdefault(run.key, [])
        if all(each.path != folder.path for each in known):
            known.append(folder)
        return True

    def forget(self, run: SweepRun) -> None:
        """Clear a run that ended badly, so that it is trained anew; RunError when it is in use.

        One that another process has trained anew by now is left as it is.
        """
        folder = RunFolder(run.job.folder)
        with folder.locked():
            if read_failure(folder.path) is not None:
                folder.clear()

    def remove_leftovers(self, run: SweepRun) -> None:
        """Delete what a kill left in a finished run's folder, unless another process holds it."""
        folder = RunFolder(run.job.folder)
        if folder.finished and folder.checkpoint_folder.is_dir():
            with contextlib.suppress(RunError), folder.locked():
                folder.remove_leftovers()

    def in_use(self, run: SweepRun) -> bool:
        """Say whether another process is training the run."""
        try:
            with RunFolder(run.job.folder).locked():
                return False
        except RunError:
            return True

    def _source(self, run: SweepRun) -> RunFolder | Row | None:
        for folder in (RunFolder(run.job.folder), *self._others(run)):
            if ended(folder):
                return folder
        rows = self.evidence.of(run.key)
        return next((row for row in rows if not _lacking(row, run.cell)), None)

    def _others(self, run: SweepRun) -> Iterator[RunFolder]:
        """Give the other folders of a run's key that recorded all that its cell needs."""
        own = run.job.folder
        for folder in self._known(own.parent).get(run.key, []):
            if folder.path != own and _recorded(folder, run.cell):
                yield folder

    def _known(self, parent: Path) -> dict[str, list[RunFolder]]:
        """Return the folders of runs that ended, by key, as they were when first asked for."""
        if parent not in self._folders:
            found = self._folders[parent] = {}
            for path in sorted(parent.glob("[!.]*/environment.json")):
                folder = RunFolder(path.parent)
                with contextlib.suppress(HindiBnError):  # a damaged folder is named when it is used
                    if ended(folder):
                        found.setdefault(_key_of_folder(folder), []).append(folder)
        return self._folders[parent]


def ended(folder: RunFolder) -> bool:
    """Say whether a folder's run finished or diverged; RunError when it cannot be read."""
    if folder.finished:
        return True
    failed = read_failure(folder.path)
    return failed is not None and failed[0].diverged


def _key_of_folder(folder: RunFolder) -> str:
    """Return the key of a run that ended: its folder's name says it, or what was recorded in it.

    Folders of before are named by an older key, in which recordings counted.
    """
    key = folder.path.name.partition("-")[0]
    if len(key) == DIGITS_OF_A_KEY:
        return key
    record = folder.read()
    return key_of(settings_of_record(record), record.environment["data"]["sha256"])


def _lacking(row: Row, cell: Cell) -> list[str]:
    """Name what a cell asks for and a row has not: measures, or recordings if it asks for none."""
    asked = recordings_of(cell.run)
    if cell.measures is None:
        columns = {each.kind for each in cell.run.recordings if each.columns}
        return [
            f"the recording {kind}"
            for kind, settings in asked.items()
            if kind not in columns or row.recordings.get(kind) != settings
        ]
    if row.status == "diverged":
        return []
    found = []
    for name in cell.measures:
        version, kind = version_of(name), recording_of(name)
        there = row.measures.get(name, {}).get("version") == version
        if not there or (kind and row.recordings.get(kind) != asked.get(kind)):
            found.append(f"the measure {name} (version {version})")
    return found


def _recorded(folder: RunFolder, cell: Cell) -> bool:
    """Say whether a folder has the recordings that its cell's measures, or the cell, ask for."""
    asked = recordings_of(cell.run)
    if cell.measures is not None:
        kinds = {recording_of(name) for name in cell.measures}
        asked = {kind: settings for kind, settings in asked.items() if kind in kinds}
    there = recordings_of(folder.read().run) if asked else {}
    return all(there.get(kind) == settings for kind, settings in asked.items())
