"""Mutants of the modules that promise something: which of them do the tests notice?

    python tests/mutants --sample 240 --seed 5842 [--area records] [--area stream]

The package and its tests are copied to a temporary folder and changed there. An area's tests are
collected once, in a fork of this process. They run once as they are, so that a mutant is then tried
by the tests that reach its lines, and by the others only where these let it live. Each trial is a
fork once more: the mutant's code takes the place of its functions'. A mutant outside of functions
needs a fork that has not imported the package yet.
"""

from __future__ import annotations

import argparse
import compileall
import gc
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType

import coverage
import pytest
from mutate import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch", "torchvision.transforms.v2", "pandas", "pyarrow.parquet", "scipy.stats",
    "sklearn.metrics", "matplotlib.figure", "hypothesis", "requests", "typer.testing",
)  # fmt: skip
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"
BROKEN, UNFIT = 70, 71  # exit codes of a trial that told nothing
PATIENCE = 30.0  # seconds that a mutant's tests may take beyond three times the area's own
ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "HINDI_BN_ARCHIVE": "none",
}  # fmt: skip

AREAS = {
    "records": (["files.py", "records/*.py"], ["records", "test_files.py", "training/test_path.py",
                "training/test_recorder.py"]),
    "checkpoint": (["training/checkpoint.py", "training/run.py"], ["records"]),
    "archive": (["digits/unpacking.py", "digits/layout.py"], ["digits/test_unpacking.py"]),
    "dataset": (["digits/dataset.py", "digits/real.py", "digits/cache.py", "digits/images.py",
                 "digits/checksums.py", "digits/staging.py", "digits/fetching.py"],
                ["digits/test_dataset.py", "digits/test_real.py", "digits/test_images.py",
                 "digits/test_staging.py", "digits/test_fetching.py"]),
    "stream": (["training/rng.py", "training/loop.py", "training/augment.py"],
               ["training/test_loop.py", "training/test_augment.py", "records/test_going_on.py"]),
    "statistics": (["stats/*.py"], ["stats"]),
    "verdict": (["claims/verdict.py", "claims/rule.py", "claims/effects.py"],
                ["claims/test_verdict.py", "claims/test_rule.py", "claims/test_multiverse.py"]),
    "evidence": (["evidence/*.py"], ["evidence", "sweeps/test_evidence.py"]),
}  # fmt: skip
"""By area the modules that are changed, and the tests that are to notice."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sample", type=int, default=240, help="mutants in all")
    arguments.add_argument("--seed", type=int, default=5842)
    arguments.add_argument("--area", action="append", choices=AREAS, help="these areas alone")
    chosen = arguments.parse_args()
    names = chosen.area or list(AREAS)
    for module in HEAVY:
        __import__(module)
    with tempfile.TemporaryDirectory(prefix="hindi-bn-mutants-") as folder:
        copied = copy_to(Path(folder).resolve())
        counts, living = Counter[tuple[str, str]](), list[str]()
        for place, name in enumerate(names):
            share = chosen.sample // len(names) + (place < chosen.sample % len(names))
            for file, mutant, outcome in trials(copied, name, share, chosen.seed):
                change = f"`{mutant.old}` -> `{mutant.new}`"
                where = f"{file.relative_to(copied)}:{mutant.line}"
                print(f"{name}: {outcome}: {where}: {change}", file=sys.stderr, flush=True)
                counts[name, outcome] += 1
                if outcome == SURVIVED:
                    living.append(f"- {name}, {where}: {change}")
    print("\n".join([*table(names, counts), "", f"Survivors (seed {chosen.seed}):", *living]))


def copy_to(folder: Path) -> Path:
    """Copy what the tests need, and compile it: the copies of later trials are read from there."""
    for name in ("hindi_bn", "tests", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if not (path.name.startswith(".") or (folder / path.name).exists()):
            (folder / path.name).symlink_to(path)
    compileall.compile_dir(folder / "hindi_bn", quiet=1)
    return folder


Place = tuple[Path, Mutant]


def trials(copied: Path, name: str, share: int, seed: int) -> Iterator[tuple[Path, Mutant, str]]:
    """Try an area's share of mutants; which ones, the seed alone says: a larger share adds some."""
    modules, asked = AREAS[name]
    files = sorted(itertools.chain(*((copied / "hindi_bn").glob(module) for module in modules)))
    every = [(file, mutant) for file in files for mutant in mutants(file.read_bytes())]
    sample = random.Random(f"{seed} {name}").sample(every, len(every))[:share]
    print(f"{name}: {len(sample)} of {len(every)} mutants", file=sys.stderr, flush=True)
    tests = [f"tests/{each}" for each in asked if (copied / "tests" / each).exists()]
    inside = [place for place in sample if place[1].inside]
    reading, writing = os.pipe()
    server = os.fork()
    if not server:
        os.close(reading)
        enter(copied, "server.log")
        os._exit(run_tests(tests, plugins=[Trials(copied, files, inside, writing)]))
    os.close(writing)
    seconds, outcomes = 600.0, dict[Place, str]()
    with os.fdopen(reading) as told:
        seconds = json.loads(told.readline() or sys.exit((copied / "server.log").read_text()))
        for place in inside:
            outcomes[place] = json.loads(told.readline())
            if outcomes[place]:
                yield *place, outcomes[place]
    os.waitpid(server, 0)
    for file, mutant in sample:
        if not outcomes.get((file, mutant)):
            with written(file, mutant):
                yield file, mutant, in_a_fork(copied, lambda: run_tests(tests), seconds)


