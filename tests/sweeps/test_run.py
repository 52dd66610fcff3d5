"""Sweeps on a tiny data set: each run is trained once, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from older import as_unfinished
from tiny_sweeps import Here, compared, load, sweep, train

from hindi_bn.digits import Digits
from hindi_bn.errors import RunError
from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Failure, JobResult, write_failure
from hindi_bn.runners.workers import Event
from hindi_bn.sweeps.cells import cells
from hindi_bn.sweeps.drawing import sweep_figures
from hindi_bn.sweeps.output import output_folder, write_sweep
from hindi_bn.sweeps.run import plan_sweep, run_sweep
from hindi_bn.sweeps.store import RunStore
from hindi_bn.sweeps.sweep_file import Sweep


def test_a_sweep_trains_every_cell_and_tabulates_it(tmp_path: Path) -> None:
    what = sweep(study={"epochs": 2}, grid={"norm": ["none", "batch"]})
    result, trained = train(what, tmp_path)
    runs, epochs = result.runs, result.epochs
    assert list(runs["arm"]) == ["norm=none"] * 2 + ["norm=batch"] * 2
    assert list(runs["seed"]) == [5842, 5843] * 2
    assert list(runs["norm"]) == ["none", "none", "batch", "batch"]
    assert set(runs["status"]) == {"finished"}
    assert list(runs["epochs"]) == [2] * 4
    assert (runs["seconds"] > 0).all()
    assert result.complete
    assert result.varied == ["norm"]
    assert sorted(trained) == sorted(runs["key"])
    assert trained == [runs["key"][row] for row in (0, 2, 1, 3)]  # one seed after the other
    assert list(epochs.columns[:5]) == ["arm", "seed", "key", "norm", "epoch"]
    assert "seconds" not in epochs
    for row in runs.itertuples():
        history = RunFolder(tmp_path / "runs" / str(row.key)).read_history()
        mine = epochs[epochs["key"] == row.key].reset_index(drop=True)
        assert mine["train_loss"].equals(history["train_loss"])
        assert row.final_test_accuracy == history["test_accuracy"].iloc[-1]
        assert row.train_loss_at_1 == history["train_loss"][0]
        assert math.isnan(row.train_loss_at_3)


def test_arms_of_a_seed_share_weights_and_batches(tmp_path: Path) -> None:
    result, _ = train(sweep(grid={"norm": ["none", "spectral"]}, seeds=1), tmp_path)
    again, _ = train(sweep(grid={"norm": ["spectral"]}, seeds=1), tmp_path / "alone")
    assert compared(result)[1:].reset_index(drop=True).equals(compared(again))


def test_finished_runs_are_shared_between_sweeps(tmp_path: Path) -> None:
    _, first = train(sweep("one", grid={"lr": [0.1, 0.2]}), tmp_path)
    twice = sweep("two", grid={"lr": [0.2, 0.3], "norm": ["none", {"name": "none"}]})
    with pytest.raises(Exception, match="are the same"):
        cells(twice)
    other = sweep("two", study={"name": "other", "description": "x"}, grid={"lr": [0.2, 0.3]})
    result, second = train(other, tmp_path)
    assert len(first) == 4
    assert len(second) == 2
    assert set(first) & set(result.runs["key"]) == set(result.runs["key"][:2])
    _, third = train(other, tmp_path)
    assert third == []


def test_auto_is_settled_before_a_run_goes_anywhere(tmp_path: Path) -> None:
    runner = Here()
    train(
        sweep(study={"numerics": "auto"}, grid={"norm": ["batch", "weight"]}, seeds=1),
        tmp_path, runner,
    )  # fmt: skip
    assert [job.study.numerics for job in runner.jobs] == ["engine", "fast"]


def test_cells_with_equal_keys_are_trained_once(tmp_path: Path) -> None:
    study = {"runs": [{"name": "a", "lr": 0.1}, {"name": "b", "lr": 0.1}]}
    result, trained = train(sweep(study=study, seeds=1), tmp_path)
    assert list(result.runs["arm"]) == ["a", "b"]
    assert result.runs["key"].nunique() == len(trained) == 1
    assert result.runs["final_test_accuracy"][0] == result.runs["final_test_accuracy"][1]
    assert len(result.epochs) == 2


def test_a_run_that_diverges_is_a_result(tmp_path: Path) -> None:
    what = sweep(grid={"lr": [1e9, 0.1]}, seeds=1)
    result, _ = train(what, tmp_path)
    wild, good = result.runs.itertuples()
    assert (wild.status, good.status) == ("diverged", "finished")
    assert result.complete
    assert (wild.diverged_epoch, wild.epochs, wild.final_test_accuracy) == (0, 0, 0.1)
    recorded = json.loads((tmp_path / "runs" / wild.key / "failure.json").read_text())
    assert recorded["kind"] == "DivergedError"
    assert recorded["step"] == wild.diverged_step >= 1
    assert recorded["seconds"] == wild.seconds
    assert math.isnan(good.diverged_step)
    (end,) = result.bad_ends
    assert (end.arm, end.status) == ("lr=1000000000", "diverged")
    _, again = train(what, tmp_path, retry_failed=True)
    assert again == []


def test_a_run_that_fails_is_recorded_and_retried_when_asked(tmp_path: Path) -> None:
    what = sweep(grid={"norm": [{"name": "group", "groups": 5}, "none"]}, seeds=1)
    result, trained = train(what, tmp_path)
    assert list(result.runs["status"]) == ["failed", "finished"]
    assert not result.complete
    assert result.runs["final_test_accuracy"].isna().tolist() == [True, False]
    assert "5" in result.bad_ends[0].why
    assert len(trained) == 2
    assert train(what, tmp_path)[1] == []
    _, again = train(what, tmp_path, retry_failed=True)
    assert again == trained[:1]


def test_a_failure_that_has_passed_leaves_no_trace(tmp_path: Path) -> None:
    def spoil(result: JobResult) -> JobResult:
        as_unfinished(result.job.folder)
        return dataclasses.replace(result, failure=Failure.of(MemoryError("too large")))

    what = sweep(seeds=1)
    failed, _ = train(what, tmp_path, Here(spoil))
    assert list(failed.runs["status"]) == ["failed"]
    assert "too large" in failed.bad_ends[0].why
    result, _ = train(what, tmp_path, retry_failed=True)
    undisturbed, _ = train(what, tmp_path / "other")
    assert compared(result).equals(compared(undisturbed))
    assert result.bad_ends == ()


def test_a_failed_run_that_another_process_finished_meanwhile_is_not_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one retries it between the moment when this one plans and that of its lock."""

    def spoil(result: JobResult) -> JobResult:
        return dataclasses.replace(result, failure=Failure.of(MemoryError("too large")))

    what, out, locked = sweep(seeds=1), tmp_path / "parts", RunFolder.locked
    (run,) = _runs(what, tmp_path)
    write_failure(spoil(JobResult(run.job, 1.0)))
    finished: list[int] = []

    def after_the_other(folder: RunFolder) -> Any:
        monkeypatch.setattr(RunFolder, "locked", locked)
        train(what, out, retry_failed=True)
        finished.append(folder.weights_file.stat().st_ino)
        return locked(folder)

    monkeypatch.setattr(RunFolder, "locked", after_the_other)
    result, _ = train(what, out, retry_failed=True)
    assert result.complete
    assert finished == [RunFolder(run.job.folder).weights_file.stat().st_ino]


