"""The evidence: rows in shards, `<folder>/<date>-<digest>.parquet`, which are only ever added.

A shard is named after its content, so that those of two people do not collide. Whatever is read is
checked; what cannot be believed is named, and nothing is changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hindi_bn.errors import EvidenceError
from hindi_bn.evidence.agreement import difference, must_agree, same_bits
from hindi_bn.evidence.row import SCHEMA, Row
from hindi_bn.files import digest_of, refused, replacing

BACK = "bring it back from version control, or take it out of the folder"


@dataclass(frozen=True)
class Evidence:
    """All rows of a folder by their shard, in the order of the shards' names."""

    folder: Path
    shards: Mapping[Path, tuple[Row, ...]]

    @property
    def rows(self) -> Iterator[Row]:
        """All rows, the oldest shards' first."""
        for rows in self.shards.values():
            yield from rows

    def of(self, key: str) -> Sequence[Row]:
        """Return the rows of a key, perhaps none."""
        return self._by_key.get(key, ())

    def has(self, row: Row) -> bool:
        """Say whether a row with the same bits is there that holds all that this one does."""
        return any(
            same_bits(there, row)
            and row.recorded.keys() <= there.recorded.keys()
            and all(there.recordings.get(k) == v for k, v in row.recordings.items())
            and all(there.measures.get(k) == v for k, v in row.measures.items())
            for there in self.of(row.key)
        )

    @cached_property
    def _by_key(self) -> Mapping[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.key, []).append(row)
        return found


def read_evidence(folder: Path) -> Evidence:
    """Read the evidence of a folder, which need not exist.

    EvidenceError names the first shard that cannot be believed, or two that contradict each other.
    """
    evidence, problems = check_evidence(folder)
    if problems:
        raise problems[0]
    return evidence


def check_evidence(folder: Path) -> tuple[Evidence, list[EvidenceError]]:
    """Return the evidence of a folder, and everything that is wrong with it."""
    shards: dict[Path, tuple[Row, ...]] = {}
    problems: list[EvidenceError] = []
    for file in sorted(folder.glob("[!.]*.parquet")):
        try:
            shards[file] = read_shard(file)
        except EvidenceError as error:
            problems.append(error)
    return Evidence(folder, shards), [*problems, *contradictions(shards)]


def contradictions(shards: Mapping[Path, Sequence[Row]]) -> Iterator[EvidenceError]:
    """Give an error for each row that must have the bits of an earlier one and has not."""
    before: dict[str, list[tuple[Path, Row]]] = {}
    for file, rows in shards.items():
        for row in rows:
            others = before.setdefault(row.key, [])
            for earlier, other in others:
                if must_agree(other, row) and not same_bits(other, row):
                    yield _contradiction(earlier, other, file, row)
                    break
            others.append((file, row))


def _contradiction(earlier: Path, other: Row, file: Path, row: Row) -> EvidenceError:
    return EvidenceError(
        f"{earlier} and {file} disagree on run {row.key}.",
        f"Both must have the same bits, yet {difference(other, row)}.",
        "find out by `hindi-bn evidence audit` which is right, and take the other shard out",
    )


def write_shard(folder: Path, rows: Sequence[Row]) -> Path:
    """Write rows as a new shard and return its file.

    EvidenceError when a row contradicts another or the evidence that is there, which must be
    readable; then, and when it cannot be written, nothing is.
    """
    columns = [row.columns for row in rows]
    file = folder / f"{datetime.now(UTC):%Y-%m-%d}-{_digest(columns)}.parquet"
    for error in contradictions({**read_evidence(folder).shards, file: rows}):
        raise error
    with replacing(file) as temporary:
        frame = pd.DataFrame(columns)
        frame.to_parquet(temporary, engine="pyarrow", compression="zstd", index=False)
    return file


def read_shard(file: Path) -> tuple[Row, ...]:
    """Read a shard; EvidenceError, which names it, when it is not as it was written."""
    with refused(f"{file} cannot be read.", BACK, EvidenceError):
        table = pd.read_parquet(file, engine="pyarrow")
        newest = int(table["schema"].max())
        if newest > SCHEMA:
            raise EvidenceError(
                f"{file} was written by a newer version of hindi-bn.",
                f"Its schema is {newest}; this version knows those up to {SCHEMA}.",
                "install that version, or name another folder with --evidence",
            )
        columns = [
            {str(name): _plain(value) for name, value in row.items()}
            for row in table.to_dict("records")
        ]
        try:
            rows = tuple(Row.from_columns(row) for row in columns)
        except EvidenceError as error:
            raise EvidenceError(f"{file}: {error.what}", error.why, BACK) from error
        if file.stem.rpartition("-")[2] != _digest(columns):
            raise EvidenceError(
                f"{file} does not hold the rows that it was written with.",
                f"Its name does not follow from the digests of its {len(rows)} rows.",
                BACK,
            )
        return rows


def _digest(columns: Sequence[Mapping[str, Any]]) -> str:
    return digest_of([row["digest"] for row in columns])[:16]


def _plain(value: Any) -> Any:
    """Return Python's own number, text or list of numbers."""
    if isinstance(value, np.ndarray):
        return [float(entry) for entry in value]
    return value.item() if isinstance(value, np.generic) else value
