"""The engine's tests once more over libraries that watch each access, sum and shift, and each race.

zig brings the watcher of undefined behaviour; those of memory and of races are gcc's, which have to
be in the process before Python starts. Where gcc is not installed, these are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hindi_bn.engine import build
from hindi_bn.engine.library import variants

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(build.host() != "linux-x86_64", reason="watchers known on Linux alone"),
]

HERE = Path(__file__).parent
UNDEFINED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
ADDRESS = ("-fsanitize=address",)
# By clang's own option, or zig would add a watcher of its own, which a loaded library cannot have.
RACES = ("-Xclang", "-fsanitize=thread")
PROGRAM = """
import pathlib, sys
import torch
from hindi_bn.engine import library
library.BUILT = pathlib.Path(sys.argv[1])
torch.set_num_threads(1)
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *sys.argv[2:]]))
"""
"""Runs tests over the libraries of another folder."""


def runtime(name: str) -> str:
    """The file of one of gcc's watchers."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    asked = ["gcc", f"-print-file-name=lib{name}.so"]
    file = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return str(Path(file).resolve()) if Path(file).is_absolute() else pytest.skip(f"no lib{name}")


def watched(folder: Path, flags: tuple[str, ...], source: Path = build.SOURCE) -> Path:
    """Compile all that this processor runs into a folder."""
    target, cache = build.TARGETS[build.host()], folder / "cache"
    for lanes in variants():
        file = folder / f"engine-{lanes}.so"
        build.compile_library(
            source, file, lanes=lanes, target=target, extra_flags=flags, cache=cache
        )
    shutil.copyfile(build.BUILT / "engine.wasm", folder / "engine.wasm")
    return folder


def run(program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | environment, cwd=HERE.parent.parent, timeout=1800, check=False,
        capture_output=True, text=True,
    )  # fmt: skip


def with_fences(folder: Path) -> Path:
    """A copy of the sources that keeps 64 forbidden bytes between the rooms of its memory."""
    shutil.copytree(build.SOURCE.parent, folder)
    source = folder / "engine.c"
    text = source.read_text(encoding="utf-8")
    reserved = "  *used = start + bytes;\n"
    assert text.count(reserved) == 1
    fence = (
        "  *used = start + bytes + 64;\n"
        "  if (memory) __asan_poison_memory_region(memory + start + (bytes + 7) / 8 * 8, 56);\n"
    )
    declared = "void __asan_poison_memory_region(const void *, size_t);\nstatic void *reserve("
    text = text.replace(reserved, fence).replace("static void *reserve(", declared)
    source.write_text(text, encoding="utf-8")
    return source


def with_gccs_names(folder: Path) -> Path:
    """The sources, and two functions that gcc's watcher of races has under other names."""
    shutil.copytree(build.SOURCE.parent, folder)
    unwatched = '__attribute__((no_sanitize("thread"))) void *__tsan_'
    copied, filled = "(void *to, const void *from, size_t n)", "(void *to, int byte, size_t n)"
    (folder / "races.c").write_text(
        '#include "engine.c"\n'
        "void *memcpy(void *, const void *, size_t);\n"
        "void *memset(void *, int, size_t);\n"
        f"{unwatched}memcpy{copied} {{ return memcpy(to, from, n); }}\n"
        f"{unwatched}memset{filled} {{ return memset(to, byte, n); }}\n",
        encoding="utf-8",
    )
    return folder / "races.c"


def spoil(source: Path, right: str, wrong: str) -> Path:
    """Put a fault into a copy of the sources."""
    faulty = [file for file in source.parent.iterdir() if right in file.read_text(encoding="utf-8")]
    assert len(faulty) == 1
    faulty[0].write_text(faulty[0].read_text(encoding="utf-8").replace(right, wrong))
    return source


TESTS = [HERE / "test_agreement.py", HERE / "test_bits.py"]


def test_nothing_undefined_is_done(tmp_path: Path) -> None:
    done = run(PROGRAM, watched(tmp_path, UNDEFINED), *TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_something_undefined_would_be_seen(tmp_path: Path) -> None:
    shutil.copytree(build.SOURCE.parent, tmp_path / "source")
    source = tmp_path / "source" / "engine.c"
    spoil(source, "return LANES;", "volatile int32_t most = INT32_MAX; return most + LANES;")
    library, target = tmp_path / "engine-4.so", build.TARGETS[build.host()]
    build.compile_library(source, library, lanes=4, target=target, extra_flags=UNDEFINED)
    done = run(f"import ctypes; ctypes.CDLL({str(library)!r}).engine_lanes()")
    assert done.returncode != 0
    assert "signed integer overflow" in done.stderr


def addressed(libraries: Path, *tests: object) -> subprocess.CompletedProcess[str]:
    return run(
        PROGRAM, libraries, *tests,
        LD_PRELOAD=runtime("asan"), ASAN_OPTIONS=f"detect_leaks=0:log_path={libraries}/log",
    )  # fmt: skip


def test_no_memory_but_its_own_is_touched(tmp_path: Path) -> None:
    source = with_fences(tmp_path / "source")
    done = addressed(watched(tmp_path, ADDRESS, source), *TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.glob("log*"))


def test_a_step_beyond_a_room_would_be_seen(tmp_path: Path) -> None:
    source = with_fences(tmp_path / "source")
    spoil(source, "FLOATS(CLASSES * pooled * C)", "FLOATS(CLASSES * pooled * C - 16)")
    addressed(watched(tmp_path, ADDRESS, source), TESTS[1], "-k", "one_conv and none")
    assert "use-after-poison" in next(tmp_path.glob("log*")).read_text(encoding="utf-8")


def raced(libraries: Path) -> str:
    """What the watcher of races says of two to eight threads."""
    done = run(
        PROGRAM, libraries, TESTS[1], "-k", "number_of_threads",
        LD_PRELOAD=runtime("tsan"), TSAN_OPTIONS=f"halt_on_error=1:log_path={libraries}/log",
    )  # fmt: skip
    logs = "".join(log.read_text(encoding="utf-8") for log in libraries.glob("log*"))
    return logs or (done.stdout + done.stderr) * (done.returncode != 0)


def test_threads_do_not_race(tmp_path: Path) -> None:
    assert not raced(watched(tmp_path, RACES, with_gccs_names(tmp_path / "source")))


def test_a_race_would_be_seen(tmp_path: Path) -> None:
    source = with_gccs_names(tmp_path / "source")
    right = "__atomic_fetch_add(&t->next, 1, __ATOMIC_ACQ_REL)"
    spoil(source, right, "t->next++")
    assert "data race" in raced(watched(tmp_path, RACES, source))
