"""A run's folder: what is kept when things go wrong, and who may write."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from older import with_older_state, without_manifest
from resumed import resume
from tiny import tiny_digits, tiny_study
from tiny_runs import EPOCHS, assert_same, interrupted, trained

from hindi_bn.errors import HindiBnError, RunError
from hindi_bn.records import RunFolder
from hindi_bn.training.loop import EpochRow
from hindi_bn.training.run import Reporter, RunInterrupted, train_run

HEAD = "epoch,seconds,train_loss,train_accuracy,test_loss,test_accuracy,wx,wy"


def test_a_finished_folder_holds_what_was_promised(tmp_path: Path) -> None:
    record = trained(tmp_path, epochs=1)
    assert record.folder == tmp_path / "article" / "bn"
    assert sorted(path.name for path in record.folder.iterdir()) == [
        "environment.json", "history.csv", "log.txt", "manifest.json", "run.yaml",
        "weights.safetensors",
    ]  # fmt: skip
    assert record.run.name == "bn"
    assert record.study == tiny_study(epochs=1)
    environment = record.environment
    assert environment["versions"]["torch"] == torch.__version__.split("+")[0]
    assert environment["data"]["sha256"] == tiny_digits().digests
    assert environment["threads"] == 1
    assert environment["seconds"]["total"] > environment["seconds"]["training"] > 0


def test_the_log_tells_how_a_run_began_went_on_and_ended(tmp_path: Path) -> None:
    interrupted(tmp_path, after=1)
    record = trained(tmp_path, resume=True)
    lines = (record.folder / "log.txt").read_text().splitlines()
    times = [datetime.fromisoformat(line.split(" ")[0]) for line in lines]
    assert times == sorted(times)
    texts = [line.partition(" ")[2] for line in lines]
    assert texts[0].startswith("Training: study article, run bn, seed 5842; network three_convs")
    assert texts[1].startswith(f"Epoch 1 of {EPOCHS}: ")
    assert texts[2].startswith("Ended by RunInterrupted: ")
    assert "Resuming" in texts[3]
    assert texts[-1] == "Finished."
    loss = record.history["train_loss"].iloc[-1]
    assert texts[-2].startswith(f"Epoch {EPOCHS} of {EPOCHS}: ")
    assert f"train_loss {loss:.6g}" in texts[-2]


@pytest.mark.parametrize("optimizer", [{"momentum": 0.9}, {"optimizer": "adam"}])
def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(
    tmp_path: Path, optimizer: dict[str, Any]
) -> None:
    whole = trained(tmp_path / "whole", **optimizer)
    folder = interrupted(tmp_path / "parts", 2, **optimizer)
    assert len(RunFolder(folder).read_history()) == 2
    assert not (folder / "weights.safetensors").exists()
    resumed = trained(tmp_path / "parts", resume=True, **optimizer)
    assert_same(whole.folder, resumed.folder)
    seconds = resumed.history["seconds"]
    assert seconds.is_monotonic_increasing


def test_resuming_what_was_never_started_starts_it(tmp_path: Path) -> None:
    assert len(trained(tmp_path, resume=True, epochs=1).history) == 1


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    folder = trained(tmp_path, epochs=1).folder
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    trained(tmp_path, resume=True, epochs=1)
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_an_existing_folder_is_refused_unasked_and_replaced_when_asked(tmp_path: Path) -> None:
    folder = trained(tmp_path, epochs=1).folder
    before = (folder / "history.csv").read_bytes()
    with pytest.raises(RunError, match="already holds a finished run"):
        trained(tmp_path, epochs=1)
    assert (folder / "history.csv").read_bytes() == before
    assert len(trained(tmp_path, epochs=2, overwrite=True).history) == 2
    unfinished = interrupted(tmp_path / "other", 1)
    with pytest.raises(RunError, match="already holds an unfinished run"):
        trained(unfinished.parent.parent)


@pytest.mark.parametrize("finished", [True, False])
def test_resuming_with_other_settings_is_refused(tmp_path: Path, finished: bool) -> None:
    if finished:
        trained(tmp_path)
    else:
        interrupted(tmp_path, 1)
    with pytest.raises(RunError, match=r"run\.lr was 0\.001, now 0\.5"):
        trained(tmp_path, resume=True, lr=0.5)
    with pytest.raises(RunError, match="seed was 5842, now 1"):
        trained(tmp_path, resume=True, seed=1)


def test_resuming_on_other_data_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path, 1)
    study = tiny_study(epochs=EPOCHS)
    with pytest.raises(RunError, match=r"data\.train was"):
        train_run(study, "bn", tiny_digits(seed=1), tmp_path, resume=True)


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "article").mkdir()
    with (
        RunFolder(tmp_path / "article" / "bn").locked(),
        pytest.raises(RunError, match="in use"),
    ):
        trained(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(RunError, match="Cannot write into"):
        trained(blocked)
    assert blocked.read_text() == "not a folder"


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("what", ["epoch-2.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_refused_and_loses_nothing(
    tmp_path: Path, what: str, damage: Any
) -> None:
    folder = interrupted(tmp_path, 2)
    if (what, damage) == ("state.json", flip):
        (folder / "checkpoint" / what).write_text("[]")
    else:
        damage(folder / "checkpoint" / what)
    history = (folder / "history.csv").read_bytes()
    with pytest.raises(RunError, match=r"checkpoint in .* is damaged"):
        trained(tmp_path, resume=True)
    assert (folder / "history.csv").read_bytes() == history


def test_a_damaged_history_is_restored_from_the_checkpoint(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    folder = interrupted(tmp_path / "parts", 2)
    truncate(folder / "history.csv")
    assert_same(whole.folder, trained(tmp_path / "parts", resume=True).folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("epoch,loss\n0,1\n", "its columns are epoch, loss"),
        (f"{HEAD}\n1,1,1,1,1,1,1,1\n", "count up"),
        (f"{HEAD}\n0,1,1,1,x,1,1,1\n", "cannot be read"),
        (f"{HEAD}\n0,1,1,nan,1,1,1,1\n", "infinite or not a number"),
    ],
)  # fmt: skip
def test_a_damaged_history_of_a_finished_run_is_named(tmp_path: Path, text: str, said: str) -> None:
    folder = without_manifest(trained(tmp_path, epochs=1).folder)
    (folder / "history.csv").write_text(text)
    with pytest.raises(RunError, match=said):
        RunFolder(folder).read()


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("run.yaml", "run: bn\n", "holds no study"),
        ("run.yaml", "run: [\n", "Cannot read"),
        ("run.yaml", "run: bn\nstudy: {name: a, runs: [{name: b}]}\n", "has no run 'bn'"),
        ("run.yaml", "run: bn\nstudy: {name: a, runs: [{name: b, sed: 1}]}\n", "sed"),
        ("environment.json", "{", "cannot be read"),
        ("environment.json", "3", "cannot be read"),
        ("environment.json", "{}", "no entry 'data'"),
        ("environment.json", '{"data": {"title": "digits"}}', "no entry 'sha256'"),
    ],
)
def test_damaged_settings_are_named(tmp_path: Path, file: str, text: str, said: str) -> None:
    folder = without_manifest(trained(tmp_path, epochs=1).folder)
    (folder / file).write_text(text)
    with pytest.raises(HindiBnError, match=said):
        RunFolder(folder).read()


def test_damaged_and_missing_weights_are_named(tmp_path: Path) -> None:
    folder = without_manifest(trained(tmp_path, epochs=1).folder)
    truncate(folder / "weights.safetensors")
    with pytest.raises(RunError, match="is damaged"):
        RunFolder(folder).read_weights()
    (folder / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="holds no trained weights"):
        RunFolder(folder).read_weights()
    with pytest.raises(RunError, match="nothing to resume"):
        RunFolder(folder).read_checkpoint()
    with pytest.raises(RunError, match="is not a run's folder"):
        RunFolder(tmp_path).read()


def test_a_kill_during_the_very_first_checkpoint_starts_over(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", epochs=1)

    def die(row: EpochRow) -> None:
        raise KeyboardInterrupt

    study = tiny_study(epochs=1)
    with pytest.raises(RunInterrupted):
        train_run(study, "bn", tiny_digits(), tmp_path / "parts", reporter=Reporter(epoch=die))
    folder = tmp_path / "parts" / "article" / "bn"
    (folder / "checkpoint" / "state.json").unlink()
    (folder / "history.csv").write_text(f"{HEAD}\n")
    assert_same(whole.folder, trained(tmp_path / "parts", resume=True, epochs=1).folder)


def test_a_kill_while_a_finished_run_drops_its_checkpoint_leaves_it_finished(
    tmp_path: Path,
) -> None:
    folder = trained(tmp_path, epochs=1).folder
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "epoch-1.safetensors").write_bytes(b"half")
    assert len(trained(tmp_path, resume=True, epochs=1).history) == 1
    assert not (folder / "checkpoint").exists()


def test_a_kill_while_an_older_run_is_cleared_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    folder = trained(tmp_path, epochs=1).folder
    aside = folder.parent / ".bn.removed"
    aside.mkdir()
    (aside / "history.csv").write_text("what a kill left")
    trained(tmp_path, epochs=1, overwrite=True)
    assert not aside.exists()


RUNNER = """
import sys, pathlib, torch
sys.path.insert(0, sys.argv[1])
from tiny import tiny_digits, tiny_study
from hindi_bn.training.run import Reporter, train_run
torch.set_num_threads(1)
study = tiny_study(epochs=int(sys.argv[3]))
print("ready", flush=True)
train_run(study, "bn", tiny_digits(), pathlib.Path(sys.argv[2]), resume=True,
          reporter=Reporter(epoch=lambda row: print(row.epoch, flush=True)))