@dataclass
class Trials:
    """A plugin of pytest that tries mutants in place of running the tests that were collected."""

    copied: Path
    files: Sequence[Path]
    sample: Sequence[Place]
    told: int
    functions: list[FunctionType] = field(default_factory=list)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        names = {str(file) for file in self.files}
        self.functions = [
            each for each in gc.get_objects()
            if type(each) is FunctionType and each.__code__.co_filename in names
        ]  # fmt: skip
        began, cover = time.monotonic(), str(self.copied / "coverage.data")
        if in_a_fork(self.copied, lambda: self._measure(session, cover), 1800) != SURVIVED:
            return True
        limit = PATIENCE + 3 * (time.monotonic() - began)
        self._tell(limit)
        lines = coverage.CoverageData(cover)
        lines.read()
        for file, mutant in self.sample:
            contexts = lines.contexts_by_lineno(str(file))
            reaching = {test for line in mutant.lines for test in contexts.get(line, ())}
            items = sorted(session.items, key=lambda item: item.nodeid not in reaching)
            with written(file, mutant) as source:
                work = partial(self._try, session, items, file, source)
                self._tell(in_a_fork(self.copied, work, limit))
        return True

    def _tell(self, what: object) -> None:
        os.write(self.told, json.dumps(what).encode() + b"\n")

    def _measure(self, session: pytest.Session, data: str) -> int:
        names = [str(file) for file in self.files]
        cover = coverage.Coverage(data_file=data, include=names, config_file=False)
        cover.start()
        code = run_items(session, session.items, cover.switch_context)
        cover.stop()
        cover.save()
        return code

    def _try(
        self, session: pytest.Session, items: Sequence[pytest.Item], file: Path, source: bytes
    ) -> int:
        before = functions_of(compile(source, str(file), "exec"))
        after = functions_of(compile(file.read_bytes(), str(file), "exec"))
        new = {
            (old.co_qualname, old.co_firstlineno): other
            for old, other in zip(before, after, strict=True)
        }
        for each in self.functions:
            if each.__code__.co_filename == str(file):
                code = each.__code__  # a lambda that a module keeps stays as it is
                each.__code__ = new.get((code.co_qualname, code.co_firstlineno), code)
        return run_items(session, items)


def functions_of(code: CodeType) -> list[CodeType]:
    """The code of the functions in a module, and of those in these, in their order."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    named = [code] if code.co_flags & 1 and not code.co_name.startswith("<") else []
    return [*named, *itertools.chain(*map(functions_of, inner))]


def run_items(
    session: pytest.Session, items: Sequence[pytest.Item],
    begin: Callable[[str], None] = lambda name: None,
) -> int:  # fmt: skip
    """Run tests until one fails; 1 if one did."""
    for item, following in itertools.zip_longest(items, items[1:]):
        begin(item.nodeid)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


def run_tests(tests: Sequence[str], plugins: Sequence[object] = ()) -> int:
    options = ["-x", "-q", "-p", "xdist.plugin", "-p", "no:cacheprovider", "--basetemp=made"]
    return pytest.main([*options, *tests], plugins=plugins)


@contextmanager
def written(file: Path, mutant: Mutant) -> Iterator[bytes]:
    """Put a mutant into the copy, for processes that import it; gives the file as it was."""
    source = file.read_bytes()
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()
    file.write_bytes(mutant.applied(source))
    try:
        yield source
    finally:
        file.write_bytes(source)


def enter(copied: Path, log: str) -> None:
    """Make this fork one that works in the copy; what it prints goes there."""
    os.setsid()
    os.chdir(copied)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    sys.path.insert(0, str(copied))
    sys.dont_write_bytecode = True
    os.environ.update(ENVIRONMENT, PYTHONPATH=str(copied))


def in_a_fork(copied: Path, work: Callable[[], int], seconds: float) -> str:
    """Do the work in a fork, in the copy; whether it failed, and was ended for its time."""
    child = os.fork()
    if not child:
        code = BROKEN
        try:
            enter(copied, "log")
            code = work()
        except ValueError:  # code of other variables cannot take a function's place
            code = UNFIT
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if code == BROKEN:
                raise RuntimeError((copied / "log").read_text())
            return {0: SURVIVED, UNFIT: ""}.get(code, KILLED)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TIMED_OUT


def table(names: Sequence[str], counts: Counter[tuple[str, str]]) -> list[str]:
    lines = ["| area | tried | killed | of these by time-out | survived |", "|---|---|---|---|---|"]
    for name in [*names, "all"]:
        of = [sum(n for (area, out), n in counts.items() if name in (area, "all") and out == each)
              for each in (KILLED, TIMED_OUT, SURVIVED)]  # fmt: skip
        lines.append(f"| {name} | {sum(of)} | {of[0] + of[1]} | {of[1]} | {of[2]} |")
    return lines


if __name__ == "__main__":
    main()
