"""docs/cli.md and the ways into the command line that are not `hindi-bn`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

import hindi_bn

ROOT = Path(__file__).parents[2]


def said(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_reference_is_what_the_commands_say() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    made = said("typer", "hindi_bn.cli", "utils", "docs", "--name", "hindi-bn")
    assert written.split() == made.split(), "make docs"


def test_the_module_is_the_command() -> None:
    assert said("hindi_bn", "--version") == f"hindi-bn {hindi_bn.__version__}\n"


def test_github_runs_what_ci_runs_on_every_supported_python() -> None:
    file = ROOT / ".github" / "workflows" / "ci.yml"
    job = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]["test"]
    listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for version in job["strategy"]["matrix"]["python"]:
        assert f"Python :: {version}" in listed
    assert listed.count("Language :: Python :: 3.") == len(job["strategy"]["matrix"]["python"])
    (command,) = [step["run"] for step in job["steps"] if "run" in step]
    assert (ROOT / command).stat().st_mode & 0o111
