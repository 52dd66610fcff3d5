"""UCI by requests, against a server on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from downloads import GARBAGE, at_uci, download, free_port, left_in
from local_server import (
    Answer,
    LocalServer,
    Request,
    cut,
    drip,
    half_then_nothing,
    no_answer,
    serving,
    status,
    whole,
)

from hindi_bn.digits import pace
from hindi_bn.digits.sources import uci as uci_source
from hindi_bn.errors import SourceError

pytestmark = pytest.mark.usefixtures("no_credentials")


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
        (lambda request: request.reply(302, Location="http://[::bad"), "makes no sense (Invalid"),
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
    resumable = [".parts"] if "broke off" in why else []
    assert left_in(tmp_path / "data") == [".lock", *resumable]


def test_a_zip_that_was_cut_off_is_named_so(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(whole(packed[:-500])) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data", "--source", "uci")
    assert result.exit_code == 1
    assert "It is a damaged or cut-off zip" in result.stderr


def test_uci_refuses_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINDI_BN_UCI_URL", f"http://somebody:secret@127.0.0.1:{free_port()}")
    result = download(tmp_path / "data", "--source", "uci")
    assert result.exit_code == 1
    assert "no connection" in result.stderr
    assert "Connection refused" in result.stderr
    assert "http://127.0.0.1" in result.stderr
    assert "secret" not in result.output
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


@pytest.mark.parametrize(
    ("limit", "value", "answer", "said"),
    [
        ("READ_TIMEOUT", 0.3, half_then_nothing, "Read timed out"),
        ("MAX_BYTES", 1000, whole, "it sends more than 1,000 bytes"),
    ],
)
def test_uci_stops_in_the_middle_or_sends_without_end(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch, limit: str, value: Any,
    answer: Any, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(uci_source, limit, value)
    with serving(answer(packed)) as server:
        at_uci(server, monkeypatch)
        with pytest.raises(SourceError) as error:
            uci_source.download(tmp_path)
    assert said in error.value.why
    assert list(tmp_path.glob("*uci*")) == []


def test_a_slow_server_is_left_and_the_next_call_goes_on(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte every 0.05 s never lets a socket's time limit pass."""
    monkeypatch.setattr(pace, "WINDOW", 0.5)
    with serving(drip(packed, 20_000)) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data", "--source", "uci")
        assert result.exit_code == 1
        assert "fewer than 1,000 bytes a second arrived, over 0.5 seconds" in result.stderr
        assert "goes on from the 16,384 bytes that arrived" in result.stderr
        asked = list[str | None]()

        def rest(request: Request) -> None:
            asked.append(request.headers.get("Range"))
            assert request.headers["If-Range"] == '"1"'
            whole(packed)(request)

        server.answer = rest
        result = download(tmp_path / "data", "--source", "uci", "--json")
    assert asked == ["bytes=16384-"]
    assert json.loads(result.stdout)["identical"] is True
    assert left_in(tmp_path / "data") == [".lock", "digits", "digits.safetensors"]


def test_a_part_of_another_version_is_not_gone_on_with(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server answers If-Range with all of what it has now, here something else."""
    kept = tmp_path / "kept"
    with serving(cut(GARBAGE, 9)) as server:
        at_uci(server, monkeypatch)
        with pytest.raises(SourceError, match="did not deliver"):
            uci_source.download(tmp_path, kept=kept)
        server.answer = lambda request: request.reply(200, packed, ETag='"2"')
        assert uci_source.download(tmp_path, kept=kept).read_bytes() == packed


@pytest.mark.parametrize("headers", [False, True])
def test_no_download_takes_longer_than_asked_for(
    headers: bool, tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINDI_BN_DOWNLOAD_SECONDS", "0.4")
    with serving(drip(packed, 100, headers)) as server:
        at_uci(server, monkeypatch)
        with pytest.raises(SourceError) as error:
            uci_source.download(tmp_path)
    assert "it took longer than 0.4 seconds" in error.value.why
    monkeypatch.setenv("HINDI_BN_DOWNLOAD_SECONDS", "soon")
    with pytest.raises(SourceError, match="HINDI_BN_DOWNLOAD_SECONDS must be a number"):
        uci_source.download(tmp_path)


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


@pytest.mark.slow
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
