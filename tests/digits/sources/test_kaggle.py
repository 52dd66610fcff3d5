"""Kaggle through its own client, against a server on this machine.

The client of kaggle 2.2 takes no heed of KAGGLE_API_ENVIRONMENT=TEST when it downloads a data set.
It does heed LOCALHOST, which means http://localhost; HTTP_PROXY leads that to the test's server, on
any free port. The client itself is untouched.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from downloads import ACCOUNT, GARBAGE, at_kaggle, download, free_port, left_in
from local_server import (
    Answer,
    cut,
    drip,
    half_then_nothing,
    kaggle,
    no_answer,
    serving,
    status,
    whole,
)

from hindi_bn.digits.sources import kaggle as kaggle_source
from hindi_bn.errors import SourceError

pytestmark = pytest.mark.usefixtures("no_credentials")


USER = '{"username": "a"}'


LOGIN = '{"username": "a", "key": "b"}'


@pytest.mark.parametrize("account", [ACCOUNT, {"KAGGLE_API_TOKEN": "right"}])
def test_kaggle_delivers(
    account: dict[str, str], tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(kaggle(whole(packed))) as server:
        at_kaggle(server, monkeypatch, account)
        result = download(tmp_path / "data", "--source", "kaggle", "--json")
    assert result.exit_code == 0, result.stderr
    seen = json.loads(result.stdout)
    assert (seen["identical"], seen["source"]) == (True, "kaggle")
    assert server.requests[-1] == "/storage/hindi-character-recognition.zip"
    assert left_in(tmp_path / "data") == [".lock", "digits", "digits.safetensors"]


@pytest.mark.parametrize("account", [ACCOUNT | {"KAGGLE_KEY": "wrong"}, {"KAGGLE_API_TOKEN": "no"}])
def test_kaggle_refuses_the_credentials(
    account: dict[str, str], tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(kaggle(whole(packed))) as server:
        at_kaggle(server, monkeypatch, account)
        result = download(tmp_path / "data", "--source", "kaggle")
    assert result.exit_code == 1
    assert "the credentials are not accepted, or have expired (401)" in result.stderr
    assert "check the credentials (KAGGLE_" in result.stderr
    assert "--source uci" in result.stderr
    assert left_in(tmp_path / "data") == [".lock"]


def test_kaggle_ends_the_process_when_it_knows_no_account(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that the server calls inactive leaves the client without any: it calls exit()."""
    with serving(kaggle(whole(packed), user="")) as server:
        at_kaggle(server, monkeypatch, {"KAGGLE_API_TOKEN": "right"})
        with pytest.raises(SourceError) as error:
            kaggle_source.download(tmp_path / "home")
    assert error.value.why == "the credentials are not accepted, or have expired."


