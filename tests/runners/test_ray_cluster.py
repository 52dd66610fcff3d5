"""Sweeps on real Ray clusters of this machine: workers, nodes and drivers that die (slow)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_jobs import assert_same, job
from scripts import running, stat_of
from tiny import tiny_digits

from hindi_bn.errors import HindiBnError
from hindi_bn.records import RunFolder
from hindi_bn.runners import ray_cluster, ray_runner
from hindi_bn.runners.jobs import Job, JobResult
from hindi_bn.runners.ray_runner import RayRunner
from hindi_bn.runners.scratch import scratch
from hindi_bn.runners.workers import Event, run_jobs
from hindi_bn.training.run import train_run

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


def test_a_node_that_is_removed_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight runs on two nodes of one core; the second node goes while both train."""
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(ray_runner, "SHIP_SECONDS", 0.0)
    with ray_cluster._environment(ray_cluster._SILENT):
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        try:
            second = cluster.add_node(num_cpus=1)
            cluster.wait_for_nodes()
            events, gone = list[Event](), list[int]()

            def remove(event: Event) -> None:
                events.append(event)
                places = {e.worker for e in events if e.kind == "started"}
                if event.kind == "epoch" and len(places) == 2 and not gone:
                    gone.append(len(events))
                    cluster.remove_node(second, allow_graceful=False)

            jobs = [job(tmp_path / "ray", run, name=f"s{seed}", seed=seed, epochs=15)
                    for seed in range(4) for run in ("bn", "no-bn")]  # fmt: skip
            runner = RayRunner(cluster.address)
            results = list(runner.run(jobs, tiny_digits(), on_event=remove))
        finally:
            ray.shutdown()
            cluster.shutdown()
    assert events[0].text.startswith("8 runs on a Ray cluster of 2 nodes: 2 at once")
    assert gone
    assert [event for event in events if "given out again (1 of 3)" in event.text]
    assert [result.failure for result in results] == [None] * 8
    local = [Job(j.study, j.run, tmp_path / "local") for j in jobs]
    assert [o.failure for o in run_jobs(local, tiny_digits(), workers=1, threads=1)] == [None] * 8
    for mine, theirs in zip(jobs, local, strict=True):
        assert_same(mine.folder, theirs.folder)


SWEEP = """
import sys
from pathlib import Path
from ray_jobs import job
from tiny import tiny_digits
from hindi_bn.runners.ray_runner import RayRunner

def tell(event):
    if event.kind == "epoch":
        print(event.job.run, flush=True)

jobs = [job(Path(sys.argv[1]), run, epochs=int(sys.argv[2])) for run in ("bn", "no-bn")]
list(RayRunner().run(jobs, tiny_digits(), on_event=tell))
"""


