"""UCI through pooch and Kaggle through its own client, against a server on this machine.

The client of kaggle 2.2 takes no heed of KAGGLE_API_ENVIRONMENT=TEST when it downloads a data set.
It does heed LOCALHOST, which means http://localhost; HTTP_PROXY leads that to the test's server, on
any free port. The client itself is untouched.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from local_server import (
    Answer,
    LocalServer,
    cut,
    half_then_nothing,
    kaggle,
    no_answer,
    serving,
    status,
    whole,
)
from small_digits import checksums_of, small_files, small_pixels, write_zip
from typer.testing import CliRunner

from hindi_bn.cli import app
from hindi_bn.digits import checksums, resolve
from hindi_bn.digits.sources import kaggle as kaggle_source
from hindi_bn.digits.sources import uci as uci_source
from hindi_bn.errors import SourceError

ACCOUNT = {"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": "right"}
USER = '{"username": "a"}'
LOGIN = '{"username": "a", "key": "b"}'
GARBAGE = b"<!DOCTYPE html><title>Just a moment</title>" * 20


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without credentials, no archive configured, no proxies, and the small digits."""
    for name in list(os.environ):
        if name.startswith(("KAGGLE_", "HINDI_BN_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(checksums, "ARTICLE", checksums_of(small_pixels()))


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    """The small digits, zipped."""
    return write_zip(tmp_path / "small.zip", small_files()).read_bytes()


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


def left_in(data_dir: Path) -> list[str]:
    return sorted(path.name for path in data_dir.iterdir())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_uci_delivers(tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(whole(packed)) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data", "--source", "uci", "--json")
    assert result.exit_code == 0, result.stderr
    seen = json.loads(result.stdout)
    assert (seen["identical"], seen["source"]) == (True, "uci")
    assert server.requests == ["/static/public/389/devanagari+handwritten+character+dataset.zip"]
    assert left_in(tmp_path / "data") == [".lock", "digits", "digits.safetensors"]


def test_uci_starts_again_after_a_cut(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(cut(packed, 2)) as server:
        at_uci(server, monkeypatch)
        assert download(tmp_path / "data", "--source", "uci").exit_code == 0
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (cut(GARBAGE, 9), "the connection broke off, 3 times"),
        (status(404), "404 Client Error: Not Found"),
        (status(503), "503 Server Error"),
        (whole(GARBAGE), "It is neither a zip nor a tar file (860 bytes, beginning with"),
        (whole(b""), "It is neither a zip nor a tar file (0 bytes)"),
    ],
)
def test_uci_fails_in_words(
    answer: Answer, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answer) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data", "--source", "uci")
    assert result.exit_code == 1
    assert why in result.stderr
    assert "Traceback" not in result.output
    assert left_in(tmp_path / "data") == [".lock"]


def test_a_zip_that_was_cut_off_is_named_so(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(whole(packed[:-500])) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data", "--source", "uci")
    assert result.exit_code == 1
    assert "It is a damaged or cut-off zip" in result.stderr


def test_uci_refuses_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINDI_BN_UCI_URL", f"http://127.0.0.1:{free_port()}")
    result = download(tmp_path / "data", "--source", "uci")
    assert result.exit_code == 1
    assert "no connection" in result.stderr
    assert "Connection refused" in result.stderr
    assert "hindi-bn download --source stand-in" in result.stderr


def test_uci_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.monotonic()
    monkeypatch.setattr(uci_source, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(uci_source, "READ_TIMEOUT", 0.3)
    with serving(no_answer) as server:
        at_uci(server, monkeypatch)
        with pytest.raises(SourceError, match="did not deliver") as error:
            uci_source.download(tmp_path)
    assert "it did not answer in time" in error.value.why
    assert time.monotonic() - start < 20  # the patience asked for is 0.3 s


def test_uci_stops_in_the_middle(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uci_source, "READ_TIMEOUT", 0.3)
    with serving(half_then_nothing(packed)) as server:
        at_uci(server, monkeypatch)
        with pytest.raises(SourceError) as error:
            uci_source.download(tmp_path)
    assert "Read timed out" in error.value.why
    assert list(tmp_path.glob("*uci*")) == []


def test_uci_sends_without_end(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uci_source, "MAX_BYTES", 1000)
    with serving(whole(packed)) as server:
        at_uci(server, monkeypatch)
        with pytest.raises(SourceError) as error:
            uci_source.download(tmp_path)
    assert "it sends more than 1,000 bytes" in error.value.why


def test_the_time_to_connect_is_ten_seconds() -> None:
    assert uci_source.CONNECT_TIMEOUT == kaggle_source.CONNECT_TIMEOUT == 10.0


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


def test_kaggle_resumes_after_a_cut(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(kaggle(cut(packed, 1))) as server:
        at_kaggle(server, monkeypatch)
        result = download(tmp_path / "data", "--source", "kaggle")
    assert result.exit_code == 0, result.stderr
    assert server.requests.count("/storage/hindi-character-recognition.zip") == 2


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


def test_auto_tries_kaggle_and_then_uci(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(whole(packed)) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data")
    assert result.exit_code == 0, result.stderr
    assert "Not used: kaggle. Kaggle needs an account" in result.stderr
    assert "identical to the article's 50 images (from uci)" in result.stdout


def test_auto_tells_why_every_source_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINDI_BN_ARCHIVE", str(tmp_path / "gone.zip"))
    with serving(status(503)) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data")
    assert result.exit_code == 1
    for part in (
        f"- archive {tmp_path}/gone.zip: ", "No such file or directory",
        "- kaggle: Kaggle needs an account", "- uci: ", "503 Server Error",
        "hindi-bn download --source stand-in",
    ):  # fmt: skip
        assert part in result.stderr


def test_resolve_ends_with_the_stand_in_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hindi_bn.digits.stand_in.draw", lambda: tuple(small_pixels(5).values()))
    notes: list[str] = []
    with serving(status(404)) as server:
        at_uci(server, monkeypatch)
        digits = resolve(tmp_path / "data", tmp_path / "none.zip", notes.append)
        assert resolve(tmp_path / "data", None, notes.append).name == "stand-in"
    assert digits.title == "drawn stand-in, not the article's data"
    assert not digits.identical
    banner = notes[0]
    assert "STAND-IN" in banner
    assert f"archive {tmp_path}/none.zip: " in banner
    assert "kaggle: Kaggle needs an account" in banner
    assert "uci: The UCI repository did not deliver the digits." in banner
    assert notes[1].startswith("Drawing the stand-in, once")
    assert len(notes) == 3  # the second time it is there


def start_download(data_dir: Path, server: LocalServer) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from hindi_bn.cli import main; main()",
         "download", "--source", "uci", "--data-dir", str(data_dir)],
        env=os.environ | {"HINDI_BN_UCI_URL": server.url},
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not server.requests:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_ctrl_c_leaves_nothing_half_made(tmp_path: Path, packed: bytes) -> None:
    with serving(half_then_nothing(packed)) as server:
        process = start_download(tmp_path / "data", server)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=30)
    assert process.returncode == 130, printed
    assert "Interrupted" in printed
    assert "Traceback" not in printed
    assert left_in(tmp_path / "data") == [".lock"]


@pytest.mark.slow
def test_a_killed_download_is_cleared_away_by_the_next(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(half_then_nothing(packed)) as server:
        process = start_download(tmp_path / "data", server)
        time.sleep(0.2)
        process.kill()
        process.communicate(timeout=30)
    assert any(name.startswith(".incoming-") for name in left_in(tmp_path / "data"))
    with serving(whole(packed)) as server:
        at_uci(server, monkeypatch)
        assert download(tmp_path / "data", "--source", "uci").exit_code == 0
    assert left_in(tmp_path / "data") == [".lock", "digits", "digits.safetensors"]
