"""Full disks: a limit on the size of files, and a small file system where one may be mounted."""

from __future__ import annotations

import functools
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from faults.kills import completed, wrong
from faults.tries import Try, lacking
from faults.workplace import Command, Workplace

TIMES = 6


def quotas(commands: dict[str, Command]) -> Iterator[Try]:
    """Each command with some limits on the size of its files and of its disk."""
    mounted = may_mount()
    for name in commands:
        for _ in range(TIMES):
            yield Try("files of limited size", name, functools.partial(_limited, name))
            if mounted:
                yield Try("full disk (tmpfs)", name, functools.partial(_full, name))


def may_mount() -> bool:
    """Whether a file system can be mounted here; without that, limits on files stand for it."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        if mount(Path(folder), "64k"):
            return False
        subprocess.run(["umount", folder], check=True)
    return True


def mount(folder: Path, size: str) -> int:
    made = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(made, capture_output=True, check=False).returncode


def _limited(name: str, place: Workplace, random: Random) -> str:
    command, most = place.commands[name], random.choice((0, 200, 2_000, 20_000, 40_000, 80_000))

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python itself does
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    with place.folder(command.before) as folder:
        ended = command.run(folder, limit)
        unfinished = wrong(ended) or (lacking(command.after, folder) if ended.done else "")
        return unfinished or completed(command, folder)


def _full(name: str, place: Workplace, random: Random) -> str:
    command = place.commands[name]
    with place.folder(command.before) as source:
        (disk := source.parent / "disk").mkdir()
        if mount(disk, "16m"):
            return "the file system could not be mounted"
        try:
            folder = Path(shutil.copytree(source, disk / "w", symlinks=True))
            room = random.choice((0, 1, 5, 20, 60)) * 4096
            (disk / "filler").write_bytes(bytes(max(0, free(disk) - room)))
            ended = command.run(folder)
            unfinished = wrong(ended) or (lacking(command.after, folder) if ended.done else "")
            (disk / "filler").unlink()
            return unfinished or completed(command, folder)
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=False)


def free(folder: Path) -> int:
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize
