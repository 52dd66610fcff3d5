"""Kills: at every change that a command makes on the disk, and at random moments."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from random import Random

from faults.children import Child, Ended, in_worker, wait_for_orphans
from faults.moments import Moments, killed_at, refused_at, unsynced
from faults.tries import Try, lacking, same
from faults.workplace import Command, Workplace


def kills(commands: dict[str, Command]) -> Iterator[Try]:
    """A kill before each change of the disk, of each command and of its worker."""
    what = "kill before a change of the disk"
    for command in commands.values():
        for number in range(command.moments[0]):
            yield _disturbed(what, command, killed_at(number))
        for number in range(command.moments[1]):
            carry_out = functools.partial(_in_its_worker, command.name, killed_at(number))
            yield Try(what, f"{command.name}, its worker", carry_out, command.seconds)


def _disturbed(what: str, command: Command, fault: Moments) -> Try:
    carry_out = functools.partial(_once_and_again, command.name, fault)
    return Try(what, command.name, carry_out, command.seconds)


def random_kills(commands: dict[str, Command]) -> Iterator[Try]:
    """Kills at random moments, without end."""
    while True:
        for name in commands:
            yield Try("kill at a random moment", name, functools.partial(_at_random, name))


def broken_disks(commands: dict[str, Command]) -> Iterator[Try]:
    """A disk that is full at a change, or refuses an fsync: for each of them, about."""
    for command in commands.values():
        for number in range(command.moments[0] // 2):
            yield _disturbed("disk full at a change", command, refused_at(number))
        for number in range(command.moments[0] // 6):
            yield _disturbed("fsync fails", command, unsynced(number))


def pairs(commands: dict[str, Command]) -> Iterator[Try]:
    """Two processes of the same command in the same folder."""
    for name in commands:
        yield Try("two processes at once", name, functools.partial(_together, name))


def _once_and_again(name: str, fault: Moments, place: Workplace, _: Random) -> str | None:
    command = place.commands[name]
    with place.folder(command.before) as folder:
        ended = command.run(folder, fault)
        found = wrong(ended)
        if ended.done:  # its moment did not come, or what was refused can be done without
            found = lacking(command.after, folder)
        found = found or completed(command, folder)
    return found and f"moment {fault.number}: {found}"


def _in_its_worker(name: str, fault: Moments, place: Workplace, _: Random) -> str | None:
    command = place.commands[name]
    with place.folder(command.before) as folder:
        ended = command.run(folder, in_worker(fault))
        found = wrong(ended) or completed(command, folder)
    return found and f"moment {fault.number}: {found}"


def _at_random(name: str, place: Workplace, random: Random) -> str | None:
    command = place.commands[name]
    with place.folder(command.before) as folder:
        ended = command.run(folder, kill_after=random.uniform(0, command.seconds))
        return completed(command, folder) if ended.killed else None


def _together(name: str, place: Workplace, random: Random) -> str | None:
    command = place.commands[name]
    with place.folder(command.before) as folder:
        children = [Child(command.arguments, folder, (), command.variables) for _ in range(2)]
        ends = [child.wait() for child in children]
        wait_for_orphans()
        return next(filter(None, map(wrong, ends)), "") or completed(command, folder)


def wrong(ended: Ended) -> str:
    """What is wrong with how a disturbed command ended: killed, or with one message."""
    return "" if ended.killed else ended.broken


def completed(command: Command, folder: Path) -> str:
    """What is wrong after the same command is given again: it must leave what it always leaves."""
    ended = command.run_again(folder)
    return same(command.after, folder) if ended.done else f"again: {ended.told}"
