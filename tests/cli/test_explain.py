"""`hindi-bn explain`: what it prints, draws and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner, Result

import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.explain.document import Check, Explanation, Step, Values
from hindi_bn.explain.worked import explain_worked
from hindi_bn.training.run import train_run


@pytest.fixture(autouse=True)
def _tiny_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with both runs of a tiny study."""
    out = tmp_path_factory.mktemp("results")
    study = tiny_study(epochs=1)
    for name in ("no-bn", "bn"):
        train_run(study, name, tiny_digits(), out)
    return out / "article"


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["explain", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_worked_example_as_text() -> None:
    text = run().stdout
    assert "1. The batch" in text
    assert "9. Normalise (inference)" in text
    assert "mean μ       4.3333     28.6667     88.6667" in text
    assert "variance σ²                    7.4444     27.5556     30.0000" in text
    assert "-1.5882  -0.1222   1.3439" in text
    assert "running mean r          0.4333      2.8667      8.8667" in text
    assert "19 of 19 checks agree with torch" in text
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert "\x1b" not in text


def test_a_terminal_gets_formatting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1;36m1. The batch" in run().stdout


def test_the_fully_connected_example_and_its_batch_of_one() -> None:
    text = run("--layer", "1d").stdout
    assert "mean μ            6           7           8" in text
    assert "nothing can be learned" in run("--layer", "1d", "--batch-size", "1").stdout
    assert "works here, because it has pixels" in run("--batch-size", "1").stdout


def test_long_batches_are_cut_in_the_text_alone() -> None:
    assert "and 2 more images: see --json" in run("--batch-size", "6").stdout
    assert "and 4 more rows: see --json" in run("--layer", "1d", "--batch-size", "20").stdout
    document = json.loads(run("--layer", "1d", "--batch-size", "20", "--json").stdout)
    assert document["steps"][0]["values"][0]["shape"] == [20, 3]


def test_json_is_the_explanation_s_document() -> None:
    assert json.loads(run("--json").stdout) == explain_worked().document()


def test_a_digit_through_a_trained_run(results: Path) -> None:
    result = run("--digit", "4", "--index", "1", "--run", str(results / "bn"))
    assert "test image 1 of digit 4 and 31 test images spread evenly" in result.stdout
    assert "Before the layer: what enters module 1, BatchNorm2d" in result.stdout
    assert "2 of 2 checks agree with torch" in result.stdout
    document = json.loads(
        run("--digit", "4", "--batch-size", "3", "--run", str(results / "bn"), "--json").stdout
    )
    assert document["layer"] == "BatchNorm2d"
    assert document["steps"][1]["values"][0]["shape"] == [16]


def test_an_own_image_through_a_trained_run(results: Path) -> None:
    pixels = np.full((60, 50), 240, dtype=np.uint8)
    pixels[10:50, 20:30] = 10
    Image.fromarray(pixels).save("mine.png")
    common = ("--image", "mine.png", "--run", str(results / "bn"))
    text = " ".join(run(*common, "--figure", "f.svg", "--quiet").stdout.split())
    assert "mine.png and 31 test images" in text
    assert "inverted (dark on light)" in text
    assert Path("f.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")
    assert "mine.png alone" in run(*common, "--batch-size", "1").stdout


def test_more_channels_than_rows_are_cut_in_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step("many", values=(Values("a", np.arange(20.0)), Values("one", np.array(0.5))))
    made = Explanation("t", "d", "BatchNorm1d", (step,))
    monkeypatch.setattr("hindi_bn.api.explanation.explain_worked", lambda layer, size: made)
    text = run().stdout
    assert "and 4 more: see --json" in text
    assert "one: 0.5000" in text


@pytest.mark.parametrize("how", [["--digit", "4"], ["--image", "mine.png"]])
def test_a_batch_of_other_data_than_the_run_s_is_refused(
    how: list[str], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save("mine.png")
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits(seed=1))
    result = run(*how, "--run", str(results / "bn"), code=1)
    assert "trained on other data" in result.stderr


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "suffix", ["png", pytest.param("svg", marks=SLOW), pytest.param("pdf", marks=SLOW)]
)
def test_figures_by_suffix_are_the_same_bytes_again(suffix: str) -> None:
    for name in ("a", "b"):
        result = run("--figure", f"{name}.{suffix}", "--json")
        assert json.loads(result.stdout)
    first = Path(f"a.{suffix}").read_bytes()
    assert first == Path(f"b.{suffix}").read_bytes()
    assert first[:4] in {b"\x89PNG", b"<?xm", b"%PDF"}


def test_the_figure_is_named() -> None:
    assert "Figure: a.png" in run("--figure", "a.png", "--layer", "1d").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--digit", "1", "--image", "a.png"),
        ("--index", "1"),
        ("--index", "1", "--image", "a.png"),
        ("--layer", "1d", "--digit", "1"),
        ("--layer", "2d", "--image", "a.png"),
        ("--run", "results/article/bn"),
        ("--digit", "10"),
        ("--batch-size", "0"),
        ("--layer", "3d"),
    ],
)
def test_usage_errors_have_exit_code_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments, code=2)
    assert result.stderr.startswith("Usage: ")
    assert result.stdout == ""


def test_expected_errors_have_exit_code_1(results: Path) -> None:
    bn = ("--run", str(results / "bn"))
    assert "png, svg, pdf" in run("--figure", "a.gif", code=1).stderr
    assert "is not a run's folder" in run("--digit", "1", code=1).stderr
    assert "no test image 9" in run("--digit", "1", "--index", "9", *bn, code=1).stderr
    assert "too large" in run("--digit", "1", "--batch-size", "99", *bn, code=1).stderr
    assert "cannot be read as an image" in run("--image", "none.png", *bn, code=1).stderr
    without = run("--digit", "1", "--run", str(results / "no-bn"), code=1)
    assert "no batch-norm layer" in without.stderr


def test_an_own_image_among_images_of_another_size_is_refused(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    digits = tiny_digits()
    smaller = replace(digits, test_images=digits.test_images[:, :28, :28])
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: smaller)
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save("mine.png")
    result = run("--image", "mine.png", "--run", str(results / "bn"), code=1)
    assert "cannot stand among" in result.stderr


def test_a_difference_from_torch_is_shown_and_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Explanation("t", "d", "BatchNorm2d", (Step("s", checks=(Check("torch", 1.0, 0.1),)),))
    monkeypatch.setattr("hindi_bn.api.explanation.explain_worked", lambda layer, size: wrong)
    result = run(code=1)
    assert "✗ DIFFERS with torch" in result.stdout
    assert "differs from torch" in result.stderr
