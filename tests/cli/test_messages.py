"""What a person reads when something is wrong, is interrupted, or goes through a narrow pipe."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_digits
from typer.testing import CliRunner

import hindi_bn.digits
from hindi_bn.cli import app, main
from hindi_bn.errors import HindiBnError
from hindi_bn.records import RunFolder
from hindi_bn.training import loop

TINY = ["--set", "epochs=2", "--threads", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def _tiny_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())


def told(*arguments: str, code: int = 1) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--epochs", "0"], "Error: --epochs 0 cannot be used."),
        (["train", "--batch-size", "0"], "Error: --batch-size 0 cannot be used."),
        (["train", "--set", "lr=fast"], "Error: --set lr=fast cannot be used."),
        (["train", "--set", "runs.bn.lr=0"], "It must be greater than 0 (it is 0)."),
        (["train", "--bn", "--set", "epoch=1", "--lr", "-1"], "Error: 2 settings are wrong."),
        (["train", "--batch-size", "9" * 23], "It must be 100000 or less"),
        (
            ["train", "--set", f"{'a.' * 3000}b=1"],
            "'a.a.a…' is nested too deep: it has 3,001 parts.",
        ),
        (["train", "--set", "runs.bn.name=CON"], "'CON' is a device on Windows"),
        (["train", "--set", "name=nul.txt"], "'nul.txt' is a device on Windows"),
        (["train", "--set", "name=study."], "'study.' ends with a point"),
        (["train", "--set", "runs.bn.name=Comparison"], "the folder of a study's tables"),
        (["plot", "curves", "results/article/bn"], "There is no such folder in "),
        (["predict", "x.png", "--run", "nowhere"], "There is no such folder in "),
    ],
)
def test_what_was_typed_is_what_is_blamed(arguments: list[str], said: str) -> None:
    message = told(*arguments)
    assert said in message
    assert "article.yaml" not in message


def test_names_that_differ_by_capitals_alone_are_one_folder_on_some_systems() -> None:
    said = told("train", "--set", "runs.bn.name=NO-bn")
    assert "two runs differ by capitals alone: no-bn, NO-bn" in said


def test_a_study_nested_without_end_is_told_in_one_message() -> None:
    Path("deep.yaml").write_text(f"a: {'[' * 5000}{']' * 5000}")
    assert "nested too deep" in told("train", "--config", "deep.yaml")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for() -> None:
    os.mkfifo("pipe.yaml")
    assert "There is no study file" in told("train", "--config", "pipe.yaml")
    for command in (["predict", "pipe.yaml"], ["download", "pipe.yaml"]):
        assert "It is a pipe, a socket or a device" in told(*command)


def test_a_folder_of_runs_and_a_file_for_a_folder_are_told() -> None:
    told("train", *TINY, "--set", "epochs=1", "--quiet", code=0)
    several = told("predict", "x.png", "--run", "results/article")
    assert "It holds several." in several
    assert "results/article/bn, results/article/no-bn" in several
    Path("file").write_text("")
    message = told("plot", "curves", "results/article/bn", "--to", "file")
    assert "A file is where a folder should be." in message
    assert "--out" not in message
    assert "space" not in message


def test_advice_says_whose_options_it_names() -> None:
    told("train", "--no-bn", *TINY, "--lr", "1e20")
    message = told("plot", "curves", "results/article/no-bn")
    assert "train it with --resume (an option of `hindi-bn train`)" in message


def press_in_evaluation(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    original, calls = loop.evaluate, []

    def press(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(loop, "evaluate", press)


def test_ctrl_c_in_the_first_epoch_leaves_the_command_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    press_in_evaluation(monkeypatch, 1)
    message = told("train", "--bn", *TINY, code=130)
    assert "nothing to save yet. The same command begins it again." in message
    told("train", "--bn", *TINY, code=0)
    assert "already holds a finished run" in told("train", "--bn", *TINY)


def test_ctrl_c_after_the_last_epoch_says_what_is_left_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        message = told("train", "--bn", *TINY, code=130)
    assert "2 of 2 epochs of results/article/bn are saved, its weights not yet." in message
    assert "with --resume" in message
    told("train", "--bn", *TINY, "--resume", code=0)
    assert RunFolder(Path("results/article/bn")).finished
    assert "exclude each other" in told("train", *TINY, "--resume", "--overwrite", code=2)


def test_a_command_without_resume_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    press_in_evaluation(monkeypatch, 2)
    message = told("compare", *TINY, code=130)
    assert "1 of 2 epochs" in message
    assert "--resume" not in message


def printed(monkeypatch: pytest.MonkeyPatch, encoding: str, *arguments: str) -> str:
    """Run the program with a pipe of an encoding for its output; return what came through."""
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, encoding=encoding))
    monkeypatch.setattr(sys, "argv", ["hindi-bn", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    sys.stdout.flush()
    return pipe.getvalue().decode(encoding)


def test_a_pipe_of_any_encoding_takes_all_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("ascii", "cp1252"):
        text = printed(monkeypatch, encoding, "explain")
        assert "mu" in text
        assert "?" not in text
        document = json.loads(printed(monkeypatch, encoding, "explain", "--json"))
        assert document == json.loads(printed(monkeypatch, "utf-8", "explain", "--json"))
    assert "three_convs" in printed(monkeypatch, "ascii", "networks")


def test_a_full_disk_is_told_once_by_a_group_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise HindiBnError("Cannot write.") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hindi_bn.register_claims", refuse, raising=False)
    result = CliRunner().invoke(app, ["claims", "register"])
    assert result.exit_code == 1
    assert result.stderr.count("Error: ") == 1
