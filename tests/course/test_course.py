"""The course: its code against the API, its checks against right and wrong answers, and a run."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import pytest
import torch
from scipy import stats

import hindi_bn
from hindi_bn.claims.claim import load_claims
from hindi_bn.claims.results import ClaimResult, read_results

ROOT = Path(__file__).parent.parent.parent
COURSE = ROOT / "docs" / "course"
CELLS = [c for c in jupytext.read(COURSE / "batch_norm.py").cells if c.cell_type == "code"]
EXERCISES = [cell for cell in CELLS if "exercise" in cell.metadata.get("tags", [])]
SHORT = [cell for cell in CELLS if "60" not in cell.metadata.get("tags", [])]


def load_checks() -> Any:
    spec = importlib.util.spec_from_file_location("checks", COURSE / "checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


checks = load_checks()


def name_of(cell: Any) -> str:
    """The exercise that a cell asks."""
    return str(cell.source).partition('checks.check("')[2].partition('"')[0]


def answered(cell: Any) -> str:
    """A cell with the solution in the place of the learner's answer."""
    if cell not in EXERCISES:
        return str(cell.source)
    return (
        f"{checks.SOLUTIONS[name_of(cell)]}\nchecks.check{cell.source.partition('checks.check')[2]}"
    )


def calls_of(module: str) -> list[ast.Call]:
    """The notebook's calls of a module's functions."""
    trees = [ast.parse(cell.source) for cell in CELLS]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).startswith(f"{module}.")]


@pytest.mark.parametrize(("name", "module"), [("hindi_bn", hindi_bn), ("checks", checks)])
def test_the_notebook_calls_what_there_is_as_it_is_called(name: str, module: Any) -> None:
    calls = calls_of(name)
    assert calls
    for call in calls:
        function = getattr(module, ast.unparse(call.func).partition(".")[2])
        keywords = {str(keyword.arg): None for keyword in call.keywords}
        inspect.signature(function).bind(*call.args, **keywords)


@pytest.mark.parametrize("route", [CELLS, SHORT], ids=["60 minutes", "20 minutes"])
def test_a_route_uses_no_name_that_it_does_not_define(route: list[Any]) -> None:
    assert route
    script = "\n".join(cell.source for cell in route)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "-"]
    found = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_every_exercise_has_a_check_and_a_solution() -> None:
    names = [name_of(cell) for cell in EXERCISES]
    assert sorted(names) == sorted(checks.SOLUTIONS)
    asked = [call.args[0].value for call in calls_of("checks") if "check(" in ast.unparse(call)]
    assert sorted(asked) == sorted(names)


@pytest.mark.parametrize("cell", EXERCISES, ids=name_of)
def test_an_empty_cell_is_no_mistake_and_its_solution_is_right(
    cell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"checks": checks, "torch": torch, "np": np, "stats": stats}
    exec(cell.source, dict(names))
    assert capsys.readouterr().out.startswith("No answer yet.")
    exec(answered(cell), dict(names))
    assert capsys.readouterr().out == f"Right: {name_of(cell)}.\n"


def by_the_unbiased_variance(x: Any, gamma: Any, beta: Any) -> Any:
    return gamma * (x - x.mean(0)) / torch.sqrt(x.var(0) + 1e-5) + beta


def without_eps(x: Any, gamma: Any, beta: Any) -> Any:
    return gamma * (x - x.mean(0)) / x.std(0, correction=0) + beta


def by_the_normal_distribution(values: Any) -> tuple[float, float]:
    half = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return values.mean() - half, values.mean() + half


