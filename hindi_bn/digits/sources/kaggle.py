"""Kaggle's copy of the digits, through Kaggle's own client.

The client authenticates while it is imported, prints, may end its process and sets no time limits.
So it runs in a process of its own (`hindi_bn.digits.kaggle_client`), watched from here.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hindi_bn.digits.images import Advance, silent
from hindi_bn.digits.kaggle_client import REFUSED
from hindi_bn.digits.network import CONNECT_TIMEOUT, OTHERS
from hindi_bn.digits.pace import Pace, TooSlowError
from hindi_bn.digits.unpacking import MAX_BYTES
from hindi_bn.errors import SourceError

ORDER = 1

DATASET = "suvooo/hindi-character-recognition"
STALL_TIMEOUT = 60.0  # seconds without a byte; the client itself waits up to 33 between attempts
POLL = 0.1  # seconds
NO_ACCOUNT = f"Sources that need no account: UCI: hindi-bn download --source uci; {OTHERS}"


def credentials() -> str | None:
    """Return where Kaggle credentials were found, in the order of Kaggle's client; None without.

    Their values are neither kept nor shown.
    """
    home = Path.home() / ".kaggle"
    if os.environ.get("KAGGLE_API_TOKEN"):
        return "KAGGLE_API_TOKEN"
    token = os.environ.get("KAGGLE_API_V1_TOKEN")
    if os.environ.get("KAGGLE_KERNEL_RUN_TYPE") and token and Path(token).exists():
        return "KAGGLE_API_V1_TOKEN"
    for name in ("access_token", "access_token.txt"):
        if _has_text(home / name):
            return f"~/.kaggle/{name}"
    file = config_dir() / "kaggle.json"
    known = _keys(file) | {
        key for key in ("username", "key") if os.environ.get(f"KAGGLE_{key.upper()}")
    }
    if {"username", "key"} <= known:
        return str(file) if _keys(file) else "KAGGLE_USERNAME and KAGGLE_KEY"
    if "refresh_token" in _keys(home / "credentials.json"):
        return "~/.kaggle/credentials.json"
    return None


def config_dir() -> Path:
    """Return the folder where Kaggle's client looks for kaggle.json."""
    named = os.environ.get("KAGGLE_CONFIG_DIR")
    if named:
        return Path(named)
    home = Path.home() / ".kaggle"
    if home.exists() or not sys.platform.startswith("linux"):
        return home
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"


def download(folder: Path, advance: Advance = silent, kept: Path | None = None) -> Path:
    """Download the data set's zip into a fresh folder and return its path.

    The client takes a file of the same name as done and checks no hash, so that nothing is `kept`.
    SourceError without credentials, and when Kaggle does not deliver.
    """
    if credentials() is None:
        raise no_credentials()
    with tempfile.TemporaryFile() as output:
        client = subprocess.Popen(
            [sys.executable, "-m", "hindi_bn.digits.kaggle_client", DATASET, str(folder.resolve()),
             str(CONNECT_TIMEOUT)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _watch(client, folder, advance, STALL_TIMEOUT + CONNECT_TIMEOUT)
        finally:
            client.kill()
            client.wait()
        output.seek(0)
        printed = output.read().decode("utf-8", "replace").strip()
    delivered = folder / f"{DATASET.rpartition('/')[2]}.zip"
    if client.returncode != 0 or not delivered.exists():
        lines = printed.splitlines() or [f"its client ended with {client.returncode}"]
        raise _failed(lines[-1])
    return delivered


def no_credentials() -> SourceError:
    """Return the error that says how to get Kaggle credentials."""
    return SourceError(
        "Kaggle needs an account, and no credentials were found.",
        "Looked for: KAGGLE_API_TOKEN, KAGGLE_USERNAME with KAGGLE_KEY, ~/.kaggle/access_token, "
        f"{config_dir() / 'kaggle.json'}, and a login by `kaggle auth login`.",
        "make a token at https://www.kaggle.com/settings (API, Generate New Token) and set "
        f"KAGGLE_API_TOKEN to it, or log in with `kaggle auth login`. {NO_ACCOUNT}",
    )


def _watch(
    client: subprocess.Popen[bytes], folder: Path, advance: Advance, patience: float
) -> None:
    """Wait for the client; SourceError when no byte arrives for `patience` seconds, or too many.

    The client writes a MiB at a time: what is slower than one in that time counts as none.
    """
    size, last, pace = 0, time.monotonic(), Pace()
    while client.poll() is None:
        now = sum(path.stat().st_size for path in folder.glob("*.zip"))
        if now != size:
            size, last = now, time.monotonic()
            advance("Downloading", size, None)
        if size > MAX_BYTES:
            raise _failed(f"it sends more than {MAX_BYTES:,} bytes")
        if time.monotonic() - last > patience:
            raise _failed(f"no byte arrived for {patience:.0f} seconds")
        try:
            pace.in_all()
        except TooSlowError as error:
            raise _failed(str(error)) from error
        time.sleep(POLL)


def _failed(why: str) -> SourceError:
    next_step = "try again later"
    if REFUSED in why:
        next_step = f"check the credentials ({credentials()}) or make a new token"
    what = "Kaggle did not deliver the digits."
    return SourceError(what, f"{why.rstrip('.')}.", f"{next_step}. {NO_ACCOUNT}")


def _has_text(path: Path) -> bool:
    return path.is_file() and bool(path.read_text(encoding="utf-8", errors="replace").strip())


def _keys(path: Path) -> set[str]:
    """Return the keys with a value in a JSON file; none when it is missing or no such file."""
    if not path.is_file():
        return set()
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return set()  # the client, too, takes a damaged file as none
    return {key for key, value in known.items() if value} if isinstance(known, dict) else set()