@pytest.mark.slow
def test_kaggle_resumes_after_a_cut(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(kaggle(cut(packed, 1))) as server:
        at_kaggle(server, monkeypatch)
        result = download(tmp_path / "data", "--source", "kaggle")
    assert result.exit_code == 0, result.stderr
    assert server.requests.count("/storage/hindi-character-recognition.zip") == 2


@pytest.mark.slow
def test_kaggle_may_not_take_for_ever(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINDI_BN_DOWNLOAD_SECONDS", "2")
    with serving(kaggle(drip(packed, 100))) as server:
        at_kaggle(server, monkeypatch)
        with pytest.raises(SourceError) as error:
            kaggle_source.download(tmp_path / "home")
    assert error.value.why == "it took longer than 2 seconds."


@pytest.mark.slow
def test_kaggle_is_cut_again_and_again(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaggle_source, "CONNECT_TIMEOUT", 1.5)
    monkeypatch.setattr(kaggle_source, "STALL_TIMEOUT", 0.5)
    with serving(kaggle(cut(packed, 99))) as server:
        at_kaggle(server, monkeypatch)
        with pytest.raises(SourceError) as error:
            kaggle_source.download(tmp_path / "home")
    assert error.value.why == "no byte arrived for 2 seconds."


@pytest.mark.parametrize(
    ("storage", "why"),
    [
        (whole(GARBAGE), "It is neither a zip nor a tar file (860 bytes"),
        (status(404), "404 Client Error"),
        (status(500), "500 Server Error"),
        (lambda request: None, "Remote end closed connection without response"),
    ],
)
def test_kaggle_fails_in_words(
    storage: Answer, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(kaggle(storage)) as server:
        at_kaggle(server, monkeypatch)
        result = download(tmp_path / "data", "--source", "kaggle")
    assert result.exit_code == 1
    assert why in result.stderr
    assert left_in(tmp_path / "data") == [".lock"]


def test_kaggle_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle_source, "CONNECT_TIMEOUT", 0.5)
    with serving(no_answer) as server:
        at_kaggle(server, monkeypatch)
        with pytest.raises(SourceError) as error:
            kaggle_source.download(tmp_path / "home")
    assert error.value.why == "http://localhost did not answer within 0.5 seconds."


def test_kaggle_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(no_answer) as server:
        at_kaggle(server, monkeypatch)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv("http_proxy", os.environ["HTTP_PROXY"])
        with pytest.raises(SourceError) as error:
            kaggle_source.download(tmp_path / "home")
    assert "http://localhost cannot be reached" in error.value.why
    assert "Connection refused" in error.value.why


def test_kaggle_sends_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle_source, "MAX_BYTES", 1000)
    with serving(kaggle(half_then_nothing(bytes(2**22)))) as server:
        at_kaggle(server, monkeypatch)
        with pytest.raises(SourceError) as error:
            kaggle_source.download(tmp_path / "home")
    assert error.value.why == "it sends more than 1,000 bytes."


def test_kaggle_without_an_account(tmp_path: Path) -> None:
    result = download(tmp_path / "data", "--source", "kaggle")
    assert result.exit_code == 1
    assert "no credentials were found" in result.stderr
    assert "https://www.kaggle.com/settings" in result.stderr
    assert "--source uci" in result.stderr
    assert "--source stand-in" in result.stderr


@pytest.mark.parametrize(
    ("variables", "files", "found"),
    [
        ({}, {}, None),
        ({"KAGGLE_USERNAME": "ann"}, {}, None),
        (ACCOUNT, {}, "KAGGLE_USERNAME and KAGGLE_KEY"),
        ({"KAGGLE_API_TOKEN": "t"}, {}, "KAGGLE_API_TOKEN"),
        ({}, {".kaggle/access_token": "t\n"}, "~/.kaggle/access_token"),
        ({}, {".kaggle/access_token.txt": "t"}, "~/.kaggle/access_token.txt"),
        ({}, {".kaggle/access_token": " \n"}, None),
        ({}, {".kaggle/kaggle.json": LOGIN}, "HOME/.kaggle/kaggle.json"),
        ({}, {".kaggle/kaggle.json": USER}, None),
        ({"KAGGLE_KEY": "b"}, {".kaggle/kaggle.json": USER}, "HOME/.kaggle/kaggle.json"),
        ({}, {".kaggle/kaggle.json": "damaged"}, None),
        ({}, {".kaggle/kaggle.json": "[]"}, None),
        ({}, {".config/kaggle/kaggle.json": LOGIN}, "HOME/.config/kaggle/kaggle.json"),
        ({"KAGGLE_CONFIG_DIR": "HOME/k"}, {"k/kaggle.json": LOGIN}, "HOME/k/kaggle.json"),
        (
            {"XDG_CONFIG_HOME": "HOME/x"},
            {"x/kaggle/kaggle.json": LOGIN}, "HOME/x/kaggle/kaggle.json",
        ),
        ({}, {".kaggle/credentials.json": '{"refresh_token": "r"}'}, "~/.kaggle/credentials.json"),
        (
            {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "KAGGLE_API_V1_TOKEN": "HOME/t"},
            {"t": "x"}, "KAGGLE_API_V1_TOKEN",
        ),
    ],
)  # fmt: skip
def test_credentials_are_found_wherever_the_client_looks(
    variables: dict[str, str],
    files: dict[str, str],
    found: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("HOME", str(home)))
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    assert kaggle_source.credentials() == (found and found.replace("HOME", str(home)))
