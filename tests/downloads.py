"""What tests of downloads share: accounts, addresses, and the command itself."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from local_server import LocalServer
from typer.testing import CliRunner

from hindi_bn.cli import app

ACCOUNT = {"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": "right"}
GARBAGE = b"<!DOCTYPE html><title>Just a moment</title>" * 20


def at_uci(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINDI_BN_UCI_URL", server.url + "/")


def at_kaggle(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, account: dict[str, str] | None = None
) -> None:
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    for name, value in (ACCOUNT if account is None else account).items():
        monkeypatch.setenv(name, value)


def download(data_dir: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["download", "--data-dir", str(data_dir), *arguments])


def left_in(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
