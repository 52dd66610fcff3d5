"""What a user gets: quick help, completion, and a wheel that works from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from typer.main import get_command

import hindi_bn
from hindi_bn.cli import app
from hindi_bn.engine import build

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "torchvision", "pandas", "sklearn", "scipy", "matplotlib", "seaborn", "kaggle"}


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["--version"], ["networks"]]
)
def test_what_needs_no_network_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """0.4 s is the bound; what costs the time is importing torch and its like."""
    program = (
        "import sys; from hindi_bn.cli import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('heavy:', sorted({HEAVY!r} & set(sys.modules)))"
    )
    result = python("-c", program, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.rstrip().endswith("heavy: []")


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    """0.1 s is the bound."""
    program = (
        "import sys, hindi_bn\n"
        "assert set(hindi_bn.__all__) <= set(dir(hindi_bn))\n"
        f"print(sorted({HEAVY | {'pydantic', 'numpy'}!r} & set(sys.modules)))"
    )
    result = python("-c", program, cwd=tmp_path)
    assert result.stdout == "[]\n", result.stderr


def test_every_name_of_the_package_is_found_when_it_is_asked_for() -> None:
    assert all(callable(getattr(hindi_bn, name)) for name in hindi_bn.__all__)
    assert not hasattr(hindi_bn, "nothing")


def commands() -> list[tuple[str, object]]:
    group = get_command(app)
    context = typer.Context(group)
    assert hasattr(group, "list_commands")
    return [(name, group.get_command(context, name)) for name in group.list_commands(context)]


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_option_and_argument_has_help(name: str, command: object) -> None:
    assert getattr(command, "help", None), name
    for parameter in command.params:  # type: ignore[attr-defined]
        assert getattr(parameter, "help", None), (name, parameter.name)


@pytest.mark.parametrize(
    ("typed", "answers"),
    [("pl", ["plot", "plot-descent"]), ("networks le", ["lenet"]), ("train --norm w", ["weight"])],
)
def test_completion_is_answered(typed: str, answers: list[str], tmp_path: Path) -> None:
    result = python(
        "-c", "import sys; sys.argv[0] = 'hindi-bn'; from hindi_bn.cli import main; main()",
        cwd=tmp_path, _HINDI_BN_COMPLETE="complete_bash", COMP_WORDS=f"hindi-bn {typed}",
        COMP_CWORD=str(len(typed.split())),
    )  # fmt: skip
    assert sorted(result.stdout.split()) == answers


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All but the engine, which takes ten seconds to compile."""
    return make_wheel(tmp_path_factory.mktemp("wheel"), HATCH_BUILD_NO_HOOKS="true")


def make_wheel(folder: Path, **environment: str) -> Path:
    result = python(
        "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), ".",
        cwd=ROOT, **environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_the_studies_and_the_typing_mark(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for study in (ROOT / "configs").rglob("*.yaml"):
        assert f"hindi_bn/configs/{study.relative_to(ROOT / 'configs').as_posix()}" in names
    assert "hindi_bn/py.typed" in names
    assert "hindi_bn/article/published_head.csv" in names
    weights = {
        f"hindi_bn/article/trained_networks/{run}/weights.safetensors" for run in ("bn", "no-bn")
    }
    measured = "hindi_bn/article/trained_networks/likeness.safetensors"
    there = {name for name in names if name.endswith((".png", ".safetensors"))}
    assert there == {measured, *weights}


@pytest.mark.slow
def test_the_wheel_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """The unpacked wheel, ahead of this checkout, reads its own studies in an empty folder."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    empty = tmp_path / "empty"
    empty.mkdir()
    program = (
        "import hindi_bn.study.files as f; print(f.configs_folder());"
        "print(f.load_study('article').seed)"
    )
    result = python("-c", program, cwd=empty, PYTHONPATH=str(tmp_path / "site"))
    assert result.stdout.split() == [str(tmp_path / "site" / "hindi_bn" / "configs"), "5842"]


def needed_by(
    requires: list[str], extras: Iterable[str] = (), known: dict[str, str] | None = None
) -> set[str]:
    """The packages of some requirements, and those that these ask for: what pip would install."""
    known = {} if known is None else known
    for one in map(Requirement, requires):
        asked = not one.marker or any(one.marker.evaluate({"extra": e}) for e in ("", *extras))
        if not asked or str(one) in known:
            continue
        found = distribution(one.name)
        assert one.specifier.contains(found.version, prereleases=True), (str(one), found.version)
        known[str(one)] = found.name
        needed_by(found.requires or [], one.extras, known)
    return set(known.values())


def link(package: str, site: Path) -> None:
    """Lay an installed package out in another environment: its files are gigabytes."""
    for file in distribution(package).files or []:
        if not {"..", "__pycache__"} & set(file.parts):
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).symlink_to(Path(str(file.locate())))


@pytest.mark.slow
def test_the_wheel_installs_and_trains_in_an_empty_environment(tmp_path: Path) -> None:
    """Beside what it asks for and nothing else: no compiler, as the engine is in the wheel."""
    wheel = make_wheel(tmp_path)
    assert wheel.stem.endswith(f"-py3-none-{build.WHEEL_TAGS[build.host()]}")
    environment = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    venv.create(environment["base"])
    scripts = Path(sysconfig.get_path("scripts", "venv", environment))
    (metadata,) = [p for p in zipfile.Path(wheel).iterdir() if p.name.endswith(".dist-info")]
    for package in needed_by(PathDistribution(metadata).requires or []):
        link(package, Path(sysconfig.get_path("purelib", "venv", environment)))
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python"]
    subprocess.run([*pip, "install", "-q", "--no-index", wheel], check=True)
    subprocess.run([*pip, "check"], check=True)
    program = (
        "import importlib.util as u, ctypes, pathlib, hindi_bn\n"
        "folder = pathlib.Path(hindi_bn.__file__).parent / 'engine' / 'built'\n"
        "library = ctypes.CDLL(str(next(folder.glob('engine-4.*'))))\n"
        "print(library.engine_lanes(), len(list(folder.glob('*.wasm'))), u.find_spec('ziglang'))"
    )
    asked = subprocess.run(
        [scripts / "python", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.stdout.split() == ["4", "1", "None"], asked.stderr
    done = subprocess.run(
        [scripts / "hindi-bn", "train", "--bn", "--data", "stand-in", "--epochs", "1",
         "--config", "one_conv", "--set", "numerics=engine"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "drawn stand-in" in done.stdout
    record = yaml.safe_load((tmp_path / "results/one_conv-stand-in/bn/run.yaml").read_text())
    assert record["run"] == "bn"
