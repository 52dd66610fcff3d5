"""Commands in processes of their own: forked from this one, which has imported everything once.

A process that imports torch takes seconds to start; a forked one takes 20 ms.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

import hindi_bn.runners.process
from hindi_bn.cli import app
from hindi_bn.runners import worker

LIMIT = 60  # seconds that a command may take; nothing here needs more than a few
UNFINISHED = "have no result. Give the same command again"
"""What a sweep says when some of its runs have failed."""
PR_SET_CHILD_SUBREAPER = 36

Fault = Callable[[], None]
"""Called in the child before its command begins."""

_in_worker: list[Fault] = []


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int  # exit code; minus the signal that killed it
    out: str
    err: str
    peak: int  # bytes of memory, those shared with its parent included

    @property
    def done(self) -> bool:
        return self.code == 0

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def broken(self) -> str:
        """What is wrong with how it ended; nothing where it is done, or said one message."""
        if "Traceback" in self.err or "Traceback" in self.out:
            frames = [line.strip() for line in self.err.splitlines() if line.startswith("  File ")]
            ours = [line for line in frames if "/hindi_bn/" in line]
            return f"traceback: {self.err.strip().splitlines()[-1][:200]} in {ours[-1:]}"
        if self.code == -signal.SIGALRM:
            return f"no end within {LIMIT} s"
        messages = sum(line.startswith("Error: ") for line in self.err.splitlines())
        if self.code == 1 and messages != 1 and UNFINISHED not in self.err:
            return f"no message: {self.err[-200:]!r}"
        if self.code not in {0, 1, 2}:
            return f"exit code {self.code}: {self.err[-200:]!r}"
        return ""

    @property
    def told(self) -> str:
        return f"exit code {self.code}, {self.err.strip()[-300:]!r}"


class Said:
    """What a command prints: a pipe, which limits on the size of files and full disks leave be."""

    ROOM = 2**20  # bytes; who prints more waits until its time is over

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe()
        fcntl.fcntl(self.theirs, fcntl.F_SETPIPE_SZ, self.ROOM)
        os.set_blocking(self._ours, False)  # a worker of a killed command may hold the other end

    def only_listen(self) -> None:
        os.close(self.theirs)

    def read(self) -> str:
        """All that was said so far; nothing can be read after it."""
        with os.fdopen(self._ours, "rb") as pipe:
            return (pipe.read() or b"").decode("utf-8", "replace")


@dataclass
class Child:
    """A command that is running in a folder."""

    arguments: Sequence[str]
    folder: Path
    faults: Sequence[Fault] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._out, self._err = Said(), Said()
        self.pid = os.fork()
        if self.pid == 0:
            self._be_the_command()
        self._out.only_listen()
        self._err.only_listen()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Ended:
        """Wait for its end; what it said and took."""
        _, status, usage = os.wait4(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, self._out.read(), self._err.read(), 1024 * usage.ru_maxrss)

    def _be_the_command(self) -> NoReturn:
        code = 1
        try:
            _plug(0, os.open(os.devnull, os.O_RDONLY))
            _plug(1, self._out.theirs)
            _plug(2, self._err.theirs)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.alarm(LIMIT)
            os.chdir(self.folder)
            os.environ.update(self.variables)
            (temporary := self.folder / "tmp").mkdir(exist_ok=True)
            tempfile.tempdir = str(temporary)
            sys.argv = ["hindi-bn", *self.arguments]
            for fault in self.faults:
                fault()
            app(list(self.arguments))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:  # as Python itself would print it
            traceback.print_exc()
        _leave(code)


def command(
    arguments: Sequence[str], folder: Path, *faults: Fault, kill_after: float | None = None,
    **variables: str,
) -> Ended:  # fmt: skip
    """Run a command to its end, or kill it after some seconds; its workers have ended then too."""
    child = Child(arguments, folder, faults, variables)
    if kill_after is not None:
        time.sleep(kill_after)
        child.kill()
    ended = child.wait()
    wait_for_orphans()
    return ended


def in_worker(fault: Fault) -> Fault:
    """The fault that another one is in the first worker process of the command."""
    return lambda: _in_worker.append(fault)


def adopt_orphans() -> None:
    """Have this process wait for the workers of commands that were killed."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    hindi_bn.runners.process.subprocess = SimpleNamespace(  # type: ignore[attr-defined]
        Popen=ForkedWorker, PIPE=subprocess.PIPE
    )


def wait_for_orphans() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


class ForkedWorker:
    """A worker process as `subprocess.Popen` starts it, but forked."""

    def __init__(
        self, arguments: Sequence[str], *, stderr: IO[bytes], env: dict[str, str], **_: Any
    ):
        if arguments[1:] != ["-m", "hindi_bn.runners.worker"]:
            raise NotImplementedError(arguments)
        (theirs_in, ours_in), (ours_out, theirs_out) = os.pipe(), os.pipe()
        self.returncode: int | None = None
        self._waiting = threading.Lock()
        faults = list(_in_worker)
        _in_worker.clear()
        self.pid = os.fork()
        if self.pid == 0:
            _be_a_worker((theirs_in, theirs_out, stderr.fileno()), env, faults)
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(ours_in, "w"), os.fdopen(ours_out)

    def poll(self) -> int | None:
        return self._end(os.WNOHANG)

    def wait(self) -> int:
        code = self._end(0)
        assert code is not None
        return code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def _end(self, options: int) -> int | None:
        with self._waiting:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, options)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode


def _be_a_worker(plugs: Sequence[int], env: dict[str, str], faults: Sequence[Fault]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        signal.alarm(LIMIT)
        for place, descriptor in enumerate(plugs):
            _plug(place, descriptor)
        os.closerange(3, 1024)  # locks and pipes of the command and of other workers
        os.environ.update(env)
        for fault in faults:
            fault()
        code = worker.serve(worker.work)
    except BaseException:
        traceback.print_exc()
    _leave(code)


def _plug(place: int, descriptor: int) -> None:
    """Let 0, 1 or 2 be a file, in Python's eyes too; nothing that the parent wrote goes with it."""
    os.dup2(descriptor, place)
    name = ("stdin", "stdout", "stderr")[place]
    setattr(sys, name, os.fdopen(place, "w" if place else "r", encoding="utf-8", closefd=False))


def _leave(code: int) -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
