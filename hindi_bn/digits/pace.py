"""How slow a download may be: time limits of sockets begin again with every byte that arrives."""

import contextvars
import os
import threading
import time
from collections.abc import Callable

from hindi_bn.errors import SourceError

LIMITS = {"HINDI_BN_DOWNLOAD_SECONDS": 3600.0, "HINDI_BN_DOWNLOAD_RATE": 1000.0}
"""How long a download may take, and how many bytes a second must arrive: variables, defaults."""

WINDOW = 30.0  # seconds over which the rate is averaged
POLL = 0.1  # seconds

Arrived = Callable[[int], None]
"""To be told how many bytes arrived since it was last told."""


class TooSlowError(Exception):
    """A download that is given up; its text says why."""


class Pace:
    """Watches a download from when it is made."""

    def __init__(self) -> None:
        self._longest, self._rate = (_limit(name) for name in LIMITS)
        self._began = self._mark = time.monotonic()
        self._marked = 0

    def check(self, size: int) -> None:
        """Raise TooSlowError when `size` bytes are too few by now, or it takes too long."""
        self.in_all()
        now = time.monotonic()
        if now - self._mark < WINDOW:
            return
        if size - self._marked < self._rate * (now - self._mark):
            slow = f"fewer than {self._rate:,g} bytes a second arrived, over {WINDOW:g} seconds"
            raise TooSlowError(slow)
        self._mark, self._marked = now, size

    def in_all(self) -> None:
        """Raise TooSlowError when it takes too long, however much arrives."""
        if time.monotonic() - self._began > self._longest:
            raise TooSlowError(f"it took longer than {self._longest:g} seconds")


def in_time(work: Callable[[Arrived], None]) -> None:
    """Let `work` download in a thread; raise what it raises, or TooSlowError when it is too slow.

    A thread that is given up ends when it next tells that something arrived.
    """
    pace, size, stopped = Pace(), 0, threading.Event()
    errors: list[BaseException] = []

    def arrived(count: int) -> None:
        nonlocal size
        size += count
        if stopped.is_set():
            raise TooSlowError

    def run() -> None:
        try:
            work(arrived)
        except BaseException as error:  # for the thread that waits
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=[run], daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL)
            if thread.is_alive():
                pace.check(size)
    finally:
        stopped.set()
    if errors:
        raise errors[0]


def _limit(name: str) -> float:
    text = os.environ.get(name, "")
    try:
        return float(text) if text else LIMITS[name]
    except ValueError as error:
        why = f"It is {text!r}."
        raise SourceError(f"{name} must be a number.", why, f"unset {name}") from error
