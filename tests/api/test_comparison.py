"""Comparing and reproducing from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner

import hindi_bn
import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.digits import Digits
from hindi_bn.errors import RunError, StudyError
from hindi_bn.training.run import Reporter

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.mark.parametrize("by_command", [False, True])
def test_a_study_is_reproduced_with_digits_loaded_once(
    by_command: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(data_dir: Path, name: str = "digits", *_: Any) -> Digits:
        loaded.append(name)
        return tiny_digits()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", load)
    if by_command:
        small = ("--set", "epochs=1", "--threads", "1", "--device", "cpu")
        assert CliRunner().invoke(app, ["reproduce", *small, "--quiet"]).exit_code == 0
    else:
        comparison = hindi_bn.reproduce(tiny_study(epochs=1))
        assert comparison.folder == Path("results/article/comparison")
    assert loaded == ["digits"]
    assert Path("results/article/comparison/comparison.json").exists()


def test_a_study_without_the_pair_of_weights_is_reproduced_without_a_descent(
    tmp_path: Path,
) -> None:
    study = tiny_study(epochs=1, recordings=[])
    comparison = hindi_bn.reproduce(study, tiny_digits(), out=tmp_path)
    assert (comparison.folder / "loss.png").exists()
    assert not list(comparison.folder.glob("descent*"))
    with pytest.raises(RunError, match="no path of two weights"):
        hindi_bn.plot_descent([tmp_path / "article" / "bn"])


def test_a_study_s_missing_runs_are_trained_and_the_others_used(tmp_path: Path) -> None:
    study, digits, trained = tiny_study(epochs=1), tiny_digits(), []
    hindi_bn.train(study, ["bn"], digits=digits, out=tmp_path)
    reporter = Reporter(epoch=trained.append)
    comparison = hindi_bn.compare(study, digits, out=tmp_path, reporter=reporter)
    assert len(trained) == 1
    assert list(comparison.summary["run"]) == ["no-bn", "bn"]
    assert comparison.confusions["bn"].to_numpy().sum() == len(digits.test_labels)
    with pytest.raises(StudyError, match="One run alone"):
        hindi_bn.compare([tmp_path / "article" / "bn"], digits)
