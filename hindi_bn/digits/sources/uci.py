"""The UCI repository's archive of the data set (its number 389); no account is needed."""

import logging
import os
from pathlib import Path
from typing import Any

from hindi_bn.digits.images import Advance, silent
from hindi_bn.digits.network import CONNECT_TIMEOUT, OTHERS, reason, without_login
from hindi_bn.digits.unpacking import MAX_BYTES
from hindi_bn.errors import SourceError

ORDER = 2

SITE = "https://archive.ics.uci.edu"
ARCHIVE = "/static/public/389/devanagari+handwritten+character+dataset.zip"
READ_TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3  # after a connection that broke off
BLOCK = 2**16  # bytes


def address() -> str:
    """Return the archive's URL; the variable HINDI_BN_UCI_URL names a mirror's start of it."""
    return os.environ.get("HINDI_BN_UCI_URL", SITE).rstrip("/") + ARCHIVE


def download(folder: Path, advance: Advance = silent) -> Path:
    """Download the archive into `folder`, under a temporary name until it is whole.

    SourceError when the server cannot be reached, refuses, breaks off or sends too much.
    """
    from requests import exceptions

    url = address()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _retrieve(url, folder, advance)
        except exceptions.ChunkedEncodingError as error:
            if attempt == ATTEMPTS:
                raise _failed(url, f"the connection broke off, {ATTEMPTS} times") from error
        except exceptions.HTTPError as error:
            raise _failed(url, f"it answered {str(error).partition(' for url')[0]}") from error
        except exceptions.Timeout as error:
            raise _failed(url, "it did not answer in time") from error
        except exceptions.RequestException as error:
            raise _failed(url, f"no connection ({reason(error)})") from error
    raise AssertionError  # pragma: no cover (the last attempt returns or raises)


def _retrieve(url: str, folder: Path, advance: Advance) -> Path:
    """Let pooch download once; the zip's hash is left open, the pixels' is checked afterwards."""
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    responses: list[Any] = []  # pooch leaves the connection open when it fails
    hooks = {"response": lambda response, **_: responses.append(response)}
    timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
    fetcher = pooch.HTTPDownloader(_Bar(advance), BLOCK, timeout=timeout, hooks=hooks)
    try:
        return Path(pooch.retrieve(url, None, "uci.zip", folder, downloader=fetcher))
    finally:
        for response in responses:
            response.close()


def _failed(url: str, why: str) -> SourceError:
    return SourceError(
        "The UCI repository did not deliver the digits.",
        f"{without_login(url)}: {why}.",
        f"try again later, or use another source: {OTHERS}",
    )


class _Bar:
    """What pooch calls as it downloads; it also stops a download without end."""

    def __init__(self, advance: Advance) -> None:
        self.total, self._done, self._advance = 0, 0, advance

    def update(self, count: int) -> None:
        self._done += count
        if max(self._done, self.total) > MAX_BYTES:
            raise _failed(address(), f"it sends more than {MAX_BYTES:,} bytes")
        self._advance("Downloading", min(self._done, self.total or self._done), self.total or None)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> Any:
        """Have nothing to close."""
