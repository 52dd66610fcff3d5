"""A worker process (see `hindi_bn.runners.process`): trains the jobs that it is sent, one by one.

The first message says where the digits are and how many threads to use; each further one is a job.
A run that is interrupted saves what it has.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from hindi_bn.runners.jobs import Job, perform
from hindi_bn.runners.process import Message, Send, serve


def work(messages: Iterator[Message], send: Send) -> None:
    """Train the jobs that come in, sending a message at every epoch, note and end of a job."""
    import torch

    from hindi_bn.runners.shared_digits import open_shared

    setup = next(messages)
    torch.set_num_threads(setup["threads"])
    digits = open_shared(Path(setup["digits"]))
    for message in messages:
        result = perform(
            Job(**message),
            digits,
            on_epoch=lambda row: send({"kind": "epoch", "row": asdict(row)}),
            note=lambda text: send({"kind": "note", "text": text}),
        )
        failure = result.failure and asdict(result.failure)
        send({"kind": "result", "seconds": result.seconds, "failure": failure})


if __name__ == "__main__":
    sys.exit(serve(work))
