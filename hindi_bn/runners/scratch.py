"""Temporary folders that do not outlive their process by much: who makes one removes the others.

A process that is killed leaves its folder, and on a Ray cluster processes that work in it. Its lock
goes with it, however it ends, and no number of a process is mistaken for another's.
"""

import contextlib
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

OWNER = "owner"
"""The file in a folder that its process keeps locked."""

MAKING = 60
"""Seconds after which an empty folder is no longer one that is being made."""

ENDING = 10
"""Seconds that processes may take to end before what they write is left to the next start."""

PROC = Path("/proc")


@contextlib.contextmanager
def scratch(prefix: str, place: str | None = None) -> Iterator[Path]:
    """Give a fresh folder of mode 0700 in `place`, or where temporary files lie, while it is used.

    Folders of the same prefix, user and place whose process died are removed first, and processes
    that still use them are killed. OSError when it cannot be made.
    """
    parent = Path(place or tempfile.gettempdir())
    for leftover in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # such as one that another process removes just now
            _remove(leftover)
    folder, lock = _made(prefix, parent)
    try:
        yield folder
    finally:
        lock.release()
        _delete(folder)


def _made(prefix: str, parent: Path) -> tuple[Path, FileLock]:
    """Make a folder and lock it; another one where it was taken for a leftover in between."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = FileLock(folder / OWNER)
        with contextlib.suppress(FileNotFoundError):
            lock.acquire()
            if (folder / OWNER).is_file():
                return folder, lock
            lock.release()


def _remove(folder: Path) -> None:
    """Remove a folder of this user whose process has died, and end what is left of it."""
    found, owner = folder.lstat(), folder / OWNER
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not (mine and stat.S_ISDIR(found.st_mode)):
        return
    if not owner.is_file():  # being made, or its process was killed while it made it
        if time.time() - found.st_mtime > MAKING:
            folder.rmdir()
        return
    lock = FileLock(owner)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return
    try:
        _delete(folder, kill=True)
    finally:
        lock.release()


def _delete(folder: Path, *, kill: bool = False) -> None:
    """Delete a folder, again while processes that are about to end still write into it."""
    until = time.monotonic() + ENDING
    while folder.exists() and time.monotonic() < until:
        for process in _using(folder) if kill else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.1)


def _using(folder: Path) -> list[int]:
    """Find this user's processes that name a folder or have a file of it open; none without /proc.

    One that gives itself a title, as Ray's agents do, writes it over its command and variables. One
    that has only the lock open looks, as this process does, whether the folder is a leftover.
    """
    name, found = os.fsencode(folder) + b"/", []
    lock = {os.fsencode(folder / OWNER), os.fsencode(folder / f"{OWNER} (deleted)")}
    for process in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            files = {_target(link) for link in process.glob("fd/*")} - lock
            used = name in told or any(file.startswith(name) for file in files)
            if used and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def _target(link: Path) -> bytes:
    try:
        return os.fsencode(link.readlink())
    except OSError:  # closed meanwhile
        return b""
