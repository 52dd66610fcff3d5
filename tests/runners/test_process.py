"""Processes that speak lines of JSON: both sides, and the death of either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hindi_bn.runners.process import INTERRUPTED, QUIT, Child, Message, Send, serve


def work(messages: Iterator[Message], send: Send) -> None:
    """Answer every message; print, wait or fail where it asks for that."""
    print("this is not JSON")
    for message in messages:
        send({"of": os.getpid(), "variable": os.environ.get("COLOUR"), **message})
        if message.get("wait"):
            time.sleep(60)
        if message.get("fail"):
            raise ValueError("the last words")
    send({"left": True})


@pytest.fixture
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This file is a module of the processes that tests start."""
    here = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(here))


@pytest.fixture
def child(findable: None) -> Iterator[Child]:
    child = Child(Path(__file__).stem, COLOUR="blue")
    yield child
    child.process.kill()
    child.wait()


def test_messages_go_and_come_until_it_quits(child: Child) -> None:
    for number in range(3):
        assert child.send({"number": number})
        assert child.receive() == {"of": child.process.pid, "variable": "blue", "number": number}
    assert child.send(QUIT)
    assert child.receive() == {"left": True}
    assert child.receive() is None
    assert child.how_it_ended() == "It ended with exit code 0."
    assert child.process.poll() is not None
    assert child.last_words == "this is not JSON"


def test_a_child_that_fails_leaves_its_last_words(child: Child) -> None:
    assert child.send({"fail": True})
    assert child.receive() is not None
    assert child.receive() is None
    assert child.how_it_ended() == "It ended with exit code 1."
    assert child.last_words.endswith("ValueError: the last words")


@pytest.mark.parametrize("busy", [False, True])
def test_a_child_ends_when_its_parent_is_gone(child: Child, busy: bool) -> None:
    child.send({"wait": busy})
    assert child.receive() is not None
    child.interrupt()
    assert child.wait() == INTERRUPTED
    assert not child.send({"too": "late"})


def test_a_child_that_was_killed_is_told_from_one_that_failed(child: Child) -> None:
    child.send({})
    assert child.receive() is not None
    os.kill(child.process.pid, signal.SIGKILL)
    assert child.receive() is None
    assert child.how_it_ended().startswith("It was killed by signal 9")


DRIVER = """
import os, sys, time
from hindi_bn.runners.process import Child
children = [Child("test_process") for _ in range(2)]
for child in children:
    child.send({"wait": True})
    print(child.receive()["of"], flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    """Whether a process is there; one that ended and that nobody has asked about is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find processes")
def test_busy_children_end_by_themselves_when_their_driver_is_killed(findable: None) -> None:
    """Nobody tells them, and neither holds the other's stdin open."""
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    busy = [int(driver.stdout.readline()) for _ in range(2)]
    assert all(map(alive, busy))
    driver.kill()
    driver.wait()
    driver.stdout.close()
    until = time.monotonic() + 30
    while any(map(alive, busy)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(alive, busy))


if __name__ == "__main__":
    sys.exit(serve(work))
