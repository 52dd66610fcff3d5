"""Compiles the engine by zig: a library for each width of this machine's vectors, and WebAssembly.

Needs the standard library and the package `ziglang` alone, as it runs while hindi-bn is being
installed. The same sources give the same bytes wherever they are compiled, for every platform: the
compiler sees no path, no time and no setting of the machine, and is pinned to one version. Another
compiler could give other bytes, never other bits: source/engine.c fixes the order of every sum.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).parent / "source" / "engine.c"
BUILT = Path(__file__).parent / "built"
"""Holds `engine-LANES.so` (.dylib, .dll) and `engine.wasm`; or failure.txt: a line saying why."""
FAILURE = "failure.txt"
ZIG = "0.17.1"
"""The version that pyproject.toml asks for."""

COMPILER = (sys.executable, "-m", "ziglang", "cc")
OPTIMISED = ("-O3", "-s")
LANGUAGE = ("-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden")
BITS = ("-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing")
"""No sum and product in one rounding; square roots are instructions; vectors are read as floats."""
PROCESSORS = {
    ("x86_64", 16): ("-mcpu=x86_64_v4", "-mprefer-vector-width=512"),
    ("x86_64", 8): ("-mcpu=x86_64_v3",),
    ("x86_64", 4): ("-mcpu=x86_64",),
    ("aarch64", 4): ("-mcpu=generic",),
    ("wasm32", 4): ("-mcpu=generic+simd128+bulk_memory",),
}
"""By machine and lanes; any later processor of the kind will do."""
LINKING = {
    "linux": ("-shared",),
    "macos": ("-shared",),
    # No C library, so that no part of it has to be compiled first (100 seconds).
    "windows": ("-shared", "-nostdlib", "-lkernel32", "-lcompiler_rt", "-Wl,--no-entry"),
    "freestanding": (
        "-nostdlib", "-Wl,--no-entry", "-Wl,--export-dynamic", "-Wl,--export=__heap_base",
    ),
}  # fmt: skip
TARGETS = {
    "linux-x86_64": "x86_64-linux-gnu.2.17",
    "linux-aarch64": "aarch64-linux-gnu.2.17",
    "macos-x86_64": "x86_64-macos.11.0",
    "macos-aarch64": "aarch64-macos.11.0",
    "windows-x86_64": "x86_64-windows-gnu",
    "windows-aarch64": "aarch64-windows-gnu",
}
WHEEL_TAGS = {
    "linux-x86_64": "manylinux_2_17_x86_64",
    "linux-aarch64": "manylinux_2_17_aarch64",
    "macos-x86_64": "macosx_11_0_x86_64",
    "macos-aarch64": "macosx_11_0_arm64",
    "windows-x86_64": "win_amd64",
    "windows-aarch64": "win_arm64",
}
WEB = "wasm32-freestanding"
SUFFIXES = {"linux": ".so", "macos": ".dylib", "windows": ".dll"}
PATIENCE = 600  # seconds


class BuildError(Exception):
    """Why there is no engine, in one line."""


def host() -> str:
    """Name the platform of this Python: a key of TARGETS, or else what it is."""
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    # On Windows the machine may be another than Python was made for, which runs in emulation.
    made_for = sysconfig.get_platform().removeprefix("win-")
    machine = made_for if system == "windows" else platform.machine()
    if sys.maxsize < 2**32:
        machine = f"32-bit {machine}"
    elif system == "linux" and platform.libc_ver()[0] != "glibc":
        machine = f"{machine} without glibc"  # torch has nothing for it either
    return f"{system}-" + {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine)


def compile_library(
    source: Path,
    to: Path,
    *,
    lanes: int,
    target: str,
    extra_flags: Sequence[str] = (),
    cache: Path | None = None,
) -> None:
    """Compile a C file, with the headers beside it, for a target of zig's.

    What the compiler keeps between calls is in `cache`; without one it keeps nothing. A BuildError
    says what went wrong; `to` is then as it was.
    """
    machine, system = target.split("-")[:2]
    common = [*OPTIMISED, "-target", target, *extra_flags]
    code = [*LANGUAGE, *BITS, f"-DLANES={lanes}", *PROCESSORS[machine, lanes]]
    # What zig adds of its own, and compiles first, is the same for every number of lanes.
    link = [*LINKING[system.split(".")[0]], *PROCESSORS[machine, 4]]
    with tempfile.TemporaryDirectory(prefix="hindi-bn-engine-") as name:
        # All that the compiler is told is a name in the folder where it runs: no path gets into the
        # library (on macOS its name is a part of it) or into a message.
        folder = Path(name, "source")
        shutil.copytree(source.parent, folder)
        kept = str(cache or Path(name, "cache"))
        compile_in(folder, [*common, *code, "-c", source.name, "-o", "engine.o"], kept)
        compile_in(folder, [*common, *link, "engine.o", "-o", to.name], kept)
        to.parent.mkdir(parents=True, exist_ok=True)
        place(folder / to.name, to)


def compile_in(folder: Path, arguments: Sequence[str], cache: str) -> None:
    """Run the compiler in a folder; what it complains of is a BuildError of one line."""
    environment = os.environ | {"ZIG_LOCAL_CACHE_DIR": cache, "ZIG_GLOBAL_CACHE_DIR": cache}
    try:
        done = subprocess.run(
            [*COMPILER, *arguments],
            cwd=folder, env=environment, timeout=PATIENCE, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"zig could not be run: {error}") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        told = next((line for line in lines if "error:" in line), lines[-1] if lines else "")
        raise BuildError(f"zig ended with code {done.returncode}: {told}")


def compile_all(to: Path) -> list[Path]:
    """Compile this platform's libraries and the web's module into a folder."""
    platform_name = host()
    if platform_name not in TARGETS:
        raise BuildError(f"there is no engine for {platform_name}")
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError(f"zig is not installed (pip install ziglang=={ZIG})")
    target, cache = TARGETS[platform_name], to / "cache"
    machine, suffix = target.split("-")[0], SUFFIXES[platform_name.split("-")[0]]
    jobs = [
        *(
            (f"engine-{lanes}{suffix}", lanes, target)
            for kind, lanes in PROCESSORS
            if kind == machine
        ),
        ("engine.wasm", 4, WEB),
    ]
    for name, lanes, for_target in jobs:
        compile_library(SOURCE, to / name, lanes=lanes, target=for_target, cache=cache)
    return [to / name for name, _, _ in jobs]


def build(to: Path = BUILT) -> list[Path]:
    """Compile all that this platform can use into `to`: the files, or none and failure.txt."""
    with tempfile.TemporaryDirectory(prefix="hindi-bn-engine-") as folder:
        made, failure = [], ""
        try:
            made = compile_all(Path(folder))
        except (BuildError, OSError) as error:
            failure = " ".join(str(error).split())
        to.mkdir(parents=True, exist_ok=True)
        for old in to.iterdir():
            if old.name not in {path.name for path in made}:
                old.unlink()
        for path in made:
            place(path, to / path.name)
        if failure:
            (to / FAILURE).write_text(f"{failure}\n", encoding="utf-8")
        return [to / path.name for path in made]


def place(file: Path, to: Path) -> None:
    """Copy a file to where it is never seen half, and not touched if it is there already."""
    if to.exists() and to.read_bytes() == file.read_bytes():
        return
    partial = to.with_name(f".{to.name}.partial")
    shutil.copyfile(file, partial)
    partial.replace(to)


if __name__ == "__main__":
    for path in build():
        print(path)
    if (BUILT / FAILURE).exists():
        sys.exit((BUILT / FAILURE).read_text(encoding="utf-8").strip())