@pytest.mark.parametrize(
    ("name", "answers", "hint"),
    [
        ("means", ([5, 6.5, 23, 14.5, 16],), "means of the rows"),
        ("means", ([7, 20],), "one per column"),
        ("variances", ([22.5, 150],), "m - 1"),
        ("variances", ([18**0.5, 120**0.5],), "standard deviations"),
        ("batch_norm", (by_the_unbiased_variance,), "m - 1"),
        ("batch_norm", (without_eps,), "eps"),
        ("batch_norm", (lambda x, gamma, beta: x[0],), "shape"),
        ("batch_norm", (lambda x, gamma, beta: x / 0,), "eps"),
        ("batch_norm", (lambda x: x,), "TypeError"),
        ("eps", (1.0,), "root"),
        ("feature_maps", ((0,), 32), "which axes"),
        ("feature_maps", ((0, 2, 3), 32), "every pixel"),
        ("running", ([5.4, 18.0], [2.7, 27]), "weight of the new batch"),
        ("running", ([0.6, 2], [2.7, 12.9]), "unbiased"),
        ("running", ([0.6, 2], [2.25, 15]), "starts at 1"),
        ("evaluation", (-(2**0.5),), "train mode"),
        ("momentum", (43,), "0.9 ** k"),
        ("scale", ("the same", "ten times"), "how steep"),
        ("interval", (by_the_normal_distribution,), "1.96"),
        ("interval", (lambda values: (0, 1),), "mean - half"),
    ],
)
def test_a_wrong_answer_gets_a_hint(
    name: str,
    answers: tuple[float | Callable[..., Any], ...],
    hint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks.check(name, *answers)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ")
    assert hint in said


def a_result(name: str, verdict: Any) -> ClaimResult:
    """The first committed result, under another name and with another verdict."""
    return replace(read_results(ROOT / "results" / "claims")[0], name=name, verdict=verdict)


def test_the_claims_asked_about_exist_and_those_with_a_verdict_are_chosen() -> None:
    assert set(checks.ASKED) <= {claim.name for claim in load_claims()}
    loss, rate = a_result("loss", "undecided"), a_result("learning-rate", "supported")
    there = [loss, a_result("placement", "pilot"), a_result("no claim asked", "supported"), rate]
    assert checks.choose_claims(there, 3) == [rate, loss]
    assert checks.choose_claims(there, 1) == [rate]
    assert checks.choose_claims([], 3) == []


def test_guesses_are_held_against_the_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = ("supported", "opposite found", "undecided", "undecided")
    asked = [a_result("loss", verdict) for verdict in verdicts]
    checks.reveal(asked, ["supported", "not as stated", "supported", "?"])
    said = capsys.readouterr().out
    for words in (
        "You are right.", "it does fail, but in another way", "You said supported.",
        "4. No guess yet.", "1 of 4 right.",
    ):  # fmt: skip
        assert said.count(words) == 1, words
    effect = asked[0].effects[0]
    assert said.count(f"{effect.label}: {effect.mean:#.3g} [") == 3  # not where nobody guessed


def test_a_claim_is_asked_without_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    asked = a_result("loss", "opposite found")
    checks.ask([asked])
    said = " ".join(capsys.readouterr().out.split())
    assert f"1. {asked.title}" in said
    assert " ".join(asked.statement.split()) in said
    assert asked.verdict not in said
    checks.ask([])
    checks.reveal([], [])
    assert capsys.readouterr().out == "No further claim has a verdict yet.\n"


@pytest.mark.slow
def test_the_whole_notebook_runs_on_the_stand_in_within_a_minute(tmp_path: Path) -> None:
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join(map(answered, CELLS)), encoding="utf-8")
    places = {"PYTHONPATH": os.pathsep.join(map(str, (COURSE, ROOT))), "TMPDIR": str(tmp_path)}
    ours = {"HINDI_BN_DATA": str(tmp_path), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    command, environment = [sys.executable, "-W", "error", str(script)], os.environ | places | ours
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=COURSE, env=environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert [line for line in said if line.startswith("Right: ")] == [
        f"Right: {name_of(cell)}." for cell in EXERCISES
    ]
    assert "drawn stand-in, not the article's data (17000, 32, 32)" in said
    table = re.compile(r"(\w+ mode, [\w ]+?)  +([\d.]+)  +([\d.]+)")
    rows = {found[1]: found.groups()[1:] for line in said if (found := table.fullmatch(line))}
    assert rows["eval mode, mixed batches"] == rows["eval mode, one digit a batch"]
    assert float(rows["train mode, one digit a batch"][1]) < 30  # the linear layer, near guessing
    # The processor's time, as other processes may be busy beside.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60
