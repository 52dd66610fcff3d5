"""How many worker processes, and with how many threads each, a number of runs is trained with."""

import os
from dataclasses import dataclass
from pathlib import Path

from hindi_bn.environment import linux_fact
from hindi_bn.errors import StudyError

WORKER_BYTES = 800 * 2**20
"""Memory kept for each worker; a run of the article's takes 700 MiB, torch's 500 included."""

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Plan:
    """Processes, threads in each of them, and the reason in words."""

    workers: int
    threads: int
    reason: str


def plan(jobs: int, *, workers: int | None = None, threads: int | None = None) -> Plan:
    """Choose workers and threads: one worker per core with one thread, as long as there are jobs.

    Cores that are left over are given to the workers as further threads. StudyError when `workers`
    or `threads`, which are taken as they are, is not positive.
    """
    for name, number in {"workers": workers, "threads": threads}.items():
        if number is not None and number < 1:
            raise StudyError(
                f"Runs cannot be trained with {number} {name}.",
                "There must be at least one.",
                f"leave {name} away to have the number chosen",
            )
    cores, fitting = available_cores(), max(1, available_memory() // WORKER_BYTES)
    chosen = workers or max(1, min(jobs, cores // (threads or 1), fitting))
    each = threads or max(1, cores // chosen)
    reason = (
        f"{_count(jobs, 'run')} on {_count(cores, 'core')}: "
        f"{_count(chosen, 'worker process', 'worker processes')} with {_count(each, 'thread')} each"
    )
    if workers is None and fitting < min(jobs, cores // (threads or 1)):
        reason += f" (free memory holds {fitting})"
    return Plan(chosen, each, reason)


def available_cores() -> int:
    """Count the cores that this process may use, a container's share considered."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    share = _read(CGROUP / "cpu.max").split()  # microseconds of work in microseconds, or "max"
    if len(share) == 2 and share[0] != "max":  # noqa: PLR2004
        cores = min(cores, max(1, round(int(share[0]) / int(share[1]))))
    return cores


def available_memory() -> int:
    """Return the free memory in bytes, a container's limit considered; a lot where unknown."""
    free = [2**50]
    kibibytes = linux_fact(MEMINFO, "MemAvailable")
    if kibibytes:
        free.append(int(kibibytes.split()[0]) * 1024)
    limit, used = _read(CGROUP / "memory.max").strip(), _read(CGROUP / "memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free.append(max(0, int(limit) - int(used)))
    return min(free)


def _read(file: Path) -> str:
    return file.read_text() if file.is_file() else ""


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
