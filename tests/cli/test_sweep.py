"""`hindi-bn sweep` on a tiny data set, trained in this process."""

from __future__ import annotations

import io
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from older import as_unfinished
from rich.console import Console
from tiny import tiny_digits
from tiny_sweeps import Here, sweep, train
from typer.testing import CliRunner, Result

import hindi_bn.digits
import hindi_bn.runners.local
from hindi_bn.cli import app
from hindi_bn.cli import sweep_progress as progress_module
from hindi_bn.cli.progress import loader
from hindi_bn.cli.tables import duration
from hindi_bn.errors import DataError
from hindi_bn.sweeps.estimate import estimate
from hindi_bn.sweeps.run import plan_sweep
from hindi_bn.sweeps.store import RunStore

FILE = """
name: tiny
study: {epochs: 1, device: cpu, threads: 1, batch_size: 16}
grid: {lr: [0.1, 1.0e+9]}
seeds: 1
"""


class Workers(Here):
    """In place of the local runner."""

    def __init__(self, workers: int | None = None) -> None:
        super().__init__()


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())
    monkeypatch.setattr(hindi_bn.runners.local, "LocalRunner", Workers)
    Path("tiny.yaml").write_text(FILE)


@pytest.fixture
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hindi_bn.sweeps.drawing.sweep_figures", lambda *_: {})


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["sweep", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_a_sweep_prints_and_writes_its_results() -> None:
    result = run("tiny.yaml", "--format", "svg", "--seeds", "2")
    assert "learning rate 0.1" in result.stdout
    assert "paired by seed" in result.stdout
    assert "2 runs diverged and count as guessing (10 %)" in result.stdout
    lines = result.stderr.splitlines()
    assert lines[0] == "4 runs: 0 finished; 4 to train."
    assert lines[1].startswith("[1/4] lr=0.1, seed 5842: test accuracy 0.")
    assert lines[2].startswith("[2/4] lr=1000000000, seed 5842: diverged at epoch 0, step ")
    assert lines[1].endswith("left)")
    assert "left" not in lines[4]
    folder = Path("results/sweeps/tiny")
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert {"final-accuracy.svg", "curves-test-accuracy.svg"} <= figures
    document = json.loads((folder / "summary.json").read_text())
    assert document["sweep"]["seeds"] == 2
    assert document["complete"]


def test_a_wrong_setting_is_told_as_it_was_typed() -> None:
    said = run("tiny.yaml", "--set", "batch_size=-1", "--set", "lr=abc", code=1).stderr
    assert "--set batch_size=-1: It must be 1 or greater (it is -1)." in said
    assert "--set lr=abc: It must be a number (it is 'abc')." in said  # a key of the grid
    assert "tiny.yaml" not in said
    said = run("tiny.yaml", "--set", "batch_sizes=8", code=1).stderr
    assert "--set batch_sizes=8 cannot be used" in said
    assert "Next: correct the command" in said


@pytest.mark.usefixtures("unrendered")
@pytest.mark.usefixtures("_no_figures")
def test_json_is_one_document_and_nothing_is_trained_twice() -> None:
    first = run("tiny.yaml", "--json", "--quiet")
    assert first.stderr == ""
    document = json.loads(first.stdout)
    assert document["runs"] == 2
    again = run("tiny.yaml", "--json")
    assert again.stderr == "2 runs: 1 finished, 1 diverged; 0 to train.\n"
    assert json.loads(again.stdout) == document
    more = run("tiny.yaml", "--json", "--set", "lr=[0.1, 0.2]", "--epochs", "1")
    assert "1 to train" in more.stderr


def test_a_dry_run_lists_and_writes_nothing() -> None:
    before = set(Path().rglob("*"))
    result = run("tiny.yaml", "--dry-run", "--seeds", "3")
    assert "5842 to 5844" in result.stdout
    assert "6 runs to train, 6 epochs: about" in result.stdout
    assert "1 run at a time" in run("tiny.yaml", "--dry-run", "--workers", "1").stdout
    planned = json.loads(run("tiny.yaml", "--dry-run", "--json").stdout)
    assert planned["todo"] == planned["epochs_left"] == 2
    assert planned["arms"][0]["seconds_per_epoch"] > 0
    assert set(Path().rglob("*")) == before


def test_an_estimate_takes_part_of_the_images_and_augments_them(tmp_path: Path) -> None:
    grid = {"train_images": [20, 21], "augment": ["none", "crop-rotate"]}
    plan = plan_sweep(sweep(grid=grid, seeds=1), lambda name: tiny_digits(), RunStore(tmp_path), "")
    arms = estimate(plan, RunStore(tmp_path), 1).arms
    assert [arm.seconds_per_epoch is not None for arm in arms] == [True, True, False, False]
    assert "21 images" in arms[2].refused


def test_an_estimate_counts_what_is_left(tmp_path: Path) -> None:
    store, norms = RunStore(tmp_path), ["none", {"name": "group", "groups": 5}, "batch"]
    what = sweep(grid={"norm": norms}, study={"epochs": 3}, seeds=[5, 7])
    plan = plan_sweep(what, lambda name: tiny_digits(), store, "")
    found = estimate(plan, store, 4)
    assert (found.todo, found.epochs_left, found.workers) == (6, 12, 4)
    none, group, batch = found.arms
    assert "cannot" in group.refused
    assert group.seconds_per_epoch is None
    assert none.seconds_per_epoch is not None
    assert batch.seconds_per_epoch is not None
    assert none.seeds == (5, 7)
    expected = (6 * none.seconds_per_epoch + 6 * batch.seconds_per_epoch) / 4
    assert found.seconds == pytest.approx(expected)

    def stop(progress: Any, event: Any) -> None:
        if getattr(event, "row", None) is not None and event.row.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(what, tmp_path, on_event=stop)
    assert estimate(plan, store, 4).epochs_left == 10
    train(what, tmp_path)
    done = estimate(plan, store, 4)
    assert (done.todo, done.seconds, [arm.done for arm in done.arms]) == (0, 0.0, [2, 2, 2])
    again = estimate(plan, store, 4, retry_failed=True)
    assert [arm.done for arm in again.arms] == [2, 0, 2]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.usefixtures("_no_figures")
def test_failures_are_listed_and_end_with_exit_code_1() -> None:
    norms = "norm=[{name: group, groups: 5}, none]"
    Path("tiny.yaml").write_text(FILE.replace("lr: [0.1, 1.0e+9]", "norm: [batch], dropout: [0]"))
    result = run("tiny.yaml", "--set", norms, code=1)
    assert "norm=group, dropout=0, seed 5842: failed:" in result.stderr
    assert "1 of 2 runs have no result" in result.stderr
    assert "--retry-failed" in result.stderr
    again = run("tiny.yaml", "--set", norms, code=1)
    assert "1 finished, 1 failed; 0 to train" in again.stderr
    assert "cannot be trained" in run("tiny.yaml", "--set", norms, "--dry-run",
                                      "--retry-failed").stdout  # fmt: skip
    stopped = run(
        "tiny.yaml", "--set", norms, "--retry-failed", "--fail-fast", "--out", "o", code=1
    )
    assert "2 of 2 runs have no result" in stopped.stderr
    nothing = run("tiny.yaml", "--set", "norm=[none]", "--dry-run")
    assert "Nothing is left to train." in nothing.stdout


def test_an_interrupted_sweep_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Workers, "run", interrupt)
    result = run("tiny.yaml", code=130)
    assert "Give the same command again to go on" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["tiny.yaml", "--ray-address", "x"], 2, "--executor ray"),
        (["tiny.yaml", "--gpus-per-run", "1"], 2, "--gpus-per-run needs --executor ray"),
        (["tiny.yaml", "--executor", "ray", "--workers", "2"], 2, "--workers is for"),
        (["learning-rate"], 1, "Did you mean 'learning-rates'"),
        (["tiny.yaml", "--set", "lrr=1"], 1, "Did you mean 'lr'"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], code: int, told: str) -> None:
    assert told in " ".join(run(*arguments, code=code).stderr.replace("│", " ").split())


