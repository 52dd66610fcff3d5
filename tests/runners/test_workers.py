"""Many runs on one machine: each as by itself, whatever happens to the others."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from scripts import importing
from tiny import tiny_digits, tiny_study

from hindi_bn.digits import Digits
from hindi_bn.errors import DivergedError, StudyError
from hindi_bn.records import RunFolder
from hindi_bn.runners import plan as plan_module
from hindi_bn.runners import workers as workers_module
from hindi_bn.runners.jobs import Failure, Job, JobResult
from hindi_bn.runners.plan import available_cores, available_memory, plan
from hindi_bn.runners.shared_digits import open_shared, shared
from hindi_bn.runners.worker import work
from hindi_bn.runners.workers import Event, run_jobs
from hindi_bn.training.run import train_run

GIB = 2**30
TASKS = Path("/proc/self/task")


def job(out: Path, run: str = "bn", **settings: Any) -> Job:
    return Job(tiny_study(**settings), run, out)


EARLIER: set[int] = set()
"""Children that this process had before a test: servers that other tests' multiprocessing keeps."""


@pytest.fixture(autouse=True)
def _children_of_this_test_alone() -> None:
    EARLIER.clear()
    if TASKS.is_dir():
        EARLIER.update(children())


def children() -> list[int]:
    """Worker processes of this process."""
    if not TASKS.is_dir():
        pytest.skip("needs /proc to find processes")
    found = [int(pid) for one in TASKS.iterdir() for pid in (one / "children").read_text().split()]
    return [pid for pid in found if pid not in EARLIER]


def assert_same(one: Path, other: Path) -> None:
    first, second = RunFolder(one), RunFolder(other)
    columns = first.read_history().columns.drop("seconds")
    assert first.read_history()[columns].equals(second.read_history()[columns])
    weights = second.read_weights()
    assert all(torch.equal(value, weights[name]) for name, value in first.read_weights().items())


@pytest.mark.slow
def test_runs_side_by_side_give_the_bits_of_runs_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "available_cores", lambda: 2)
    digits, events = tiny_digits(), list[Event]()
    jobs = [job(tmp_path / "jobs", run, seed=s, name=f"s{s}") for s in (1, 2)
            for run in ("bn", "no-bn")]  # fmt: skip
    results = list(run_jobs(jobs, digits, workers=2, threads=1, on_event=events.append))
    assert [o.failure for o in results] == [None] * 4
    assert {o.job.folder for o in results} == {j.folder for j in jobs}
    assert events[0].text == "4 runs on 2 cores: 2 worker processes with 1 thread each"
    for each in jobs:
        mine = [e for e in events if e.job and e.job.folder == each.folder]
        assert [e.kind for e in mine] == ["started", "epoch", "epoch"]
        assert [e.row.epoch for e in mine if e.row] == [0, 1]
        own = train_run(each.study, each.run, digits, tmp_path / "own")
        assert_same(each.folder, own.folder)
        assert RunFolder(each.folder).read().study.threads == 1


