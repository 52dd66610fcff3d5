"""`hindi-bn download` and `hindi-bn data`: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_digits import checksums_of, small_files, small_pixels, write_folder, write_zip
from typer.testing import CliRunner

from hindi_bn.cli import app
from hindi_bn.digits import checksums

TITLE = "Hindi digits, identical to the article's 50 images"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("KAGGLE_", "HINDI_BN_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(checksums, "ARTICLE", checksums_of(small_pixels()))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def packed(tmp_path: Path) -> str:
    write_zip(tmp_path / "small.zip", small_files())
    return "small.zip"


def run(*arguments: str, **environment: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env=environment)


def test_download_from_a_path_and_show(packed: str, tmp_path: Path) -> None:
    result = run("download", packed)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{TITLE} (from archive small.zip) -> data\n"
    assert result.stderr == ""
    shown = run("data")
    assert shown.exit_code == 0
    assert TITLE in shown.stdout
    assert "source: archive small.zip" in shown.stdout
    assert re.search(r"train +3 +3 +3 +3 +3 +3 +3 +3 +3 +3\n", shown.stdout)
    assert re.search(r"test +2 +2 +2 +2 +2 +2 +2 +2 +2 +2\n", shown.stdout)
    assert checksums.ARTICLE.digests["train"] in shown.stdout
    train = small_pixels()["train"] / 255
    assert f"mean {train.mean():.6f}  standard deviation {train.std():.6f}" in shown.stdout


@pytest.mark.parametrize("source", [(), ("--source", "folder"), ("--source", "auto")])
def test_download_from_a_folder(source: tuple[str, ...], tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", small_files())
    result = run("download", "mine", *source, "--data-dir", "elsewhere")
    assert result.exit_code == 0, result.stderr
    assert "(from folder mine) -> elsewhere" in result.stdout


def test_the_configured_archive_and_data_folder(packed: str, tmp_path: Path) -> None:
    result = run("download", HINDI_BN_ARCHIVE=packed, HINDI_BN_DATA="there")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "there" / "digits.safetensors").exists()
    again = run("download", HINDI_BN_ARCHIVE=packed, HINDI_BN_DATA="there")
    assert "Verified digits are in there already" in again.stderr
    quiet = run("download", "--quiet", HINDI_BN_ARCHIVE=packed, HINDI_BN_DATA="there")
    assert quiet.stderr == ""
    forced = run("download", "--force", HINDI_BN_ARCHIVE=packed, HINDI_BN_DATA="there")
    assert forced.stderr == ""


def test_json(packed: str) -> None:
    seen = json.loads(run("download", packed, "--json").stdout)
    assert seen == json.loads(run("data", "--json").stdout)
    train = small_pixels()["train"] / 255
    assert seen["title"] == TITLE
    assert seen["identical"] is True
    assert seen["differing_classes"] == {"train": [], "test": []}
    assert seen["counts"] == {"train": [3] * 10, "test": [2] * 10}
    assert seen["sha256"] == checksums.ARTICLE.digests
    assert seen["mean"]["train"] == pytest.approx(train.mean(), abs=1e-12)
    assert seen["std"]["train"] == pytest.approx(train.std(), abs=1e-12)


def test_other_pixels_need_consent(tmp_path: Path) -> None:
    pixels = small_pixels()
    pixels["test"][9, 5, 5] ^= 1
    write_zip(tmp_path / "other.zip", small_files(pixels))
    refused = run("download", "other.zip")
    assert refused.exit_code == 1
    assert "Error: The digits are not the article's: test class 4 differ." in refused.stderr
    assert "--accept-different" in refused.stderr
    accepted = run("download", "other.zip", "--accept-different")
    assert accepted.exit_code == 0
    words = "Hindi digits, NOT identical to the article's (test class 4)"
    assert words in accepted.stdout
    assert words in run("data").stdout
    seen = json.loads(run("data", "--json").stdout)
    assert (seen["identical"], seen["differing_classes"]) == (False, {"train": [], "test": [4]})


def test_the_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hindi_bn.digits.stand_in.draw", lambda: tuple(small_pixels(5).values()))
    result = run("download", "--source", "stand-in")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "drawn stand-in, not the article's data (from stand-in) -> data\n"
    assert "Drawing the stand-in" in result.stderr
    shown = run("data", "--name", "stand-in", "--json")
    seen = json.loads(shown.stdout)
    assert (seen["name"], seen["identical"], seen["differing_classes"]) == ("stand-in", False, None)
    old = run("data", "--name", "drawn", "--json")
    assert json.loads(old.stdout)["name"] == "stand-in"
    assert run("download", "--source", "drawn").exit_code == 0
    wrong = run("data", "--name", "digit")
    assert wrong.exit_code == 2
    assert "Did you mean 'digits'?" in " ".join(wrong.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("data",), 1, "fetch them: hindi-bn download"),
        (("download", "none.zip"), 1, "No such file or directory"),
        (("download", "--source", "archive"), 1, "needs the path"),
        (("download", "x.zip", "--source", "uci"), 2, "--source uci takes no PATH"),
        (("download", "--source", "attic"), 2, "attic"),
        (("data", "--per-class", "0"), 2, "--per-class"),
    ],
)
def test_errors(arguments: tuple[str, ...], code: int, part: str) -> None:
    result = run(*arguments, NO_COLOR="1", TERMINAL_WIDTH="200")
    assert result.exit_code == code
    assert part in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_bars_on_a_terminal_only(packed: str) -> None:
    shown = run("download", packed, TTY_COMPATIBLE="1", FORCE_COLOR="1", COLUMNS="100")
    assert "Unpacking" in shown.stderr
    assert "Checking images" in shown.stderr
    assert "50/50" in shown.stderr
    assert "Unpacking" not in shown.stdout
    quiet = run("download", packed, "--force", "--quiet", TTY_COMPATIBLE="1", FORCE_COLOR="1")
    assert quiet.stderr == ""


@pytest.mark.parametrize("suffix", [".png", ".svg", ""])
def test_contact_sheet(suffix: str, packed: str, tmp_path: Path) -> None:
    run("download", packed)
    result = run("data", "--contact-sheet", f"sheets/all{suffix}", "--per-class", "2")
    assert result.exit_code == 0, result.stderr
    sheet = tmp_path / "sheets" / f"all{suffix or '.png'}"
    assert f"Contact sheet: sheets/{sheet.name}" in result.stderr
    start = sheet.read_bytes()[:100]
    assert start.startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")


def test_a_contact_sheet_of_an_unknown_kind(packed: str) -> None:
    run("download", packed)
    result = run("data", "--contact-sheet", "all.gif")
    assert result.exit_code == 1
    assert "Figures cannot be written as all.gif" in result.stderr


@pytest.mark.slow
def test_the_exit_code_of_the_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from hindi_bn.cli import main; main()", "data"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: There are no digits in data.")


@pytest.mark.slow
@pytest.mark.real
def test_the_real_digits(real_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    result = run("data", "--data-dir", str(real_data_dir), "--json")
    assert result.exit_code == 0, result.stderr
    seen = json.loads(result.stdout)
    assert seen["title"] == "Hindi digits, identical to the article's 20,000 images"
    assert seen["mean"]["train"] == pytest.approx(0.242318, abs=5e-7)
    assert seen["std"]["train"] == pytest.approx(0.388673, abs=5e-7)
    names = {path.name for path in (real_data_dir / "digits/Train").iterdir()}
    assert names == {f"digit_{digit}" for digit in range(10)}


def test_an_archive_that_lies_in_the_data_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a-broken.zip").write_bytes(b"no archive")
    write_zip(tmp_path / "data" / "b-good.zip", small_files())
    result = run("download")
    assert result.exit_code == 0, result.stderr
    assert "(from archive b-good.zip) -> data" in result.stdout
    assert "Not used: archive data/a-broken.zip" in result.stderr
