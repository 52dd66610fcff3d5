"""A process that speaks lines of JSON: on its stdin and stdout, whatever else it prints on stderr.

The child serves until it is sent `QUIT`. When its stdin ends without that, whoever started it has
stopped or died: what it is doing is interrupted, as by Ctrl-C.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TextIO

Message = dict[str, Any]
Send = Callable[[Message], None]

QUIT: Message = {"quit": True}
INTERRUPTED = 130
LAST_WORDS = 2000  # characters


class Child:
    """A Python module that calls `serve`, in a process of its own, as its parent sees it.

    It gets some environment variables beside this process's own.
    """

    def __init__(self, module: str, **variables: str) -> None:
        self.last_words = ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `wait`)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
                env=os.environ | variables,
                start_new_session=True,  # Ctrl-C is for this process alone, which passes it on
            )  # fmt: skip
        except BaseException:
            self._errors.close()
            raise

    def send(self, message: Message) -> bool:
        """Send a message; False when the process is over or was interrupted."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError):  # ValueError: its stdin was closed to interrupt it
            return False
        return True

    def receive(self) -> Message | None:
        """Wait for a message; None when the process is over."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return dict(json.loads(line)) if line.endswith("\n") else None

    def interrupt(self) -> None:
        """Have it stop what it is doing, and end."""
        assert self.process.stdin is not None
        with suppress(OSError):  # unsent lines to a process that is gone
            self.process.stdin.close()

    def wait(self) -> int:
        """Wait for its end, interrupting it unless it was sent `QUIT`; its exit code."""
        self.interrupt()
        code = self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        if not self._errors.closed:
            self._errors.seek(0)
            self.last_words = self._errors.read().decode("utf-8", "replace")[-LAST_WORDS:].strip()
            self._errors.close()
        return code

    def how_it_ended(self) -> str:
        """Wait for its end, and describe that in a sentence."""
        code = self.wait()
        if code < 0:
            return f"It was killed by signal {-code}; 9 is what a system short of memory sends."
        return f"It ended with exit code {code}."


def serve(work: Callable[[Iterator[Message], Send], None]) -> int:
    """Hand the messages that come in to `work`, until there are no more; the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever else is printed goes to stderr
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, inbox), daemon=True).start()
    try:
        work(iter(inbox.get, QUIT), lambda message: print(json.dumps(message), file=stdout))
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _read(lines: TextIO, inbox: queue.SimpleQueue[Message]) -> None:
    """Pass messages on; interrupt the main thread when they end without a `QUIT`."""
    for line in lines:
        message = json.loads(line)
        inbox.put(message)
        if message == QUIT:
            return
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)  # a true signal also ends what it waits for
    inbox.put(QUIT)  # wakes the main thread if it waits for a message