@pytest.mark.slow
def test_failures_of_all_kinds_leave_the_others_alone(tmp_path: Path) -> None:
    taken = job(tmp_path, "bn", name="taken")
    train_run(taken.study, "bn", tiny_digits(), tmp_path)
    finished = Job(taken.study.model_copy(update={"name": "finished"}), "bn", tmp_path, resume=True)
    train_run(finished.study, "bn", tiny_digits(), tmp_path)
    notes: list[str] = []
    jobs = [
        taken,
        finished,
        job(tmp_path, "no-bn", name="wild", lr=1e9),
        job(tmp_path, "no-such-run"),
        job(tmp_path, "bn", name="good"),
    ]
    results = run_jobs(
        jobs, tiny_digits(), workers=1, threads=1, on_event=lambda event: notes.append(event.text)
    )
    ended = {result.job.study.name: result for result in results}
    refused, wild, unknown = (ended[n].failure for n in ("taken", "wild", "article"))
    assert refused is not None
    assert refused.kind == "RunError"
    assert "already holds a finished run" in str(refused)
    assert wild is not None
    assert wild.diverged
    assert wild.epoch == 0
    assert wild.step is not None
    assert unknown is not None
    assert "KeyError" in unknown.details
    assert not unknown.diverged
    assert ended["finished"].failure is None
    assert any("nothing to resume" in text for text in notes)
    assert ended["good"].failure is None
    assert RunFolder(tmp_path / "good" / "bn").finished


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_run_alone(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "bn", name="long", epochs=100_000), job(tmp_path, "bn", name="next")]

    def kill(event: Event) -> None:
        if event.kind == "epoch" and event.job and event.job.study.name == "long":
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    killed, other = run_jobs(jobs, tiny_digits(), workers=1, threads=1, on_event=kill)
    assert killed.failure is not None
    assert killed.failure.kind == "WorkerDied"
    assert "signal 9" in killed.failure.why
    assert other.failure is None
    assert children() == []
    short = Job(tiny_study(name="long", epochs=100_000), "bn", tmp_path)
    assert RunFolder(short.folder).resumable


def test_what_a_dying_worker_says_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (result,) = run_jobs([job(tmp_path)], tiny_digits())
    assert result.failure is not None
    assert result.failure.why == "It ended with exit code 1."


@pytest.mark.slow
def test_an_idle_worker_that_died_is_replaced(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "bn", name="one"), job(tmp_path, "bn", name="two")]
    with shared(tiny_digits()) as folder:
        waiting, reports = queue.SimpleQueue[Job](), workers_module.Reports()
        worker = workers_module._Worker(0, waiting, reports, folder, 1)
        assert worker._train(jobs[0]).failure is None
        assert worker._child is not None
        worker._child.process.kill()
        worker._child.process.wait()
        assert worker._train(jobs[1]).failure is None
        worker._quit()


@pytest.mark.slow
def test_taking_no_more_outcomes_stops_the_workers(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "bn", name="short")]
    jobs += [job(tmp_path, "bn", name=f"long-{n}", epochs=100_000) for n in range(3)]
    results = run_jobs(jobs, tiny_digits(), workers=2, threads=1)
    assert next(results).job.study.name == "short"
    assert children()
    results.close()  # type: ignore[attr-defined]
    assert children() == []
    assert not RunFolder(jobs[3].folder).exists


@pytest.mark.slow
def test_a_worker_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "STOP_SECONDS", 0.05)

    def hold(event: Event) -> None:
        if event.kind == "epoch":
            for pid in children():
                os.kill(pid, signal.SIGSTOP)
            raise LookupError("enough")

    long = job(tmp_path, "bn", epochs=100_000)
    with pytest.raises(LookupError, match="enough"):
        list(run_jobs([long], tiny_digits(), on_event=hold))
    assert children() == []


def test_errors_of_the_threads_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(FileNotFoundError):
        list(run_jobs([job(tmp_path)], tiny_digits()))


def test_no_jobs_need_no_workers() -> None:
    assert list(run_jobs([], tiny_digits())) == []


