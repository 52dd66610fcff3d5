"""A worker process: reads jobs from stdin, trains them one by one, tells on stdout what happens.

Both are lines of JSON. The first line says where the digits are and how many threads to use; each
further line is a job, or `{"quit": true}`. When stdin ends without that, whoever gave the jobs has
stopped or died: the run in progress saves what it has and the process ends.
"""

from __future__ import annotations

import _thread
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from hindi_bn.runners.jobs import Job, perform, row_as_json

Send = Callable[[dict[str, Any]], None]
INTERRUPTED = 130


def main() -> int:
    """Serve until told to quit; the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever else is printed goes to stderr

    def send(message: dict[str, Any]) -> None:
        stdout.write(json.dumps(message) + "\n")
        stdout.flush()

    try:
        serve(sys.stdin, send)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def serve(lines: TextIO, send: Send) -> None:
    """Train the jobs that come in; KeyboardInterrupt when the lines end unannounced."""
    import torch

    from hindi_bn.runners.shared_digits import open_shared

    setup = json.loads(lines.readline())
    torch.set_num_threads(setup["threads"])
    digits = open_shared(Path(setup["digits"]))
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines, inbox), daemon=True).start()
    while not (message := inbox.get()).get("quit"):
        result = perform(
            Job.from_json(message),
            digits,
            on_epoch=lambda row: send({"kind": "epoch", "row": row_as_json(row)}),
            note=lambda text: send({"kind": "note", "text": text}),
        )
        failure = result.failure and asdict(result.failure)
        send({"kind": "result", "seconds": result.seconds, "failure": failure})


def _read(lines: TextIO, inbox: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Pass messages on; interrupt the main thread when they end without a `quit`."""
    for line in lines:
        message = json.loads(line)
        inbox.put(message)
        if message.get("quit"):
            return
    _thread.interrupt_main()
    inbox.put({"quit": True})  # wakes the main thread if it waits for a job


if __name__ == "__main__":
    sys.exit(main())