def test_fail_fast_stops_at_the_first_failure_but_not_at_a_divergence(tmp_path: Path) -> None:
    norms = [{"name": "group", "groups": 5}, "none"]
    grid = {"lr": [1e9, 0.1], "norm": norms}
    excluded = [{"lr": 1e9, "norm": "group"}]
    what = sweep(grid=grid, exclude=excluded, seeds=1)
    result, trained = train(what, tmp_path, fail_fast=True)
    assert list(result.runs["status"]) == ["diverged", "failed", "missing"]
    assert len(trained) == 2
    assert result.epochs.empty
    assert list(result.epochs.columns[:3]) == ["arm", "seed", "key"]


@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_run_whose_process_was_killed_stays_open(tmp_path: Path, fail_fast: bool) -> None:
    def killed(result: JobResult) -> JobResult:
        as_unfinished(result.job.folder)
        return dataclasses.replace(result, failure=Failure("WorkerDied", "It was killed."))

    what = sweep()
    result, trained = train(what, tmp_path, Here(killed), fail_fast=fail_fast)
    assert len(trained) == (1 if fail_fast else 2)
    assert set(result.runs["status"]) == {"missing"}
    assert result.bad_ends[0].why == "It was killed."
    assert train(what, tmp_path)[0].complete


def test_a_run_that_another_process_trains_stays_open(tmp_path: Path) -> None:
    what = sweep(seeds=1)
    (run,) = plan_sweep(what, load, RunStore(tmp_path), "").runs
    with RunFolder(run.job.folder).locked():
        result, _ = train(what, tmp_path)
    assert list(result.runs["status"]) == ["missing"]
    assert "in use" in result.bad_ends[0].why
    damaged = RunFolder(run.job.folder).checkpoint_folder / "state.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    result, _ = train(what, tmp_path)
    assert list(result.runs["status"]) == ["failed"]
    assert train(what, tmp_path, retry_failed=True)[0].complete


