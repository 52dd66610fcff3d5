"""The UCI repository's archive of the data set (its number 389); no account is needed."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hindi_bn.digits.images import Advance, silent
from hindi_bn.digits.network import CONNECT_TIMEOUT, OTHERS, reason
from hindi_bn.digits.pace import Arrived, TooSlowError, in_time
from hindi_bn.digits.unpacking import MAX_BYTES
from hindi_bn.errors import SourceError, without_secrets
from hindi_bn.files import one_line

if TYPE_CHECKING:
    from requests import Response

ORDER = 2

SITE = "https://archive.ics.uci.edu"
ARCHIVE = "/static/public/389/devanagari+handwritten+character+dataset.zip"
READ_TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3  # after a connection that broke off
BLOCK = 2**13  # bytes


def address() -> str:
    """Return the archive's URL; the variable HINDI_BN_UCI_URL names a mirror's start of it."""
    return os.environ.get("HINDI_BN_UCI_URL", SITE).rstrip("/") + ARCHIVE


def download(folder: Path, advance: Advance = silent, kept: Path | None = None) -> Path:
    """Download the archive into `folder`; what arrives stays in `kept` until it is whole.

    SourceError when the server cannot be reached, refuses, breaks off, is too slow or sends too
    much; the next call goes on where this one ended if the server says of which file it is a part.
    """
    from requests import exceptions

    url, part = address(), _Part(kept or folder / "kept")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            in_time(partial(_receive, url, part, advance))
            return part.file.rename(folder / "uci.zip")
        except exceptions.ChunkedEncodingError as error:
            if attempt == ATTEMPTS:
                raise _failed(url, f"the connection broke off, {ATTEMPTS} times", part) from error
        except exceptions.HTTPError as error:
            said = str(error).partition(" for url")[0]
            raise _failed(url, f"it answered {said}", part) from error
        except exceptions.Timeout as error:
            raise _failed(url, "it did not answer in time", part) from error
        except exceptions.RequestException as error:
            raise _failed(url, f"no connection ({reason(error)})", part) from error
        except ValueError as error:  # a length that is no number, an address that is none
            raise _failed(url, f"its answer makes no sense ({one_line(error)})", part) from error
        except TooSlowError as error:
            raise _failed(url, str(error), part) from error
        finally:
            part.tidy(url)
    raise AssertionError  # pragma: no cover (the last attempt returns or raises)


class _Part:
    """What has arrived of the archive, and what the server calls the version that it is of."""

    def __init__(self, folder: Path) -> None:
        self.file, self._version = folder / "uci.part", folder / "uci.version"

    def size(self, url: str) -> int:
        """Return how many bytes can be gone on from; otherwise they are removed."""
        known = self._version.read_text("utf-8") if self._version.is_file() else ""
        if known.startswith(f"{without_secrets(url)}\n") and self.file.is_file():
            return self.file.stat().st_size
        self.forget()
        return 0

    def asked(self, url: str) -> dict[str, str]:
        """Return the headers that ask for the rest, or for all where it is of another version."""
        size, headers = self.size(url), {"Accept-Encoding": "identity"}
        if size:
            version = self._version.read_text("utf-8").partition("\n")[2]
            headers |= {"Range": f"bytes={size}-", "If-Range": version}
        return headers

    def begin(self, url: str, response: Response) -> int:
        """Return how many bytes the answer goes on from; what it does not go on from is removed."""
        start = self.size(url)
        place = response.headers.get("Content-Range", "")
        if start and response.status_code == 206 and place.startswith(f"bytes {start}-"):  # noqa: PLR2004
            return start
        self.forget()
        version = response.headers.get("ETag", "W/")
        if not version.startswith("W/"):  # which may stand for other bytes
            self._version.parent.mkdir(parents=True, exist_ok=True)
            self._version.write_text(f"{without_secrets(url)}\n{version}", "utf-8")
        return 0

    def tidy(self, url: str) -> None:
        """Leave nothing that cannot be gone on from."""
        if not self.size(url):
            with suppress(OSError):
                self.file.parent.rmdir()

    def forget(self) -> None:
        """Remove it."""
        self.file.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


def _receive(url: str, part: _Part, advance: Advance, arrived: Arrived) -> None:
    """Get the archive or the rest of it; its pixels are checked afterwards, not its bytes."""
    import requests

    headers, timeout = part.asked(url), (CONNECT_TIMEOUT, READ_TIMEOUT)
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            part.forget()
            raise requests.exceptions.ChunkedEncodingError
        response.raise_for_status()
        done = part.begin(url, response)
        total = done + int(response.headers.get("Content-Length") or 0)
        part.file.parent.mkdir(parents=True, exist_ok=True)
        with part.file.open("ab") as file:
            for block in response.iter_content(BLOCK):
                done += len(block)
                arrived(len(block))
                if max(done, total) > MAX_BYTES:
                    part.forget()
                    raise _failed(url, f"it sends more than {MAX_BYTES:,} bytes", part)
                file.write(block)
                advance("Downloading", min(done, total or done), total or None)


def _failed(url: str, why: str, part: _Part) -> SourceError:
    kept = part.size(url)
    again = f"the same command goes on from the {kept:,} bytes that arrived" if kept else ""
    return SourceError(
        "The UCI repository did not deliver the digits.",
        f"{url}: {why}.",
        f"{again or 'try again later'}, or use another source: {OTHERS}",
    )
