"""The moments at which a command changes the disk, and what can be done to it at one of them.

Python tells an audit hook before it opens, renames or removes anything; libraries written in C that
open files by themselves do not pass here, but the product hands them files that are open.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink",
          "os.chmod")  # fmt: skip

ALL = {"open", "os.fsync", *EVENTS}

Act = Callable[[str], None]
"""Called with what is about to happen; it may end the process or raise OSError."""


class Moments:
    """A fault: something is done at the n-th change of the disk (from 0), or at each."""

    def __init__(
        self, act: Act, number: int | None = None, counted: Container[str] = frozenset(ALL)
    ) -> None:
        self._act, self.number, self._counted = act, number, counted

    def __call__(self) -> None:
        self._seen, self._process = 0, os.getpid()
        self._fsync = os.fsync
        os.fsync = self._synced
        sys.addaudithook(self._audited)

    def _synced(self, descriptor: Any) -> None:
        self._happens("os.fsync")
        self._fsync(descriptor)

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            self._happens(event)
        elif event == "open":
            path, _, flags = arguments
            named = isinstance(path, str | bytes | os.PathLike) and flags & WRITING
            if named and not os.fsdecode(path).startswith("/dev/"):
                self._happens(event)

    def _happens(self, event: str) -> None:
        if (
            event not in self._counted or os.getpid() != self._process
        ):  # a worker that was forked has its own
            return
        number, self._seen = self._seen, self._seen + 1
        if self.number in {None, number}:
            self._act(event)


def killed_at(number: int) -> Moments:
    return Moments(lambda event: os.kill(os.getpid(), signal.SIGKILL), number)


def refused_at(number: int) -> Moments:
    """The disk is full at the n-th change that needs room."""

    def refuse(event: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return Moments(refuse, number, {"open", "os.mkdir", "os.rename", "os.link", "os.symlink"})


def unsynced(number: int) -> Moments:
    """The n-th fsync alone fails."""

    def refuse(event: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    return Moments(refuse, number, {"os.fsync"})


def noting(file: Path) -> Moments:
    """Writes a line for each moment into a file."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return Moments(lambda event: os.write(descriptor, f"{event}\n".encode()) and None)
