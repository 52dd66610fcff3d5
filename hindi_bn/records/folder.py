"""A run's folder: write, read, lock.

`<out>/<study>/<run>/` holds `run.yaml` (resolved study, command), `history.csv` (a row per epoch),
`environment.json`, `weights.safetensors`, `manifest.json` and, while the run is unfinished,
`checkpoint/`. Weights are safetensors and state is JSON: nothing here loads a pickle. What else a
study records goes into `captures.csv` (see `hindi_bn.records.recordings`). Whatever is read of a
finished run is first compared with its manifest; runs of before there were manifests have none.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from hindi_bn.errors import RunError
from hindi_bn.files import refused, remove_leftovers, write_json, write_text
from hindi_bn.records import manifest
from hindi_bn.records.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from hindi_bn.records.record import COLUMNS, Record
from hindi_bn.records.tensors import read_tensors, write_tensors
from hindi_bn.study import Run, Study
from hindi_bn.study.files import as_yaml, read_yaml, validate

if TYPE_CHECKING:
    import pandas as pd
    import torch


ANEW = "train this run again with --overwrite"


class RunFolder:
    """The folder of one run, `<out>/<study>/<run>`; it need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint_folder = path / "checkpoint"
        self.weights_file = path / "weights.safetensors"
        self.history_file = path / "history.csv"

    @property
    def exists(self) -> bool:
        """Whether anything has been recorded here."""
        return (self.path / "run.yaml").exists() or self.history_file.exists()

    @property
    def finished(self) -> bool:
        """Whether the run ended: its manifest is written last.

        A run of before there were manifests has its weights, and no checkpoint any more.
        """
        if (self.path / manifest.FILE).exists():
            return True
        return self.weights_file.exists() and not self.checkpoint_folder.is_dir()

    @property
    def begun(self) -> bool:
        """Whether it holds at least an epoch: what a kill leaves of the first one is no loss."""
        if self.finished:
            return True
        history = self.history_file.read_bytes() if self.history_file.exists() else b""
        states = self.checkpoint_folder.glob("epoch-*.safetensors")
        return history.count(b"\n") > 1 or any(state.stem != "epoch-0" for state in states)

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint to go on from, be it a damaged one.

        A run that was killed while it wrote its very first checkpoint has none, and no rows.
        """
        state = self.checkpoint_folder / "state.json"
        if state.exists() or not (self.checkpoint_folder.is_dir() and self.history_file.exists()):
            return state.exists()
        return self.history_file.read_bytes().count(b"\n") > 1

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder while this process lives; RunError when it is in use or not writable."""
        real = self.path.resolve()  # a link to a run's folder has the folder's lock
        lock = real.parent / f".{real.name}.lock"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            holder = FileLock(lock, timeout=0)
            holder.acquire()
        except Timeout as error:
            raise RunError(
                f"Run folder {self.path} is in use.",
                "Another process is training into it.",
                "wait for it, stop it, or train elsewhere with --out DIR",
            ) from error
        except OSError as error:
            raise RunError(
                f"Cannot write into {self.path.parent}.",
                error.strerror or str(error),
                "choose a folder that can be written with --out DIR",
            ) from error
        try:
            yield
        finally:
            holder.release()

    @property
    def _aside(self) -> Path:
        return self.path.parent / f".{self.path.name}.removed"

    def clear(self) -> None:
        """Delete what an earlier run recorded here; a kill leaves all of it or nothing.

        RunError when it cannot be deleted, or is a link: that would be moved aside in its place.
        """
        if self.path.is_symlink():
            what = f"{self.path} is a symbolic link to {self.path.resolve()}."
            why = "Only a folder itself can be replaced; nothing was changed."
            raise RunError(what, why, "delete the link, or train elsewhere with --out DIR")
        aside = self._aside
        for folder in (aside, self.path):
            if not folder.exists():
                continue
            try:
                if folder == self.path:
                    folder.replace(aside)
                aside.unlink() if aside.is_symlink() else shutil.rmtree(aside)
            except OSError as error:
                raise RunError(
                    f"Cannot clear {self.path}.",
                    error.strerror or str(error),
                    "choose another folder with --out DIR",
                ) from error

    def remove_leftovers(self) -> None:
        """Delete what a kill left beside the files of a run, and of a finished one its checkpoint.

        The folder must be held.
        """
        shutil.rmtree(self._aside, ignore_errors=True)
        if self.finished:
            self.drop_checkpoint()
        for folder in (self.path, *self.path.rglob("*/")):
            if folder.is_dir():
                remove_leftovers(folder)

    def write_settings(self, study: Study, run: Run, command: str) -> None:
        """Write run.yaml: the command, the run's name and the whole resolved study."""
        document = {
            "command": command,
            "run": run.name,
            "study": study.model_dump(mode="json", exclude_unset=False),
        }
        write_text(self.path / "run.yaml", as_yaml(document))

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Write environment.json."""
        write_json(self.path / "environment.json", environment)

    def write_history(
        self, rows: Sequence[Mapping[str, float]], recorded: Sequence[str] = ()
    ) -> None:
        """Write history.csv, `recorded` columns last: floats as the shortest text that is exact."""
        columns = [*COLUMNS, *recorded]
        lines = [",".join(columns)]
        lines += [",".join(repr(row[column]) for column in columns) for row in rows]
        write_text(self.history_file, "\n".join(lines) + "\n")

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write where the run stands, in one step."""
        write_checkpoint(self.checkpoint_folder, checkpoint)

    def read_checkpoint(self) -> Checkpoint:
        """Read the checkpoint back; RunError when there is none, or it is damaged.

        Also when run.yaml, or what was recorded so far, is not as the checkpoint says.
        """
        if not self.checkpoint_folder.is_dir():
            raise RunError(
                f"There is nothing to resume in {self.path}.",
                "The run is finished." if self.finished else "It has no checkpoint.",
                "train without --resume (with --overwrite if the folder may be replaced)",
            )
        return read_checkpoint(self.checkpoint_folder)

    def finish(
        self, weights: Mapping[str, torch.Tensor], epochs: int, files: Mapping[str, str]
    ) -> None:
        """Write the trained weights and the manifest, then drop the checkpoint.

        `files` are the sha256 of files as they were written, by their path in the folder.
        """
        write_tensors(self.weights_file, weights)
        staying = {k: v for k, v in files.items() if not k.startswith(self.checkpoint_folder.name)}
        manifest.write_manifest(self.path, epochs, staying)
        self.drop_checkpoint()

    def drop_checkpoint(self) -> None:
        """Delete the checkpoint of a finished run, or what a kill left of it."""
        shutil.rmtree(self.checkpoint_folder, ignore_errors=True)

    def read_weights(self) -> dict[str, torch.Tensor]:
        """Read the trained weights by name; RunError when they are missing or damaged."""
        if not self.weights_file.exists() and not self.finished:
            raise RunError(
                f"{self.path} holds no trained weights.",
                "The run is unfinished." if self.exists else "There is no run.",
                "train it first with `hindi-bn train`, or go on with --resume",
            )
        self.check(self.weights_file)
        with refused(f"{self.weights_file} is damaged.", "train again with --overwrite"):
            return read_tensors(self.weights_file)

    def lists(self, file: Path) -> bool:
        """Say whether a finished run's manifest has a file, be it there or not."""
        found = manifest.read_manifest(self.path)
        return found is not None and file.relative_to(self.path).as_posix() in found.files

    def check(self, *files: Path) -> None:
        """Refuse files of a finished run that are not as they were when it finished: RunError."""
        found = manifest.read_manifest(self.path)
        if found is not None:
            names = [file.relative_to(self.path).as_posix() for file in files]
            listed = {name: found.files.get(name, "") for name in names}
            manifest.refuse_changed(self.path, listed, "the run finished", manifest.MEND)

    def verify(self) -> Literal["ok", "no manifest", "unfinished"]:
        """Check all that the run recorded, or its checkpoint; RunError when something is damaged.

        A run that finished before there were manifests can only be read, not compared.
        """
        if not self.finished:
            if self.resumable:
                self.read_checkpoint()
            return "unfinished"
        found = manifest.read_manifest(self.path)
        self.check(*(self.path / name for name in found.files) if found else ())
        self.read()
        self.read_weights()
        return "ok" if found else "no manifest"

    def read(self) -> Record:
        """Read what was recorded; RunError when something is missing or damaged."""
        study, run = self.read_settings()
        history = self.read_history()
        if self.finished and len(history) != run.epochs:
            what = f"{self.history_file} has {len(history)} of {run.epochs} epochs."
            raise RunError(what, "The run is finished.", manifest.MEND)
        return Record(self.path, study, run, history, self._read_environment())

    def read_claims(self) -> dict[str, str]:
        """Read the claims that the run was trained for, each with the digest of its rule."""
        return dict(self._read_environment().get("claims", {}))

    def _read_environment(self) -> dict[str, Any]:
        file = self.path / "environment.json"
        self.check(file)
        with refused(f"{file} cannot be read.", ANEW):
            found = dict(json.loads(file.read_text(encoding="utf-8")))
            for name in ("title", "sha256"):
                found["data"][name]
            return found

    def read_history(self) -> pd.DataFrame:
        """Read history.csv as a DataFrame with `COLUMNS`; RunError when it is damaged."""
        import numpy as np
        import pandas as pd

        self.check(self.history_file)
        next_step = "correct it, or train this run again with --overwrite"
        with refused(f"{self.history_file} cannot be read.", next_step):
            history = pd.read_csv(self.history_file, dtype=str)  # read as text: exact floats
            columns = list(map(str, history.columns))
            if tuple(columns[: len(COLUMNS)]) != COLUMNS:
                raise ValueError(f"its columns are {', '.join(columns)}")
            history = history.astype(dict.fromkeys(columns, "float64") | {"epoch": "int64"})
            if list(history["epoch"]) != list(range(len(history))):
                raise ValueError("its epochs do not count up from 0")
            if not np.isfinite(history[list(COLUMNS)].to_numpy(float)).all():
                raise ValueError("one of its numbers is infinite or not a number")
            return history

    def _no_run(self) -> RunError:
        """Return the error that says why no run can be read here."""
        what = f"{self.path} is not a run's folder."
        train = "train one with `hindi-bn train`"
        if not self.path.exists():
            here = "" if self.path.is_absolute() else f" in {Path.cwd()}"
            return RunError(
                what, f"There is no such folder{here}.", f"correct the path, or {train}"
            )
        within = sorted(str(file.parent) for file in self.path.glob("*/run.yaml"))
        if within:
            return RunError(what, "It holds several.", f"name one of them: {', '.join(within)}")
        return RunError(what, "It holds no run.yaml.", f"name another folder, or {train}")

    def read_settings(self) -> tuple[Study, Run]:
        """Read run.yaml; RunError when it is missing or damaged."""
        file = self.path / "run.yaml"
        if not file.exists():
            raise self._no_run()
        self.check(file)
        document = read_yaml(file)
        raw, name = document.get("study"), document.get("run")
        with refused(f"{file} is damaged.", ANEW):
            if not isinstance(raw, dict):
                raise TypeError("It holds no study.")
            study = validate(raw, str(file))
            if name not in {run.name for run in study.runs}:
                raise ValueError(f"Its study has no run {name!r}.")
            return study, study.run(str(name))
