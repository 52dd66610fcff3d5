"""Who trains a sweep's runs: workers, ensembles; and what a kill leaves."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from older import as_unfinished
from scripts import importing
from tiny import tiny_digits
from tiny_sweeps import compared, load, sweep, train

import hindi_bn.training.device as device_module
import hindi_bn.training.gpu.ensemble_record as record_module
from hindi_bn.errors import RunError, StudyError
from hindi_bn.records import RunFolder
from hindi_bn.runners import local
from hindi_bn.runners.jobs import perform
from hindi_bn.runners.local import LocalRunner
from hindi_bn.sweeps.output import write_sweep
from hindi_bn.sweeps.run import plan_sweep
from hindi_bn.sweeps.store import RunStore


@pytest.mark.slow
def test_workers_give_the_tables_of_this_process(tmp_path: Path) -> None:
    what = sweep(grid={"lr": [0.1, 1e9]}, seeds=1)
    crew, _ = train(what, tmp_path / "crew", LocalRunner(workers=1))
    here, _ = train(what, tmp_path / "here")
    assert compared(crew).equals(compared(here))
    assert crew.epochs.equals(here.epochs)


def test_an_ensemble_gives_the_tables_of_single_runs_to_rounding(tmp_path: Path) -> None:
    what = sweep(grid={"lr": [0.1, 1e9]}, study={"recordings": ["pair"]})
    together, _ = train(what, tmp_path / "together", LocalRunner(together=True))
    single, _ = train(what, tmp_path / "single")
    assert list(together.runs["status"]) == list(single.runs["status"])
    assert (together.runs["key"] == single.runs["key"]).all()
    columns = ["train_loss", "test_loss", "wx"]
    np.testing.assert_allclose(together.epochs[columns], single.epochs[columns], rtol=1e-4)
    key = together.runs["key"][0]
    (file,) = (tmp_path / "together/runs").glob(f"{key}-*/environment.json")
    seen = json.loads(file.read_text())
    assert seen["ensemble"]["members"] == 2
    assert train(what, tmp_path / "together", LocalRunner(together=True))[1] == []


def test_groups_are_runs_that_differ_in_the_seed_alone(tmp_path: Path) -> None:
    plain = sweep(grid={"lr": [0.1, 0.2]})
    recording = sweep(study={"recordings": ["gradients"]})
    jobs = [run.job for what in (plain, recording)
            for run in plan_sweep(what, load, RunStore(tmp_path), "").runs]  # fmt: skip
    assert [len(group) for group in local.groups(jobs)] == [2, 2, 1, 1]
    perform(jobs[0], tiny_digits())
    as_unfinished(jobs[0].folder)
    assert [len(group) for group in local.groups(jobs)] == [2, 2, 1, 1]
    checkpoint = RunFolder(jobs[0].folder).checkpoint_folder
    checkpoint.mkdir()
    (checkpoint / "state.json").write_text("{}")
    assert [len(group) for group in local.groups(jobs)] == [1, 1, 2, 1, 1]


def test_an_ensemble_that_is_refused_fails_for_all_its_members(tmp_path: Path) -> None:
    what = sweep(set={"norm": {"name": "group", "groups": 5}})
    result, _ = train(what, tmp_path, LocalRunner(together=True))
    assert list(result.runs["status"]) == ["failed", "failed"]


def test_an_ensemble_that_breaks_down_is_trained_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(record_module, "record_ensemble", refuse)
    seen: list[str] = []
    result, _ = train(
        sweep(), tmp_path, LocalRunner(together=True),
        on_event=lambda progress, what: seen.append(getattr(what, "text", "")),
    )  # fmt: skip
    assert result.complete
    assert any("out of memory" in text for text in seen)


@pytest.mark.parametrize(("device", "here"), [("cuda", True), ("cpu", False)])
def test_jobs_go_where_their_device_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, here: bool
) -> None:
    (run,) = plan_sweep(sweep(seeds=1), load, RunStore(tmp_path), "").runs
    monkeypatch.setattr(
        device_module, "choose_device", lambda wanted: type("D", (), {"type": device})
    )
    assert LocalRunner()._in_this_process(run.job) is here

    def missing(wanted: str) -> None:
        raise StudyError("no such device")

    monkeypatch.setattr(device_module, "choose_device", missing)
    assert LocalRunner()._in_this_process(run.job) is False


KILLED = """
import sys
from pathlib import Path
from tiny_sweeps import load
from test_local import KILL_SWEEP
from hindi_bn.runners.local import LocalRunner
from hindi_bn.sweeps.run import run_sweep
from hindi_bn.sweeps.store import RunStore

def tell(progress, what):
    if getattr(what, "kind", "") == "epoch":
        print("epoch", flush=True)

if __name__ == "__main__":
    store, runner = RunStore(Path(sys.argv[1])), LocalRunner(workers=2)
    run_sweep(KILL_SWEEP, load, store, runner, on_event=tell)
"""
KILL_SWEEP = sweep("killed", {"epochs": 12}, grid={"norm": ["none", "batch"], "lr": [0.1, 1e9]})


@pytest.mark.slow
def test_a_sweep_killed_five_times_ends_with_the_same_tables(tmp_path: Path) -> None:
    undisturbed, _ = train(KILL_SWEEP, tmp_path / "whole", LocalRunner(workers=2))
    for kill in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / "killed")],
            stdout=subprocess.PIPE, text=True, env=importing(__file__), start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(3 + 2 * kill):
            assert process.stdout.readline() == "epoch\n"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        _wait_for_locks(tmp_path / "killed" / "runs")
    result, _ = train(KILL_SWEEP, tmp_path / "killed", LocalRunner(workers=2))
    assert result.complete
    for ended, name in ((undisturbed, "a"), (result, "b")):
        timeless = dataclasses.replace(ended, runs=ended.runs.assign(seconds=0.0))
        write_sweep(timeless, KILL_SWEEP, tmp_path / name)
    for file in ("runs.parquet", "epochs.parquet", "summary.csv", "paired.csv", "summary.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def _wait_for_locks(folder: Path) -> None:
    """Workers notice that whoever gave them jobs is gone, save their run and end."""
    until = time.monotonic() + 60
    for lock in folder.glob(".*.lock"):
        run = RunFolder(folder / lock.name.removeprefix(".").removesuffix(".lock"))
        while time.monotonic() < until:
            try:
                with run.locked():
                    break
            except RunError:
                time.sleep(0.1)
