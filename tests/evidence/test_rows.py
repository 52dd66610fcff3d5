"""A run as a row: what it holds, what cannot be one, and what it takes to be believed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from older import without_manifest
from safetensors.numpy import load_file
from tiny import tiny_digits, tiny_study
from tiny_recordings import trained
from tiny_sweeps import sweep, train

from hindi_bn.errors import EvidenceError, RunError
from hindi_bn.evidence.row import Row, row_of, weights_digest
from hindi_bn.evidence.shards import (
    check_evidence,
    read_evidence,
    read_shard,
    write_shard,
)
from hindi_bn.measures import measure, recording_of
from hindi_bn.records import Record, RunFolder
from hindi_bn.registry import PACKAGE, names
from hindi_bn.training.run import train_run


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    out = tmp_path_factory.mktemp("runs")
    found = trained(out, recordings=["pair", "losses"], numerics="engine", threads=2)
    measure(RunFolder(found.folder), "generalisation", tiny_digits())
    environment = json.loads((found.folder / "environment.json").read_text())
    (without_manifest(found.folder) / "environment.json").write_text(
        json.dumps(environment | {"claims": {"1-accuracy": "abc"}})
    )
    return found


@pytest.fixture(scope="module")
def row(record: Record) -> Row:
    return row_of(RunFolder(record.folder))


@pytest.fixture
def shard(tmp_path: Path, row: Row) -> Path:
    return write_shard(tmp_path, [row])


def test_a_row_holds_the_run_at_full_precision(record: Record, row: Row, shard: Path) -> None:
    (read,) = read_shard(shard)
    assert read == row
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-[0-9a-f]{16}", shard.stem)  # as those that are committed
    lines = (record.folder / "history.csv").read_text().splitlines()
    for place, name in enumerate(lines[0].split(",")):
        written = [line.split(",")[place] for line in lines[1:]]
        values = row.history.get(name) or row.recorded.get(name)
        assert name in ("epoch", "seconds") or list(map(repr, values or ())) == written
    digest = hashlib.sha256()
    weights = load_file(record.folder / "weights.safetensors")
    for name, array in sorted(weights.items()):
        kind = {"float32": "<f4", "int64": "<i8"}[str(array.dtype)]
        digest.update(f"{name} {kind} {array.shape}\n".encode() + array.tobytes())
    assert row.weights == digest.hexdigest()
    assert (row.status, row.seed, row.numerics, row.diverged) == ("finished", 5842, "engine", {})
    assert row.settings["run"] == {"epochs": 2, "norm": {"name": "batch"}}
    assert row.data == {"name": "digits", "sha256": dict(tiny_digits().digests)}
    assert set(row.recordings) == {"pair", "losses"}
    measured = json.loads((record.folder / "measures" / "generalisation.json").read_text())
    assert row.measures == {
        "generalisation": {"version": measured["version"], "values": measured["values"]}
    }
    assert row.environment["threads"] == 2
    assert row.environment["torch"] == torch.__version__.partition("+")[0]
    assert len(row.environment["engine"]["source"]) == 64
    assert row.claims == {"1-accuracy": "abc"}


def test_a_shard_is_a_table_that_anybody_can_read(row: Row, shard: Path) -> None:
    table = pd.read_parquet(shard)
    assert table["seed"].tolist() == [5842]
    assert table["train_loss"][0].tolist() == row.history["train_loss"]
    assert json.loads(table["settings"][0]) == row.settings
    assert [path.name for path in shard.parent.iterdir()] == [shard.name]


def test_a_run_of_thirty_epochs_takes_no_more_than_three_kilobytes(
    row: Row, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    rows = [
        replace(
            row,
            weights=random.bytes(32).hex(),
            history={name: random.random(30).tolist() for name in row.history},
            recorded={},
            environment=row.environment | {"cpu_flags": [f"machine {place}"]},
            measures={"drift": {"version": 1, "values": dict(enumerate(random.random(8)))}},
        )
        for place in range(50)
    ]  # fmt: skip
    columns = pd.DataFrame([each.columns for each in rows])
    columns.to_parquet(tmp_path / "s.parquet", compression="zstd")
    assert (tmp_path / "s.parquet").stat().st_size / 50 < 3000


def test_all_nan_are_one_and_everything_else_counts() -> None:
    def digest(values: Any, name: str = "a") -> str:
        return weights_digest({name: torch.from_numpy(np.array(values, dtype=np.float32))})

    nan = np.array([0x7FC00000, 0xFFC00001], dtype=np.uint32).view(np.float32)
    assert digest([1.0, nan[0]]) == digest([1.0, nan[1]])
    different = [digest([0.0]), digest([-0.0]), digest([[0.0]]), digest([0.0], "b"), digest([])]
    assert len(set(different)) == 5
    whole = weights_digest({"a": torch.zeros(1, dtype=torch.int32)})
    assert whole != digest([0.0])  # equal bytes


def test_a_run_that_diverged_is_a_row_and_one_that_has_not_ended_is_none(tmp_path: Path) -> None:
    result, (key,) = train(sweep(grid={"lr": [1e9]}, seeds=1), tmp_path)
    row = row_of(RunFolder(tmp_path / "runs" / key))
    assert (row.status, row.weights, row.history["train_loss"]) == ("diverged", "", [])
    assert row.diverged["step"] == result.runs["diverged_step"][0]
    assert row.key == key
    history = tmp_path / "runs" / key / "history.csv"
    whole = history.read_text()
    history.write_text(f"{whole}0,1.0,0.5,0.9,0.5,0.9\n")
    with pytest.raises(RunError, match=r"history\.csv has changed since the run diverged"):
        row_of(RunFolder(tmp_path / "runs" / key))
    history.write_text(whole)
    assert row_of(RunFolder(tmp_path / "runs" / key)) == row
    (tmp_path / "runs" / key / "failure.json").unlink()
    with pytest.raises(EvidenceError, match="is no evidence"):
        row_of(RunFolder(tmp_path / "runs" / key))


def test_a_run_whose_stream_runs_on_from_others_is_none(tmp_path: Path) -> None:
    study = tiny_study(epochs=1)
    for name in ("no-bn", "bn"):
        train_run(study, name, tiny_digits(), tmp_path)
    assert row_of(RunFolder(tmp_path / "article" / "no-bn")).status == "finished"
    with pytest.raises(EvidenceError, match="runs on from the runs before it"):
        row_of(RunFolder(tmp_path / "article" / "bn"))


def test_a_row_of_the_engine_was_trained_by_it(tmp_path: Path) -> None:
    """As where a group of runs was trained together by torch."""
    record = trained(tmp_path, numerics="engine", recordings=[])
    file = without_manifest(record.folder) / "environment.json"
    said = json.loads(file.read_text())
    del said["engine"]
    file.write_text(json.dumps(said))
    with pytest.raises(EvidenceError, match="does not say that this trained it"):
        row_of(RunFolder(file.parent))


def rewritten(shard: Path, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> None:
    table = pd.read_parquet(shard)
    changed = change(table)
    (table if changed is None else changed).to_parquet(shard, compression="zstd", index=False)


def better(table: pd.DataFrame) -> None:
    table["test_accuracy"] = table["test_accuracy"] + 0.01


def other_seed(table: pd.DataFrame) -> None:
    table["seed"] = 1


def without_a_row(table: pd.DataFrame) -> pd.DataFrame:
    return table[:1]


def newer(table: pd.DataFrame) -> None:
    table["schema"] = 2


def without_weights(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="weights")


def without_digests(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="digest")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (better, "is not as it was written"),
        (other_seed, "is not as it was written"),
        (without_a_row, "does not hold the rows that it was written with"),
        (newer, "was written by a newer version of hindi-bn"),
        (without_weights, "is not as it was written"),
        (without_digests, "cannot be read"),
    ],
)
def test_a_changed_shard_is_refused_by_name(
    tmp_path: Path, row: Row, change: Any, told: str
) -> None:
    other = replace(row, started="later")
    whole, damaged = write_shard(tmp_path, [row]), write_shard(tmp_path, [row, other])
    rewritten(damaged, change)
    before = damaged.read_bytes()
    with pytest.raises(EvidenceError, match=told) as refused:
        read_evidence(tmp_path)
    assert damaged.name in refused.value.what
    assert refused.value.next_step
    with pytest.raises(EvidenceError, match=told):
        write_shard(tmp_path, [other])
    found, problems = check_evidence(tmp_path)
    assert list(found.rows) == [row]
    assert list(found.shards) == [whole]
    assert [str(problem) for problem in problems] == [str(refused.value)]
    assert damaged.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_shard_that_was_cut_short_is_refused_by_name(tmp_path: Path, shard: Path) -> None:
    whole = shard.read_bytes()
    for size in (0, 7, len(whole) // 2, len(whole) - 1):
        shard.write_bytes(whole[:size])
        with pytest.raises(EvidenceError, match=f"{shard.name} cannot be read"):
            read_evidence(tmp_path)
    shard.write_bytes(whole)
    (tmp_path / ".half.tmp.parquet").write_bytes(whole[:7])  # what a kill leaves behind
    assert len(list(read_evidence(tmp_path).rows)) == 1


def resealed(row: Row, **columns: Any) -> dict[str, Any]:
    """A row's columns with others in their place, and the digest that these have."""
    changed = row.columns | columns
    del changed["digest"]
    text = json.dumps(changed, sort_keys=True, separators=(",", ":"))
    return changed | {"digest": hashlib.sha256(text.encode()).hexdigest()}