@pytest.mark.usefixtures("_no_figures")
def test_a_cluster_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str | None, float]] = []

    class RayRunner(Here):
        def __init__(self, address: str | None = None, gpus_per_run: float = 0) -> None:
            super().__init__()
            asked.append((address, gpus_per_run))

    stand_in = types.ModuleType("hindi_bn.runners.ray_runner")
    stand_in.RayRunner = RayRunner  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hindi_bn.runners.ray_runner", stand_in)
    run("tiny.yaml", "--executor", "ray", "--ray-address", "here:1", "--gpus-per-run", "0.5")
    assert asked == [("here:1", 0.5)]


def test_real_digits_that_are_missing_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(data_dir: Path, name: str = "digits", advance: Any = None) -> None:
        raise DataError(f"no {name}")

    monkeypatch.setattr(hindi_bn.digits, "load", missing)
    monkeypatch.setattr(hindi_bn.digits, "resolve", lambda *_: tiny_digits())
    load = loader(Path("data"), quiet=True)
    assert load("digits").title == tiny_digits().title
    with pytest.raises(DataError, match="no mnist"):
        load("mnist")


def test_the_terminal_shows_a_bar_and_the_arms_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=90, highlight=False)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)
    monkeypatch.setattr(progress_module, "REDRAWN_EVERY", 0.0)
    monkeypatch.setattr(progress_module, "MOST_ARMS", 2)
    what = sweep(grid={"lr": [0.1, 1e9, 0.2]}, seeds=1)
    with progress_module.sweep_progress(quiet=False) as on_event:
        train(what, tmp_path, on_event=on_event)
    shown = screen.getvalue()
    assert "2 of 3 runs done · 0 failed · 1 diverged · 0 running" in shown
    assert "1 running · … left" in shown
    assert "The first 2 of 3 arms" in shown
    assert "0.1000" in shown
    assert "[2/3] lr=1000000000, seed 5842: diverged" in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.4, "0 s"), (59.6, "1 min 0 s"), (3700, "1 h 1 min"), (100_000, "1 d 3 h")],
)
def test_durations_are_written_in_two_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_killed_process_is_a_stop_not_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import dataclasses

    from hindi_bn.runners.jobs import Failure, JobResult

    def killed(outcome: JobResult) -> JobResult:
        as_unfinished(outcome.job.folder)
        return dataclasses.replace(outcome, failure=Failure("WorkerDied", "It was killed."))

    with progress_module.sweep_progress(quiet=False) as on_event:
        train(sweep(seeds=1), tmp_path, Here(killed), on_event=on_event)
    assert "[1/1] run, seed 5842: stopped: It was killed." in capsys.readouterr().err
