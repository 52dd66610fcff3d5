"""Compiling the engine: the same bytes from anywhere, for every platform, and what fails is said.

Only the libraries of the machine that runs the tests are run; so far that was Linux on x86-64. The
others are compiled there and looked at.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from hindi_bn.engine import build

ROOT = Path(__file__).parent.parent.parent
PARTS = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "configs", "hindi_bn")
HEADS = {
    "linux-x86_64": (b"\x7fELF\x02\x01\x01", 18, 0x3E),
    "linux-aarch64": (b"\x7fELF\x02\x01\x01", 18, 0xB7),
    "macos-x86_64": (b"\xcf\xfa\xed\xfe", 4, 0x07),
    "macos-aarch64": (b"\xcf\xfa\xed\xfe", 4, 0x0C),
    "windows-x86_64": (b"MZ", None, 0x8664),
    "windows-aarch64": (b"MZ", None, 0xAA64),
}
"""First bytes, where the machine is written, and its number, by each format's specification."""


def machine_of(library: bytes, place: int | None) -> int:
    if place is None:  # the header of a Windows library is where the 60th byte says, after PE\0\0
        place = int.from_bytes(library[60:64], "little") + 4
        assert library[place - 4 : place] == b"PE\0\0"
    return int.from_bytes(library[place : place + 2], "little")


def content(files: list[Path]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


def elsewhere(folder: Path) -> dict[str, bytes]:
    """Copy the sources into a folder, compile them with that as working directory."""
    shutil.copytree(build.SOURCE.parent.parent, folder, ignore=shutil.ignore_patterns("built"))
    subprocess.run([sys.executable, "build.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return content(list((folder / "built").iterdir()))


def names_of_paths() -> list[bytes]:
    """What an absolute path of this machine would begin with, and what is part of zig's own."""
    folders = (ROOT, Path.home(), Path(sys.prefix), Path(tempfile.gettempdir()))
    return [*(os.fsencode(folder) for folder in folders), b"ziglang", b"engine.c", b"hindi-bn-"]


@pytest.mark.slow
def test_the_same_bytes_are_compiled_in_any_folder_and_no_path_is_in_them(tmp_path: Path) -> None:
    here = elsewhere(tmp_path / "here")
    there = elsewhere(tmp_path / "a longer name" / "of another folder")
    installed = content(list(build.BUILT.iterdir()))
    assert {"engine-4.so", "engine.wasm"} <= set(here) or sys.platform != "linux"
    assert here == there
    assert here == installed, "the installed engine is of other sources: make engine"
    for name, library in here.items():
        assert not [path for path in names_of_paths() if path in library], name


@pytest.mark.slow
@pytest.mark.parametrize("platform", build.TARGETS)
def test_every_platforms_libraries_are_compiled_here(platform: str, tmp_path: Path) -> None:
    target = build.TARGETS[platform]
    first, place, machine = HEADS[platform]
    widths = [lanes for kind, lanes in build.PROCESSORS if kind == target.split("-")[0]]
    assert 4 in widths
    for lanes in widths:
        made = []
        for folder in (tmp_path / "first", tmp_path / "a second one"):
            file = folder / f"engine-{lanes}{build.SUFFIXES[platform.partition('-')[0]]}"
            build.compile_library(
                build.SOURCE, file, lanes=lanes, target=target, cache=folder / "cache"
            )
            made.append(file.read_bytes())
        assert made[0] == made[1]
        assert made[0].startswith(first)
        assert machine_of(made[0], place) == machine
        assert all(name in made[0] for name in (b"engine_begin", b"engine_step", b"engine_end"))
        assert not [path for path in names_of_paths() if path in made[0]]


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        (
            "import sys; sys.exit('note: zig\\n engine.c:7:1: error: not  today\\nmore')",
            "zig ended with code 1: engine.c:7:1: error: not today",
        ),
        ("import sys; sys.exit(9)", "zig ended with code 9:"),
    ],
)
def test_a_failing_compiler_leaves_a_line_and_no_library(
    compiler: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "COMPILER", (sys.executable, "-c", compiler))
    (tmp_path / "engine-4.so").write_bytes(b"of before")
    assert build.build(tmp_path) == []
    assert content(list(tmp_path.iterdir())) == {"failure.txt": f"{reason}\n".encode()}


def test_a_compiler_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "COMPILER", (str(tmp_path / "nothing"),))
    assert build.build(tmp_path / "built") == []
    reason = (tmp_path / "built" / "failure.txt").read_text(encoding="utf-8")
    assert reason.startswith("zig could not be run: ")
    assert reason.count("\n") == 1


def test_a_platform_without_an_engine_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setattr(sys, "platform", "linux")
    assert build.build(tmp_path) == []
    failure = (tmp_path / "failure.txt").read_text(encoding="utf-8")
    assert failure.startswith("there is no engine for linux-riscv64")