"""


def start(out: Path, epochs: int, **keywords: Any) -> subprocess.Popen[str]:
    arguments = [
        sys.executable,
        "-c",
        RUNNER,
        str(Path(__file__).parent.parent),
        str(out),
        str(epochs),
    ]
    # a killed process would leave half a coverage file
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env=environment, **keywords
    )


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    """Processes that one forks which has imported everything: each import takes seconds."""
    epochs, chance = 120, random.Random(5842)
    whole = trained(tmp_path / "whole", epochs=epochs)
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["hindi_bn.training.run"])

    def start_again() -> tuple[Any, Any]:
        ready, told = forks.Pipe(duplex=False)
        process = forks.Process(target=resume, args=(tmp_path / "parts", epochs, told))
        process.start()
        told.close()
        ready.recv()
        return process, ready

    for _ in range(10):
        process, _ = start_again()
        time.sleep(chance.uniform(0.0, 0.6))
        assert process.is_alive(), "the run ended before it could be killed ten times"
        process.kill()
        process.join()
    last, _ = start_again()
    last.join()
    assert last.exitcode == 0
    assert_same(whole.folder, tmp_path / "parts" / "article" / "bn")


@pytest.mark.slow
def test_one_kill_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", epochs=30)
    process = start(tmp_path / "parts", 30)
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    folder = tmp_path / "parts" / "article" / "bn"
    assert not (folder / "weights.safetensors").exists()
    assert_same(whole.folder, trained(tmp_path / "parts", resume=True, epochs=30).folder)


@pytest.mark.slow
def test_a_disk_that_is_full_stops_with_a_message_and_keeps_what_was_written(
    tmp_path: Path,
) -> None:
    """A limit on file sizes makes the system refuse the checkpoint, as a full disk would."""
    folder = interrupted(tmp_path, 2)
    history = (folder / "history.csv").read_bytes()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = start(tmp_path, EPOCHS, stderr=subprocess.PIPE, preexec_fn=limit)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "Cannot write" in errors
    assert (folder / "history.csv").read_bytes() == history
    assert not list(folder.rglob(".*tmp*"))
    assert json.loads((folder / "checkpoint" / "state.json").read_text())["rows"][-1]["epoch"] == 1
    os.sync()
    assert len(trained(tmp_path, resume=True).history) == EPOCHS


def test_a_checkpoint_from_before_a_setting_was_there_is_resumed(tmp_path: Path) -> None:
    """What the run and those before it in the study did not say then is as it is by default."""
    whole = trained(tmp_path / "whole")
    folder = interrupted(tmp_path / "old", 2)

    def forget(state: dict[str, Any]) -> None:
        for settings in (state["settings"]["run"], *state["settings"]["before"]):
            assert settings["options"].pop("padding") is None
            assert settings.pop("halved") is False
        del state["settings"]["run"]["transformer"], state["settings"]["run"]["dropout_place"]

    with_older_state(folder, forget)
    assert_same(whole.folder, trained(tmp_path / "old", resume=True).folder)
