"""What happens on a node of a Ray cluster: one run, trained in a folder of its own.

The node shares no file system with whoever gave the job: the run's files travel as bytes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from hindi_bn import __version__
from hindi_bn.errors import HindiBnError, RunError
from hindi_bn.files import replacing
from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Failure, Job, perform
from hindi_bn.runners.scratch import scratch

if TYPE_CHECKING:
    from hindi_bn.training.loop import EpochRow

Files = dict[str, bytes]
"""A run's files: what is in them by their path in its folder, as `checkpoint/state.json`."""

STATE = "checkpoint/state.json"
MANIFEST = "manifest.json"
TEXTS = ("what", "why", "next_step", "details")  # of a failure


@dataclass(frozen=True)
class Message:
    """What a task sends while it trains.

    `task` is its number; a run that is tried again is another task. The content is the node, an
    epoch's row, a sentence, or the run's files.
    """

    task: int
    kind: Literal["started", "epoch", "note", "files"]
    content: Any


class Outbox(Protocol):
    """Takes messages to the process that gave the job."""

    def put(self, item: Message, /) -> None:
        """Send a message."""


@dataclass(frozen=True)
class Order:
    """A job, as `Job.as_json` gives it, with everything that a node needs for it but the digits.

    The files let the run go on from its checkpoint, which is sent home after an epoch when
    `ship_seconds` have passed. A node with other versions of the packages refuses the job.
    """

    task: int
    job: dict[str, Any]
    files: Files
    versions: dict[str, str]
    ship_seconds: float


@dataclass(frozen=True)
class Delivery:
    """How an order ended, with the files of the run's folder."""

    seconds: float
    failure: Failure | None
    files: Files


def train(order: Order, arrays: Mapping[str, Any], node: str, outbox: Outbox) -> Delivery:
    """Train an order's run with one thread; a run's error is part of the delivery.

    The digits are as `arrays_of` gives them, perhaps in read-only memory of the object store.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
    import torch

    from hindi_bn.runners.shared_digits import digits_of

    torch.set_num_threads(1)
    refusal = _other_versions(order.versions, node)
    if refusal is not None:
        return Delivery(0.0, refusal, order.files)
    outbox.put(Message(order.task, "started", node))
    with scratch("hindi-bn-run-") as place:
        home, name = Job(**order.job), str(place)
        job = replace(home, out=place)
        unpack(job.folder, order.files)
        reporter = _Reporter(order, job.folder, outbox)
        try:
            result = perform(
                job, digits_of(arrays), on_epoch=reporter.epoch,
                note=lambda text: reporter.note(text.replace(name, str(home.out))),
            )  # fmt: skip
        except KeyboardInterrupt:  # the run was cancelled
            reporter.ship()
            raise
        failure = result.failure
        if failure is not None:  # the folder's name as it is where the job was given
            here = {key: getattr(failure, key).replace(name, str(home.out)) for key in TEXTS}
            failure = replace(failure, **here)
        return Delivery(result.seconds, failure, pack(job.folder))


class _Reporter:
    def __init__(self, order: Order, folder: Path, outbox: Outbox) -> None:
        self._task, self._every = order.task, order.ship_seconds
        self._folder, self._outbox = folder, outbox
        self._shipped = time.monotonic()

    def note(self, text: str) -> None:
        self._outbox.put(Message(self._task, "note", text))

    def epoch(self, row: EpochRow) -> None:
        self._outbox.put(Message(self._task, "epoch", asdict(row)))
        if time.monotonic() - self._shipped >= self._every:
            self.ship()

    def ship(self) -> None:
        self._outbox.put(Message(self._task, "files", pack(self._folder)))
        self._shipped = time.monotonic()


def versions() -> dict[str, str]:
    """Return the versions of the packages that a run's numbers depend on."""
    from importlib.metadata import version

    return {"hindi-bn": __version__, "torch": version("torch")}


def _other_versions(wanted: dict[str, str], node: str) -> Failure | None:
    there = versions()
    other = [f"{name} {there[name]}, not {wanted[name]}" for name in wanted
             if there[name] != wanted[name]]  # fmt: skip
    if not other:
        return None
    what = f"Node {node} has other packages than this machine."
    why, next_step = f"It has {'; '.join(other)}.", "install the same versions on every node"
    return Failure(HindiBnError.__name__, what, why, next_step)


def pack(folder: Path) -> Files:
    """Read the files of a run's folder; none when there is no such folder."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }


def refuse_names(files: Files) -> None:
    """Raise RunError where a file's name is not a plain path below a run's folder."""
    for name in files:
        plain = name.isprintable() and not {"\\", ":"} & {*name}
        if not plain or any(part.startswith(".") or not part for part in name.split("/")):
            raise RunError(
                "A node of the Ray cluster sent a file that no run has.",
                f"Its name is {name[:80]!r}; nothing of what it sent was written.",
                "look at that node before you use it again",
            )


def unpack(folder: Path, files: Files) -> None:
    """Make a run's folder hold these files, so that a kill on the way leaves a usable folder.

    A checkpoint's state is written after the tensors that it names, and the manifest, which marks a
    finished run, after everything else. RunError, and nothing written, for a file's name that leads
    out of the folder or that no run gives to a file: another machine chose it.
    """
    refuse_names(files)
    for name in sorted(files, key=lambda name: (name == MANIFEST, name == STATE, name)):
        file = folder / name
        if not (file.is_file() and file.read_bytes() == files[name]):
            with replacing(file) as temporary:
                temporary.write_bytes(files[name])
    checkpoint = RunFolder(folder).checkpoint_folder
    if not any(name.startswith("checkpoint/") for name in files):
        RunFolder(folder).drop_checkpoint()
    elif checkpoint.is_dir():
        for file in checkpoint.iterdir():
            if f"checkpoint/{file.name}" not in files:
                file.unlink()