def test_a_row_whose_digest_was_mended_too_must_still_follow_from_its_settings(row: Row) -> None:
    assert Row.from_columns(resealed(row)) == row
    settings = row.columns["settings"].replace('"epochs":2', '"epochs":3')
    with pytest.raises(EvidenceError, match="does not follow from its settings"):
        Row.from_columns(resealed(row, settings=settings))
    with pytest.raises(EvidenceError, match="contradicts itself"):
        Row.from_columns(resealed(row, seed=1))


def test_rows_that_must_have_the_same_bits_and_have_not_are_named(tmp_path: Path, row: Row) -> None:
    first = write_shard(tmp_path, [row])
    elsewhere = replace(row, environment=row.environment | {"device_name": "another"}, seconds=9.0)
    second = write_shard(tmp_path, [elsewhere])  # the same bits
    wrong = replace(elsewhere, weights="0" * 64)
    with pytest.raises(EvidenceError, match=f"disagree on run {row.key}") as refused:
        write_shard(tmp_path, [wrong])
    assert any(file.name in refused.value.what for file in (first, second))
    assert "their weights differ" in refused.value.why
    assert len(list(tmp_path.iterdir())) == 2
    other = tmp_path / "other"
    theirs = write_shard(other, [wrong])
    theirs.rename(tmp_path / theirs.name)
    with pytest.raises(EvidenceError, match="disagree"):
        read_evidence(tmp_path)


@pytest.mark.parametrize("name", names("measures"))
def test_a_measure_of_a_recording_names_its_kind(name: str) -> None:
    """Else its values would be taken for those of runs that recorded something else."""
    kind = recording_of(name)
    file = PACKAGE / "measures" / f"{name.replace('-', '_')}.py"
    assert ("rows_of(record, RECORDING)" in file.read_text()) == (kind is not None)
    assert "rows_of(record, " not in file.read_text().replace("rows_of(record, RECORDING)", "")
    assert kind is None or kind in names("training/recordings")