def test_a_sweep_that_is_interrupted_again_and_again_ends_with_the_same_tables(
    tmp_path: Path,
) -> None:
    what = sweep(grid={"lr": [1e9, 0.1]}, study={"epochs": 3}, seeds=1)
    undisturbed, _ = train(what, tmp_path / "whole")

    def interrupt(progress: Any, event: object) -> None:
        if isinstance(event, Event) and event.kind == "epoch":
            raise KeyboardInterrupt

    interrupts = 0
    while True:
        try:
            result, _ = train(what, tmp_path / "parts", on_event=interrupt)
            break
        except KeyboardInterrupt:
            interrupts += 1
            statuses = {RunStore(tmp_path / "parts").status(run) for run in _runs(what, tmp_path)}
            assert "failed" not in statuses
    assert interrupts == 3
    assert compared(result).equals(compared(undisturbed))
    assert result.epochs.equals(undisturbed.epochs)


def _runs(what: Sweep, tmp_path: Path) -> Any:
    return plan_sweep(what, load, RunStore(tmp_path / "parts"), "").runs


def test_data_are_loaded_once_and_named(tmp_path: Path) -> None:
    asked: list[str] = []

    def count(name: str) -> Digits:
        asked.append(name)
        return load("stand-in" if name == "digits" else name)

    what = sweep(grid={"data": ["digits", "stand-in"]}, seeds=1)
    result = run_sweep(what, count, RunStore(tmp_path), Here())
    assert asked == ["digits", "stand-in"]
    assert result.data == ("stand-in",)
    assert result.title == "drawn stand-in, not the article's data"
    assert [path.name for path in tmp_path.iterdir()] == ["runs-stand-in"]
    assert output_folder(tmp_path, what, result.data) == tmp_path / "sweeps" / "s-stand-in"


@pytest.mark.slow
def test_what_is_written_is_equal_to_the_byte_when_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hindi_bn.sweeps.drawing.sweep_figures",
        lambda *tables: {"paired": sweep_figures(*tables)["paired"]},
    )
    what = sweep(grid={"norm": ["none", "batch"], "lr": [0.1, 1e9]})
    result, _ = train(what, tmp_path)
    folder = output_folder(tmp_path, what, result.data)
    document = write_sweep(result, what, folder, ["png"])
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    names = {path.relative_to(folder).as_posix() for path in written}
    assert {"runs.parquet", "epochs.parquet", "summary.csv", "paired.csv", "summary.json",
            "figures/paired.png"} == names  # fmt: skip
    runs, epochs = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "epochs"))
    pd.testing.assert_frame_equal(runs, result.runs)
    pd.testing.assert_frame_equal(epochs, result.epochs)
    assert json.loads((folder / "summary.json").read_text()) == document
    assert (
        document["statuses"] == {"finished": 4, "diverged": 4}
        or sum(document["statuses"].values()) == 8
    )
    assert document["arms"][0] == {"arm": "norm=none, lr=0.1", "norm": "none", "lr": 0.1, "n": 2}
    finals = result.runs["final_test_accuracy"][:2]
    row = next(row for row in document["summary"] if row["metric"] == "final_test_accuracy")
    assert row["mean"] == pytest.approx(np.mean(finals))
    again, _ = train(what, tmp_path)
    write_sweep(again, what, folder, ["png"])
    assert {path: path.read_bytes() for path in written} == written


def test_a_damaged_failure_is_named(tmp_path: Path) -> None:
    (run,) = plan_sweep(sweep(seeds=1), load, RunStore(tmp_path), "").runs
    run.job.folder.mkdir(parents=True)
    (run.job.folder / "failure.json").write_text("{")
    with pytest.raises(RunError, match=r"failure.json cannot be read"):
        RunStore(tmp_path).status(run)