def test_a_second_build_leaves_what_is_the_same_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that is in use cannot be replaced on Windows."""
    compiler = "import sys; open(sys.argv[-1], 'w').write('a library')"
    monkeypatch.setattr(build, "COMPILER", (sys.executable, "-c", compiler))
    monkeypatch.setattr(build, "host", lambda: "linux-aarch64")
    (tmp_path / "failure.txt").write_text("of before")
    first = {file: file.stat().st_ino for file in build.build(tmp_path)}
    assert first == {file: file.stat().st_ino for file in build.build(tmp_path)}
    assert sorted(tmp_path.iterdir()) == sorted(first)
    assert {file.name for file in first} == {"engine-4.so", "engine.wasm"}


def test_one_version_of_zig_is_asked_for_everywhere() -> None:
    """Another could give other bytes, and the comparison above would compare two compilers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    required = [
        line.partition(";")[0]
        for line in (
            *project["build-system"]["requires"],
            *project["project"]["optional-dependencies"]["dev"],
            *(ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines(),
        )
        if line.startswith("ziglang")
    ]
    assert required == [f"ziglang=={build.ZIG}"] * 3


def test_the_build_needs_the_standard_library_alone() -> None:
    """It runs in an environment that has only hatchling and zig."""
    tree = ast.parse(Path(build.__file__).read_text(encoding="utf-8"))
    imported = [
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [str(node.module)] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    ]
    assert set(imported) <= sys.stdlib_module_names


def project_in(folder: Path) -> Path:
    """A copy of what is installed, without what was compiled."""
    folder.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "built")
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        else:
            shutil.copyfile(ROOT / part, folder / part)
    return folder


def hatchling(call: str, project: Path, **environment: str) -> Path:
    """What pip calls to have a wheel, in an environment like this one."""
    program = f"from hatchling import build; build.{call}('out')"
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=project, env=os.environ | environment, check=True, capture_output=True,
    )  # fmt: skip
    return next((project / "out").iterdir())


def broken_zig(folder: Path) -> str:
    """A folder for PYTHONPATH, in which there is another zig that only complains."""
    (folder / "ziglang").mkdir(parents=True)
    (folder / "ziglang" / "__main__.py").write_text("raise SystemExit('error: out of order')\n")
    (folder / "ziglang" / "__init__.py").touch()
    return str(folder)


def installed_without_zig(folder: Path, source: Path) -> Path:
    """Install from a source or a wheel where there is hatchling and no zig: the engine's folder."""
    venv.create(folder, with_pip=True)
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [scripts / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", "hatchling", "editables"], check=True)
    subprocess.run([*pip, "--no-build-isolation", "--no-deps", source], check=True)
    return next(folder.rglob("hindi_bn/engine"))


@pytest.mark.slow
def test_a_wheel_is_made_and_installed_when_zig_fails(tmp_path: Path) -> None:
    project = project_in(tmp_path / "project")
    wheel = hatchling("build_wheel", project, PYTHONPATH=broken_zig(tmp_path / "path"))
    assert wheel.name.endswith("-py3-none-any.whl")
    built = [name for name in zipfile.ZipFile(wheel).namelist() if "/built/" in name]
    assert built == ["hindi_bn/engine/built/failure.txt"]
    engine = installed_without_zig(tmp_path / "venv", wheel)
    said = content(list((engine / "built").iterdir()))
    assert said == {"failure.txt": b"zig ended with code 1: error: out of order\n"}


@pytest.mark.slow
def test_installation_without_zig_succeeds_and_says_so(tmp_path: Path) -> None:
    engine = installed_without_zig(tmp_path / "venv", project_in(tmp_path / "project"))
    reason = (engine / "built" / "failure.txt").read_text(encoding="utf-8")
    assert re.fullmatch(r"zig is not installed \(pip install ziglang==[\d.]+\)\n", reason)
    assert not list((tmp_path / "project").rglob("built"))


@pytest.mark.slow
def test_an_editable_installation_has_the_engine_beside_its_sources(tmp_path: Path) -> None:
    project = project_in(tmp_path / "project")
    wheel = hatchling("build_editable", project)
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "/built/" in name]
    built = content(list((project / "hindi_bn/engine/built").iterdir()))
    assert built == content(list(build.BUILT.iterdir())), "make engine"


@pytest.mark.slow
def test_the_sources_are_handed_on_uncompiled(tmp_path: Path) -> None:
    """A source distribution has what a wheel is made of, and nothing compiled."""
    project = project_in(tmp_path / "project")
    wheel = hatchling("build_wheel", project)
    shutil.rmtree(project / "out")
    shutil.unpack_archive(hatchling("build_sdist", project), tmp_path / "unpacked")
    again = next((tmp_path / "unpacked").iterdir())
    assert {file.name for file in (again / "hindi_bn/engine/source").iterdir()} == {
        file.name for file in build.SOURCE.parent.iterdir()
    }
    assert not list(again.rglob("built"))
    assert hatchling("build_wheel", again).name == wheel.name
