"""What the tests of the Ray runner share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny import tiny_study

from hindi_bn.records import RunFolder
from hindi_bn.runners.jobs import Job
from hindi_bn.runners.ray_task import Message, pack

TIMES = {"history.csv", "environment.json", "checkpoint/state.json", "log.txt", "manifest.json"}
"""Files in which seconds or dates stand, or sums of such files."""


def job(
    out: Path, run: str = "bn", *, resume: bool = False, overwrite: bool = False, **settings: Any
) -> Job:
    """One run of the tiny study; `settings` as `tiny_study` takes them."""
    return Job(tiny_study(**settings), run, out, resume=resume, overwrite=overwrite)


def assert_same(one: Path, other: Path) -> None:
    """Two runs' folders hold the same files: byte for byte, but for times in history.csv."""
    first, second = pack(one), pack(other)
    assert first.keys() == second.keys()
    for name in first.keys() - TIMES:
        assert first[name] == second[name], name
    assert [RunFolder(folder).verify() for folder in (one, other)] == ["ok", "ok"]
    histories = [RunFolder(f).read_history().drop(columns="seconds") for f in (one, other)]
    assert histories[0].equals(histories[1])


class Outbox:
    """Keeps messages; interrupts the run after so many epochs, as a cancelled task is."""

    def __init__(self, epochs: int | None = None) -> None:
        self.messages: list[Message] = []
        self._left = epochs

    def put(self, item: Message) -> None:
        self.messages.append(item)
        if item.kind == "epoch" and self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt

    def kinds(self) -> list[str]:
        return [message.kind for message in self.messages]
