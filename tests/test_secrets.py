"""Passwords and tokens, in everything that is printed or written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from downloads import at_uci, free_port
from local_server import serving, status
from tiny import tiny_digits
from typer.testing import CliRunner

import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.cli.app import typed_command
from hindi_bn.errors import HindiBnError, without_secrets
from hindi_bn.records import RunFolder
from hindi_bn.records.log import RunLog
from hindi_bn.runners.jobs import Failure


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hunter2@host:1/a", "https://host:1/a"),
        ("https://hunter2@host/a", "https://host/a"),
        ("https://me:hunt/er2@x@host/a", "https://host/a"),
        ("postgresql+psycopg://me:hunter2@host/db", "postgresql+psycopg://host/db"),
        ("see http://h/a?key=hunter2&n=1", "see http://h/a?key=***&n=1"),
        ("http://h/a?n=1&X-Amz-Signature=hunter2'", "http://h/a?n=1&X-Amz-Signature=***'"),
        ("Authorization: Bearer hunter2x", "Authorization: Bearer ***"),
        ("KAGGLE_KEY=hunter2 hindi-bn download", "KAGGLE_KEY=*** hindi-bn download"),
        ("it said: hunter2-of-kaggle", "it said: ***"),
        ("RAY_AUTH_MODE=token, lr=0.001, key 16", "RAY_AUTH_MODE=token, lr=0.001, key 16"),
        ("mail a@b, or see https://host/a", "mail a@b, or see https://host/a"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "hunter2-of-kaggle")
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown
    assert HindiBnError(text, text, text).why == shown
    failure = Failure.of(ValueError(text))
    assert shown in failure.why
    assert shown in failure.details
    assert "hunter2" not in failure.details or "hunter2" not in text


def test_no_file_of_a_run_holds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command in run.yaml and environment.json; lines of log.txt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())
    given = ["train", "--bn", "--epochs", "1", "--device", "cpu", "--out", "http:/x:hunter2@y"]
    given[-1] = "o?token=hunter2"
    monkeypatch.setattr(sys, "argv", ["hindi-bn", *given])
    assert typed_command().endswith("--out 'o?token=***'")
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "o?token=hunter2" / "article" / "bn"
    assert json.loads((folder / "environment.json").read_text())["command"] == typed_command()
    RunLog(RunFolder(folder)).write("tracking at http://me:hunter2@host")
    for file in ("run.yaml", "environment.json", "log.txt"):
        assert "hunter2" not in (folder / file).read_text(), file
    assert "hunter2" not in result.stderr.replace(str(folder), "")


def test_no_source_prints_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINDI_BN_UCI_URL", f"http://me:hun/ter2@127.0.0.1:{free_port()}")
    result = CliRunner().invoke(app, ["download", "--source", "uci", "--data-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "ter2" not in result.output
    monkeypatch.setenv("HINDI_BN_ARCHIVE", "http://me:hunter2@host")
    assert "hunter2" not in CliRunner().invoke(app, ["doctor", "--data-dir", str(tmp_path)]).output


@pytest.mark.slow
def test_no_traceback_holds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of requests names the whole address."""
    with serving(status(404)) as server:
        at_uci(server, monkeypatch)
        address = server.url.replace("://", "://me:hunter2@")
        done = subprocess.run(
            [sys.executable, "-c", "from hindi_bn.cli import main; main()", "--debug",
             "download", "--source", "uci", "--data-dir", str(tmp_path)],
            env=os.environ | {"HINDI_BN_UCI_URL": address},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert "404 Client Error: Not Found for url: http://" in done.stderr
    assert "Traceback" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
