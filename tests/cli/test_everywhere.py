"""What every command has: --json, --quiet, --verbose, and HINDI_BN_OUT where there is --out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_digits
from typer.main import get_command
from typer.testing import CliRunner

import hindi_bn.api.diagnosis
import hindi_bn.api.study
import hindi_bn.digits
from hindi_bn.cli import app


def leaves(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    command = command or get_command(app)
    inner = getattr(command, "commands", {})
    for name, each in inner.items():
        yield from leaves(each, (*path, name))
    if not inner:
        yield " ".join(path), command


def options_of(command: Any) -> dict[str, Any]:
    return {name: parameter for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize(("name", "command"), [*leaves()])
def test_every_command_has_the_common_options(name: str, command: Any) -> None:
    options = options_of(command)
    assert {"--quiet", "-q", "--verbose", "-v"} <= set(options)
    assert "--json" in options or name == "config schema"  # which prints nothing else
    if "--out" in options and name != "page":  # whose --out is its file
        assert options["--out"].envvar == "HINDI_BN_OUT"


def run(*arguments: str, **environment: str) -> Any:
    result = CliRunner().invoke(app, list(arguments), env=environment)
    assert result.exit_code == 0, result.output
    return result


def test_verbose_tells_what_is_done_and_only_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())
    arguments = ["train", "--bn", "--epochs", "1", "--threads", "1", "--overwrite"]
    told = run(*arguments, "--verbose", HINDI_BN_OUT="elsewhere").stderr
    for part in ("Data in data", "study article, run bn", "1 threads", "Finished."):
        assert part in told
    plain = run(*arguments, HINDI_BN_OUT="elsewhere").stderr
    assert "Finished." not in plain
    assert "epoch 1/1" in plain
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    drawn = run("plot", "curves", "elsewhere/article/bn", "--json", "--dpi", "30").stdout
    assert json.loads(drawn) == {"files": ["elsewhere/article/bn/figures/curves.png"]}


@pytest.mark.parametrize("command", [["config", "list"], ["doctor"]])
def test_quiet_silences_notes_of_commands_that_do_not_declare_it(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def noting(*_: Any) -> Any:
        logging.getLogger("hindi_bn").warning("Something to know.")
        return {} if command == ["doctor"] else []

    monkeypatch.setattr(hindi_bn.api.study, "list_studies", noting)
    monkeypatch.setattr(hindi_bn.api.diagnosis, "diagnose", noting)
    assert run(*command, "--quiet").stderr == ""
    assert run(*command).stderr == "Something to know.\n"
