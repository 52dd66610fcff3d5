"""`hindi-bn runs`, on folders that a tiny study trained, and one of each other state."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from older import as_unfinished
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner, Result

import hindi_bn
from hindi_bn.cli import app
from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Failure


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both runs of two studies; the second has another learning rate."""
    out = tmp_path_factory.mktemp("trained")
    for name, lr in (("one", 0.001), ("two", 0.01)):
        study = tiny_study(name=name, lr=lr, epochs=1, recordings=[])
        hindi_bn.train(study, digits=tiny_digits(), out=out / "results")
    return out


@pytest.fixture
def results(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("results")


def run(*arguments: str, code: int = 0, typed: str = "") -> Result:
    result = CliRunner().invoke(app, ["runs", *arguments], input=typed)
    assert result.exit_code == code, result.output
    return result


def listed(*arguments: str) -> list[dict[str, Any]]:
    return list(json.loads(run(*arguments, "--json").stdout))


def folders(*arguments: str) -> list[str]:
    return [row["folder"] for row in listed(*arguments)]


def test_every_run_is_listed_with_its_settings_and_results(results: Path) -> None:
    rows = listed()
    names = ["one/bn", "one/no-bn", "two/bn", "two/no-bn"]
    assert [row["folder"] for row in rows] == [f"results/{name}" for name in names]
    history = RunFolder(results / "one" / "bn").read_history()
    assert rows[0]["test_accuracy"] == history["test_accuracy"].iloc[-1]
    assert (rows[0]["study"], rows[0]["run"], rows[0]["norm"]) == ("one", "bn", "batch")
    assert (rows[0]["status"], rows[0]["epochs"], rows[0]["epochs_wanted"]) == ("finished", 1, 1)
    assert [row["lr"] for row in rows] == [0.001, 0.001, 0.01, 0.01]
    text = run().stdout
    for word in (*names, "finished", "1 of 1", "batch", "0.01"):
        assert word in text
    assert "seed" not in text  # they do not differ in it


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (["norm=batch"], ["one/bn", "two/bn"]),
        (["norm!=batch", "lr>0.005"], ["two/no-bn"]),
        (["study=TW*"], ["two/bn", "two/no-bn"]),
        (["lr=1e-2"], ["two/bn", "two/no-bn"]),
        (["norm.eps<=0.00001"], ["one/bn", "two/bn"]),
        (["seed<5842"], []),
    ],
)
def test_conditions_all_hold(results: Path, conditions: list[str], found: list[str]) -> None:
    where = [part for text in conditions for part in ("--where", text)]
    assert folders(*where) == [f"results/{name}" for name in found]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--where", "nrm=batch"], "Did you mean 'norm'?"),
        (["--where", "norm"], "condition 'norm'"),
        (["--where", "lr>much"], "a number after"),
        (["--sort", "accuracy"], "Did you mean 'test_accuracy'?"),
    ],
)
def test_a_wrong_condition_is_explained(results: Path, arguments: list[str], said: str) -> None:
    assert said in run(*arguments, code=1).stderr


def test_sorting_puts_what_has_no_value_last(results: Path) -> None:
    (results / "one" / "bn" / "history.csv").write_text("epoch\n")
    rows = listed("--sort", "train_loss", "--reverse")
    assert rows[-1]["status"] == "damaged"
    assert "history.csv has changed since the run finished" in rows[-1]["why"]
    losses = [row["train_loss"] for row in rows[:-1]]
    assert losses == sorted(losses, reverse=True)
    shown = run("--sort", "train_loss")
    assert "damaged" in shown.stdout
    assert "history.csv has changed" in shown.stderr


def test_states_of_runs_that_did_not_finish(results: Path) -> None:
    one, two, three = (results / name for name in ("one/bn", "one/no-bn", "two/bn"))
    for folder in (one, two, three):
        as_unfinished(folder)
    failure = asdict(Failure("DivergedError", "", epoch=0, step=3)) | {"seconds": 1}
    (two / "failure.json").write_text(json.dumps(failure))
    with RunFolder(three).locked():
        states = [row["status"] for row in listed()]
    assert states == ["unfinished", "diverged", "training", "finished"]


def test_runs_are_verified(results: Path) -> None:
    as_unfinished(results / "one" / "bn")
    (results / "two" / "bn" / "manifest.json").unlink()
    said = run("verify").stdout.splitlines()
    states = ["unfinished", "ok", "no manifest", "ok"]
    assert said == [f"{folder}: {state}" for folder, state in zip(folders(), states, strict=True)]
    weights = results / "two" / "no-bn" / "weights.safetensors"
    weights.write_bytes(b"")
    result = run("verify", "--json", code=1)
    assert [row["state"] for row in json.loads(result.stdout)] == [*states[:3], "damaged"]
    assert f"{weights} has changed since the run finished" in json.loads(result.stdout)[3]["why"]
    assert "Damaged: 1 of 4 runs." in result.stderr
    assert run("verify", "results/one/no-bn").stdout == "results/one/no-bn: ok\n"
    assert "is not a run's folder" in run("verify", "results", code=1).stderr


def test_nothing_trained_is_no_error(tmp_path: Path) -> None:
    assert listed("--out", str(tmp_path)) == []
    assert "no such runs" in run("--out", str(tmp_path)).stderr
    assert run("--out", str(tmp_path), "--quiet").output == ""


def test_show_tells_all_that_a_folder_holds(results: Path) -> None:
    document = json.loads(run("show", "results/one/bn", "--json").stdout)
    assert document["study"]["name"] == "one"
    assert document["history"][0]["epoch"] == 0
    size = (results / "one/bn/weights.safetensors").stat().st_size
    assert document["files"]["weights.safetensors"] == size
    text = run("show", "results/one/bn").stdout
    assert "lr:                    0.001" in text
    assert f"{document['history'][0]['train_loss']:.4f}" in text
    assert "not a run's folder" in run("show", "results/one", code=1).stderr


def test_remove_asks_and_deletes_only_what_was_named(results: Path) -> None:
    refused = run("remove", "results/one/bn", typed="n\n", code=1)
    assert "results/one/bn" in refused.stderr
    assert len(folders()) == 4
    run("remove", "results/one/bn", typed="y\n")
    assert folders() == ["results/one/no-bn", "results/two/bn", "results/two/no-bn"]
    removed = json.loads(run("remove", "--where", "study=two", "--yes", "--json").stdout)
    assert removed["removed"] == ["results/two/bn", "results/two/no-bn"]
    assert folders() == ["results/one/no-bn"]
    assert sorted(path.name for path in (results / "two").iterdir()) == []


def test_what_is_no_run_or_in_use_is_not_removed_nor_anything_beside_it(results: Path) -> None:
    (results / "mine").mkdir()
    (results / "mine" / "notes.txt").write_text("kept")
    wrong = run("remove", "results/one/bn", "results/mine", "--yes", code=1)
    assert "not a run's folder" in wrong.stderr
    with RunFolder(results / "two" / "bn").locked():
        used = run("remove", "results/one/bn", "results/two/bn", "--yes", code=1)
    assert "in use" in used.stderr
    assert len(folders()) == 4
    assert (results / "mine" / "notes.txt").exists()
    run("remove", code=2)
    run("remove", "results/one/bn", "--where", "lr=1", code=2)
    assert "No run" in run("remove", "--where", "lr=1", "--yes", code=1).stderr