SWEEP = """
import sys
from pathlib import Path
from test_workers import children, job
from tiny import tiny_digits
from hindi_bn.runners.workers import run_jobs

def tell(event):
    if event.kind == "epoch":
        print(event.job.run, *children(), flush=True)

if __name__ == "__main__":
    jobs = [job(Path(sys.argv[1]), run, epochs=100_000) for run in ("bn", "no-bn")]
    list(run_jobs(jobs, tiny_digits(), workers=2, threads=1, on_event=tell))
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(tmp_path: Path, how: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SWEEP, str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=importing(__file__),
    )  # fmt: skip
    assert process.stdout is not None
    begun: dict[str, list[str]] = {}
    while len(begun) < 2:
        run, *pids = process.stdout.readline().split()
        begun[run] = pids
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert "KeyboardInterrupt" in errors
    until = time.monotonic() + 30
    while any(Path("/proc", pid).exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in pids if Path("/proc", pid).exists()]
    folder = RunFolder(tmp_path / "article" / "bn")
    assert folder.resumable
    with folder.locked():
        assert len(folder.read_checkpoint().rows) > 0


def test_a_worker_speaks_lines_of_json(tmp_path: Path) -> None:
    one = job(tmp_path, "bn", threads=1)
    sent: list[dict[str, Any]] = []
    with shared(tiny_digits()) as folder:
        setup = {"digits": str(folder), "threads": torch.get_num_threads()}
        messages = [setup, one.as_json()]
        work(iter(json.loads(json.dumps(messages))), sent.append)
    assert [message["kind"] for message in sent] == ["epoch", "epoch", "result"]
    assert sent[-1]["failure"] is None
    assert Job(**one.as_json()) == one


def test_shared_digits_are_the_digits() -> None:
    digits = tiny_digits()
    with shared(digits) as folder:
        opened = open_shared(folder)
        assert opened.title == digits.title
        for key in ("train_images", "train_labels", "test_images", "test_labels"):
            assert torch.equal(getattr(opened, key), getattr(digits, key))
            assert getattr(opened, key).dtype == getattr(digits, key).dtype
        assert isinstance(opened, Digits)
        del opened
    assert not folder.exists()


def test_failures_hold_what_the_error_says() -> None:
    diverged = Failure.of(DivergedError("bn", 3, 17))
    assert (diverged.diverged, diverged.epoch, diverged.step) == (True, 3, 17)
    assert JobResult(Job(tiny_study(), "bn", Path("x")), 1.0).failure is None


@pytest.mark.parametrize(
    ("asked", "chosen", "reason"),
    [
        ({"jobs": 8, "cores": 2}, (2, 1), "8 runs on 2 cores: 2 worker processes with 1 thread"),
        ({"jobs": 1, "cores": 4}, (1, 4), "1 run on 4 cores: 1 worker process with 4 threads"),
        ({"jobs": 3, "cores": 8}, (3, 2), "3 worker processes with 2 threads each"),
        ({"jobs": 8, "cores": 8, "threads": 3}, (2, 3), "with 3 threads each"),
        ({"jobs": 8, "cores": 2, "threads": 4}, (1, 4), "1 worker process with 4 threads"),
        ({"jobs": 8, "cores": 8, "workers": 2}, (2, 4), "2 worker processes with 4 threads"),
        ({"jobs": 8, "cores": 1}, (1, 1), "8 runs on 1 core: 1 worker process with 1 thread"),
        ({"jobs": 8, "cores": 8, "memory": 2 * GIB}, (2, 4), "(free memory holds 2)"),
        ({"jobs": 8, "cores": 8, "memory": 1}, (1, 8), "(free memory holds 1)"),
    ],
)
def test_plan(
    asked: dict[str, int], chosen: tuple[int, int], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores, memory = asked.pop("cores"), asked.pop("memory", 100 * GIB)
    monkeypatch.setattr(plan_module, "available_cores", lambda: cores)
    monkeypatch.setattr(plan_module, "available_memory", lambda: memory)
    made = plan(**asked)
    assert (made.workers, made.threads) == chosen
    assert reason in made.reason


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"threads": -1}])
def test_there_must_be_a_worker_and_a_thread(wrong: dict[str, int]) -> None:
    with pytest.raises(StudyError, match="at least one"):
        plan(4, **wrong)  # type: ignore[arg-type]


def test_a_containers_limits_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "CGROUP", tmp_path)
    monkeypatch.setattr(plan_module, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert available_cores() == 8
    assert available_memory() == 2**50
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {5 * 2**20} kB\n")
    assert available_cores() == 2
    assert available_memory() == 5 * GIB
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text(f"{4 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{1 * GIB}\n")
    assert available_cores() == 8
    assert available_memory() == 3 * GIB
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cores() == 6
