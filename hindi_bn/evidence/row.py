"""A run as a row of evidence: made from its folder, written as plain columns, checked when read."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from hindi_bn.errors import EvidenceError
from hindi_bn.evidence.keys import key_of, recordings_of, settings_of
from hindi_bn.files import digest_of, refused
from hindi_bn.measures import kept_measures
from hindi_bn.records import Record, RunFolder
from hindi_bn.runners.jobs import read_failure

SCHEMA = 1
"""Version of the columns; a row of a later one is refused."""

HISTORY = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
"""Columns of history.csv that are columns of a row, a list with a value per epoch."""

DOCUMENTS = (
    "settings", "data", "recordings", "recorded", "diverged", "measures", "environment", "claims",
)  # fmt: skip
"""Columns that hold JSON."""

AGAIN = "add what its record lacks, or train the run again"


@dataclass(frozen=True)
class Row:
    """A run that finished or diverged.

    Args:
        key: Follows from settings and data; see `hindi_bn.evidence.keys`.
        status: `finished` or `diverged`.
        settings: What its training depends on, but for the data.
        data: Its `name`, and the `sha256` of its pixels by split.
        recordings: Settings of what it recorded, by kind.
        history: Values by epoch of `HISTORY`, at full precision.
        recorded: The same of columns that recordings added, such as wx.
        diverged: `epoch` and `step` at which the loss was not finite; empty if it finished.
        measures: `version` and `values` by name.
        weights: The sha256 of its weights; empty if it diverged.
        environment: What it was trained with.
        claims: Digest of the rule of each claim that it was trained for.
        started, seconds: When the training began (ISO 8601), and how long it took.
    """

    key: str
    status: str
    settings: dict[str, Any]
    data: dict[str, Any]
    recordings: dict[str, Any]
    history: dict[str, list[float]]
    recorded: dict[str, list[float]]
    diverged: dict[str, int]
    measures: dict[str, dict[str, Any]]
    weights: str
    environment: dict[str, Any]
    claims: dict[str, str]
    started: str
    seconds: float
    schema: int = SCHEMA

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.settings["seed"])

    @property
    def numerics(self) -> str:
        """How it was computed."""
        return str(self.settings["numerics"])

    @property
    def frame(self) -> pd.DataFrame:
        """The history as in history.csv; no epoch's seconds are known."""
        columns = {**self.history, **self.recorded}
        epochs = len(self.history["train_loss"])
        return pd.DataFrame(
            {"epoch": range(epochs), "seconds": [float("nan")] * epochs, **columns}
        ).astype(dict.fromkeys(columns, "float64") | {"epoch": "int64"})

    @property
    def columns(self) -> dict[str, Any]:
        """What a shard holds of it: numbers, texts and lists, and their digest."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        history = fields.pop("history")
        for name in DOCUMENTS:
            fields[name] = json.dumps(fields[name], sort_keys=True, separators=(",", ":"))
        fields |= {"seed": self.seed, "numerics": self.numerics}
        fields |= {name: list(history[name]) for name in HISTORY}
        return fields | {"digest": digest_of(fields)}

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> "Row":
        """Read what `columns` gave; EvidenceError when the row is not as it was written."""
        found = dict(columns)
        digest = found.pop("digest")
        if digest_of(found) != digest:
            raise EvidenceError(
                f"The row of run {found['key']} is not as it was written.",
                "Its content does not have the digest that it was written with: it was edited.",
            )
        history = {name: found.pop(name) for name in HISTORY}
        documents = {name: json.loads(found.pop(name)) for name in DOCUMENTS}
        seed, numerics = found.pop("seed"), found.pop("numerics")
        row = cls(**found, **documents, history=history)
        if row.key != key_of(row.settings, row.data["sha256"]):
            raise EvidenceError(
                f"The key of the row of run {row.key} does not follow from its settings.",
                f"They have the key {key_of(row.settings, row.data['sha256'])}.",
            )
        if (row.seed, row.numerics) != (seed, numerics):
            raise EvidenceError(
                f"The row of run {row.key} contradicts itself.",
                f"Its settings say seed {row.seed} and numerics {row.numerics}, its columns "
                f"{seed} and {numerics}.",
            )
        return row

    def brief(self) -> str:
        """Name the run in a line: its settings, seed and key."""
        run = self.settings["run"]
        said = ", ".join(f"{k}={_short(v)}" for k, v in sorted(run.items())) or "all defaults"
        return f"{said}, seed {self.seed}, {self.numerics} ({self.key})"


def row_of(folder: RunFolder) -> Row:
    """Make the row of a run's folder; EvidenceError when the run has not ended, or cannot count.

    RunError when the folder cannot be read.
    """
    with refused(f"{folder.path} is no evidence.", AGAIN, EvidenceError):
        return _row_of(folder)


def _row_of(folder: RunFolder) -> Row:
    record, failed = folder.read(), read_failure(folder.path)
    if not folder.finished and not (failed and failed[0].diverged):
        raise EvidenceError(
            f"{folder.path} is no evidence.",
            "Its run neither finished nor diverged.",
            "go on with it first: `hindi-bn train --resume`, or its sweep again",
        )
    settings, data = settings_of_record(record), record.environment["data"]
    failure = failed[0] if failed and not folder.finished else None
    seconds = record.environment.get("seconds", {}).get("training")
    if seconds is None:
        last = record.history["seconds"]
        seconds = float(last.iloc[-1]) if len(last) else (failed[1] if failed else float("nan"))
    others = [c for c in record.history.columns if c not in (*HISTORY, "epoch", "seconds")]
    return Row(
        key=key_of(settings, data["sha256"]),
        status="diverged" if failure else "finished",
        settings=settings,
        data={"name": record.study.data, "sha256": dict(data["sha256"])},
        recordings=recordings_of(record.run),
        history={name: record.history[name].tolist() for name in HISTORY},
        recorded={name: record.history[name].tolist() for name in others},
        diverged=dict(zip(("epoch", "step"), failure.place, strict=True)) if failure else {},
        measures={} if failure else kept_measures(folder),
        weights="" if failure else weights_digest(folder.read_weights()),
        environment=_environment(record.environment),
        claims=dict(record.environment.get("claims", {})),
        started=str(record.environment["started"]),
        seconds=float(seconds),
    )


def settings_of_record(record: Record) -> dict[str, Any]:
    """Return what a recorded run's training depended on; see `hindi_bn.evidence.keys`.

    EvidenceError when its rng ran on from other runs, or the engine did not train what it should.
    """
    study, run, environment = record.study, record.run, record.environment
    if study.stream == "continued" and study.position(run.name) > 0:
        raise EvidenceError(
            f"{record.folder} is no evidence.",
            "Its random stream runs on from the runs before it in its study.",
            "train it with --set stream=paired",
        )
    numerics = environment.get("numerics", study.numerics)
    if numerics == "engine" and "engine" not in environment:
        raise EvidenceError(
            f"{record.folder} is no evidence.",
            "Its study asks for the engine, and its record does not say that this trained it.",
            "train it again with --overwrite",
        )
    threads = int(environment["threads"]) if environment["device"] == "cpu" else 1
    return settings_of(study.model_copy(update={"numerics": numerics}), run, threads)


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the sha256 of weights: names, dtypes, shapes and bytes, in the names' order.

    All NaN count as one, because their signs differ between processors.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        values = weights[name].cpu().numpy().copy()
        if values.dtype.kind == "f":
            values[np.isnan(values)] = np.nan
        values = values.astype(values.dtype.newbyteorder("<"))
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode() + values.tobytes())
    return digest.hexdigest()


def _environment(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Choose what a row tells of the environment; what an older version did not record is null."""
    versions = recorded["versions"]
    names = (
        "device", "device_name", "cpu_flags", "system", "threads", "ensemble", "commit", "dirty",
        "engine",
    )  # fmt: skip
    found = {name: recorded.get(name) for name in names}
    return found | {name: versions.get(name) for name in ("torch", "python", "hindi-bn")}


def _short(value: Any) -> str:
    if isinstance(value, dict):
        rest = ", ".join(f"{k}={_short(v)}" for k, v in value.items() if k != "name")
        return f"{value.get('name', '')}({rest})" if rest else str(value.get("name", ""))
    return str(value)
