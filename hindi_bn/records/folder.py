"""A run's folder: write, read, lock.

`<out>/<study>/<run>/` holds `run.yaml` (resolved study, command), `history.csv` (a row per epoch),
`environment.json`, `weights.safetensors` and, while the run is unfinished, `checkpoint/`. Weights
are safetensors and state is JSON: nothing here loads a pickle. What else a study records goes into
`captures.csv` (see `hindi_bn.records.recordings`).
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from hindi_bn.errors import RunError
from hindi_bn.files import refused, replacing, sha256_of, write_json, write_text
from hindi_bn.study import Run, Study
from hindi_bn.study.files import as_yaml, read_yaml, validate

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from hindi_bn.digits import Digits

COLUMNS = ("epoch", "seconds", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
"""Columns of every history.csv; recordings may add some, such as wx and wy."""

ANEW = "train this run again with --overwrite"


@dataclass(frozen=True)
class Checkpoint:
    """Where an unfinished run stands."""

    tensors: dict[str, torch.Tensor]  # of the network and the optimiser, and the random state
    rows: list[dict[str, float]]  # of history.csv
    settings: dict[str, Any]  # what the run depends on; it is resumed only with equal ones


@dataclass(frozen=True)
class Record:
    """What a run's folder tells: settings, history (DataFrame with `COLUMNS`), environment."""

    folder: Path
    study: Study
    run: Run
    history: pd.DataFrame
    environment: dict[str, Any]
    label: str = ""

    @property
    def name(self) -> str:
        """What the run is called beside others: its label if it has one."""
        return self.label or self.run.name

    @property
    def data_title(self) -> str:
        """Name of the data that the run was trained on, as tables and figures print it."""
        return str(self.environment["data"]["title"])

    def check_data(self, digits: Digits) -> None:
        """Refuse digits other than those that the run was trained on, with a RunError."""
        if self.environment["data"]["sha256"] != dict(digits.digests):
            raise RunError(
                f"{self.folder} was trained on other data than is there now.",
                f"It was trained on: {self.data_title}; there is: {digits.title}.",
                "name the folder of its data with --data-dir, or train again with --overwrite",
            )

    def recorded_pair(self) -> dict[str, Any]:
        """Return what wx and wy are: `layer` and both indices; RunError if none are recorded."""
        pair = self.run.recorded_pair()
        if pair is None:
            raise RunError(
                f"{self.folder} has no path of two weights to draw.",
                "Its study does not record them.",
                "train it with --set 'recordings=[pair]' --overwrite (docs/recordings.md)",
            )
        return pair.model_dump(mode="json", include={"layer", *pair.columns})


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
        """Whether the run ended: its weights are written last."""
        return self.weights_file.exists()

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
        lock = self.path.parent / f".{self.path.name}.lock"
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

    def clear(self) -> None:
        """Delete what an earlier run recorded here; a kill leaves all of it or nothing."""
        aside = self.path.parent / f".{self.path.name}.removed"
        for folder in (aside, self.path):
            if not folder.exists():
                continue
            try:
                if folder == self.path:
                    folder.replace(aside)
                shutil.rmtree(aside)
            except OSError as error:
                raise RunError(
                    f"Cannot clear {self.path}.",
                    error.strerror or str(error),
                    "choose another folder with --out DIR",
                ) from error

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
        """Write tensors, then the state that names them: a kill between leaves the older pair."""
        name = f"epoch-{len(checkpoint.rows)}.safetensors"
        file = self.checkpoint_folder / name
        write_tensors(file, checkpoint.tensors)
        state = {
            "tensors": name,
            "sha256": sha256_of(file),
            "rows": checkpoint.rows,
            "settings": checkpoint.settings,
        }
        write_text(self.checkpoint_folder / "state.json", json.dumps(state, allow_nan=False) + "\n")
        for older in self.checkpoint_folder.glob("*.safetensors"):
            if older.name != name:
                older.unlink()

    def read_checkpoint(self) -> Checkpoint:
        """Read the checkpoint back; RunError when there is none, or it is damaged."""
        if not self.checkpoint_folder.is_dir():
            raise RunError(
                f"There is nothing to resume in {self.path}.",
                "The run is finished." if self.finished else "It has no checkpoint.",
                "train without --resume (with --overwrite if the folder may be replaced)",
            )
        what = f"The checkpoint in {self.path} is damaged."
        with refused(what, "history.csv is untouched; start this run again with --overwrite"):
            state = json.loads((self.checkpoint_folder / "state.json").read_text(encoding="utf-8"))
            file = self.checkpoint_folder / str(state["tensors"])
            if sha256_of(file) != state["sha256"]:
                raise ValueError(f"the sha256 of {file.name} is not the recorded one")
            return Checkpoint(read_tensors(file), list(state["rows"]), dict(state["settings"]))

    def finish(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Write the trained weights, then drop the checkpoint: the run is finished."""
        write_tensors(self.weights_file, dict(weights))
        self.drop_checkpoint()

    def drop_checkpoint(self) -> None:
        """Delete the checkpoint of a finished run, or what a kill left of it."""
        shutil.rmtree(self.checkpoint_folder, ignore_errors=True)

    def read_weights(self) -> dict[str, torch.Tensor]:
        """Read the trained weights by name; RunError when they are missing or damaged."""
        if not self.weights_file.exists():
            raise RunError(
                f"{self.path} holds no trained weights.",
                "The run is unfinished." if self.exists else "There is no run.",
                "train it first with `hindi-bn train`, or go on with --resume",
            )
        with refused(f"{self.weights_file} is damaged.", "train again with --overwrite"):
            return read_tensors(self.weights_file)

    def read(self) -> Record:
        """Read what was recorded; RunError when something is missing or damaged."""
        study, run = self._read_settings()
        return Record(self.path, study, run, self.read_history(), self._read_environment())

    def read_claims(self) -> dict[str, str]:
        """Read the claims that the run was trained for, each with the digest of its rule."""
        return dict(self._read_environment().get("claims", {}))

    def _read_environment(self) -> dict[str, Any]:
        file = self.path / "environment.json"
        with refused(f"{file} cannot be read.", ANEW):
            found = dict(json.loads(file.read_text(encoding="utf-8")))
            for name in ("title", "sha256"):
                found["data"][name]
            return found

    def read_history(self) -> pd.DataFrame:
        """Read history.csv as a DataFrame with `COLUMNS`; RunError when it is damaged."""
        import numpy as np
        import pandas as pd

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

    def _read_settings(self) -> tuple[Study, Run]:
        file = self.path / "run.yaml"
        if not file.exists():
            raise self._no_run()
        document = read_yaml(file)
        raw, name = document.get("study"), document.get("run")
        with refused(f"{file} is damaged.", ANEW):
            if not isinstance(raw, dict):
                raise TypeError("It holds no study.")
            study = validate(raw, str(file))
            if name not in {run.name for run in study.runs}:
                raise ValueError(f"Its study has no run {name!r}.")
            return study, study.run(str(name))


def write_tensors(file: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors by name to a safetensors file in one step."""
    from safetensors.torch import save

    with replacing(file) as temporary:
        temporary.write_bytes(save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}))


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; ValueError when it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(file.read_bytes())
    except SafetensorError as error:
        raise ValueError(str(error)) from error