@contextlib.contextmanager
def sweeping(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """An endless sweep in a session of its own, once both runs have finished three epochs.

    Gives its driver, and the folder of its cluster. What is left of the session is killed after it.
    """
    before = clusters()
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with (tmp_path / "said").open("w") as said:
        driver = subprocess.Popen(
            [sys.executable, "-c", SWEEP, str(tmp_path), "100000"],
            stdout=subprocess.PIPE, stderr=said, text=True, env=here, start_new_session=True,
        )  # fmt: skip
    with driver:
        try:
            assert driver.stdout is not None
            seen: list[str] = []
            while min(seen.count("bn"), seen.count("no-bn")) < 3:
                seen.append(driver.stdout.readline().strip())
                assert driver.poll() is None, (tmp_path / "said").read_text()
            (folder,) = clusters() - before
            yield driver, folder
        finally:
            for process in of_session(driver.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)


def test_ctrl_c_saves_and_leaves_no_process(tmp_path: Path) -> None:
    """As a terminal sends it: to the driver and everything that it started."""
    with sweeping(tmp_path) as (driver, folder):
        os.killpg(driver.pid, signal.SIGINT)
        driver.wait(timeout=60)
        said = (tmp_path / "said").read_text()
        assert driver.returncode == -signal.SIGINT, said
        assert "KeyboardInterrupt" in said
        for run in ("bn", "no-bn"):
            assert len(RunFolder(job(tmp_path, run).folder).read_checkpoint().rows) >= 3
        assert not folder.exists(), [*folder.rglob("*")]
        assert_ends(driver.pid, seconds=0)


def test_what_a_killed_driver_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    """Its agents run on for some time, and its folders stay; another cluster is left alone."""
    with sweeping(tmp_path) as (driver, folder):
        assert list((folder / "tmp").glob("hindi-bn-run-*"))  # the runs' folders are in it
        assert listening(of_session(driver.pid)) == {"127.0.0.1"}
        assert folder.stat().st_mode & 0o777 == 0o700
        with scratch("hindi-bn-ray-", "/tmp"):  # the next start, while it lives
            assert folder.is_dir()
            assert of_session(driver.pid)
        driver.kill()
        driver.wait(timeout=60)
        assert folder.is_dir()
        with scratch("hindi-bn-ray-", "/tmp"):
            assert not folder.exists(), [*folder.rglob("*")]
        assert_ends(driver.pid, seconds=30)  # workers end by themselves where their agent is gone


def assert_ends(session: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while left := of_session(session):
        assert time.monotonic() < until, [(p / "cmdline").read_bytes() for p in left]
        time.sleep(0.1)


def clusters() -> set[Path]:
    return set(Path("/tmp").glob("hindi-bn-ray-*"))


def of_session(session: int) -> list[Path]:
    processes = Path("/proc").glob("[0-9]*")
    return [p for p in processes if running(p.name) and stat_of(p.name)[3:4] == [str(session)]]


def listening(processes: list[Path]) -> set[str]:
    """Addresses that these processes listen on, from /proc: 0100007F is 127.0.0.1."""
    sockets = set()
    for process in processes:
        with contextlib.suppress(OSError):  # it ended
            for link in (process / "fd").iterdir():
                with contextlib.suppress(OSError):  # closed
                    sockets.add(link.readlink().name)
    found = set()
    for table in ("tcp", "tcp6"):
        if not Path("/proc/net", table).exists():
            continue
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                word = fields[1].partition(":")[0][-8:]
                found.add(socket.inet_ntoa(bytes.fromhex(word)[::-1]))
    return found


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:9"])
def test_an_existing_cluster_that_is_not_there_is_refused_soon(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its address, and as Ray finds it: not one that this machine may happen to have."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 5.0)
    assert not ray.is_initialized()
    began = time.perf_counter()
    with pytest.raises(HindiBnError, match=f"'{address}' cannot be reached") as caught:
        list(RayRunner(address).run([job(tmp_path)], tiny_digits()))
    assert time.perf_counter() - began < 10
    assert caught.value.why


# ---- a cluster that the process stays connected to: it must come last


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster that the tests of this module share; the runner uses what is connected."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_cluster, "available_cores", lambda: 1)
        with ray_cluster.connected(None):
            yield


@pytest.mark.usefixtures("cluster")
def test_a_sweep_ends_as_it_would_here(tmp_path: Path) -> None:
    finished = job(tmp_path / "ray", name="finished")
    train_run(finished.study, "bn", tiny_digits(), finished.out)
    held = job(tmp_path / "ray", name="held")
    jobs = [
        job(tmp_path / "ray", name="good"),
        job(tmp_path / "ray", "no-bn", name="wild", lr=1e9),
        finished,
        job(tmp_path / "ray", name="finished", overwrite=True, lr=0.05),
        held,
    ]
    events: list[Event] = []
    with RunFolder(held.folder).locked():
        results = list(RayRunner().run(jobs, tiny_digits(), on_event=events.append))
    good, wild, refused, replaced, in_use = sorted(
        results, key=lambda o: [j.as_json() for j in jobs].index(o.job.as_json())
    )
    assert events[0].text == (
        "5 runs on a Ray cluster of 1 node: 1 at once with 1 CPU and 1 thread each"
    )
    mine = [e for e in events if e.job and e.job.folder == good.job.folder]
    assert [e.kind for e in mine] == ["started", "epoch", "epoch"]
    assert [e.row.epoch for e in mine if e.row] == [0, 1]
    assert good.failure is None
    assert good.seconds > 0
    assert replaced.failure is None
    own = train_run(good.job.study, "bn", tiny_digits(), tmp_path / "own")
    assert_same(good.job.folder, own.folder)
    own = train_run(replaced.job.study, "bn", tiny_digits(), tmp_path / "own")
    assert_same(replaced.job.folder, own.folder)
    assert kinds(wild, refused, in_use) == ["DivergedError", "RunError", "RunError"]
    assert "already holds a finished run" in str(refused.failure)
    assert "is in use" in str(in_use.failure)


def kinds(*results: JobResult) -> list[str]:
    return [result.failure.kind for result in results if result.failure]


@pytest.mark.usefixtures("cluster")
def test_what_is_in_progress_is_kept_when_outcomes_are_no_longer_taken(tmp_path: Path) -> None:
    long = job(tmp_path, name="long", epochs=100_000)

    def enough(event: Event) -> None:
        if event.kind == "epoch":
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        list(RayRunner().run([long, job(tmp_path)], tiny_digits(), on_event=enough))
    folder = RunFolder(long.folder)
    assert folder.resumable
    assert 0 < len(folder.read_checkpoint().rows) <= len(folder.read_history())
    with folder.locked():  # nobody holds it any more
        pass


@pytest.mark.usefixtures("cluster")
def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HindiBnError, match="No run fits on any node"):
        list(RayRunner(gpus_per_run=0.5).run([job(tmp_path)], tiny_digits()))
    with pytest.raises(HindiBnError, match=r"not 'elsewhere:1'"):
        list(RayRunner("elsewhere:1").run([job(tmp_path)], tiny_digits()))


def processes(name: str) -> list[int]:
    """Descendants of this process whose command begins so."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc to find processes")
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            commands[int(folder.name)] = (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue

    def mine(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and mine(parents[pid]))

    return [pid for pid, text in commands.items() if text.startswith(name) and mine(pid)]


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_is_killed_costs_what_it_had_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_runner, "SHIP_SECONDS", 0.0)
    # So many epochs that a busy machine kills the worker before the last.
    given, events, killed = job(tmp_path / "ray", epochs=200), list[Event](), list[int]()

    def kill(event: Event) -> None:
        events.append(event)
        if event.row and event.row.epoch >= 5 and not killed:
            killed.extend(processes("ray::_train_on_node"))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    (result,) = RayRunner().run([given], tiny_digits(), on_event=kill)
    assert len(killed) == 1
    assert result.failure is None
    texts = [event.text for event in events if event.kind == "note"]
    assert "given out again (1 of 3)" in texts[0]
    assert "Resuming" in texts[1]
    own = train_run(given.study, "bn", tiny_digits(), tmp_path / "own")
    assert_same(given.folder, own.folder)
