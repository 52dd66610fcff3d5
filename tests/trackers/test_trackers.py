"""Trackers, read back by TensorBoard's and MLflow's own readers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner

import hindi_bn
import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.errors import HindiBnError
from hindi_bn.training.loop import EpochRow
from hindi_bn.training.run import Reporter

DIGITS = tiny_digits()


def train(tracker: str, out: Path, **more: Any) -> pd.DataFrame:
    """Train one run for three epochs; return its history."""
    study = tiny_study(name="tracked", epochs=3, recordings=[], lr=0.02)
    (record,) = hindi_bn.train(study, ["bn"], digits=DIGITS, out=out, trackers=[tracker], **more)
    return record.history


def interrupt_after_one_epoch() -> Reporter:
    def epoch(row: EpochRow) -> None:
        raise KeyboardInterrupt

    return Reporter(epoch=epoch)


@pytest.mark.slow  # importing its reader takes seconds
@pytest.mark.filterwarnings("default")  # of the readers
def test_tensorboard_has_curves_settings_and_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: DIGITS)
    arguments = ["train", "--bn", "--epochs", "2", "--set", "recordings=[]", "--threads", "1"]
    arguments += ["--lr", "0.02", "--tracker", "tensorboard", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "article" / "bn"
    history = pd.read_csv(folder / "history.csv")
    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    for tag, column in (("loss/train", "train_loss"), ("accuracy/test", "test_accuracy")):
        scalars = read.Scalars(tag)
        assert [each.step for each in scalars] == [0, 1]
        assert [each.value for each in scalars] == pytest.approx(list(history[column]), rel=1e-6)
    (settings,) = read.Tensors("settings/text_summary")
    assert b"| lr | 0.02 |" in settings.tensor_proto.string_val[0]
    assert b"| norm | batch |" in settings.tensor_proto.string_val[0]
    assert read.Images("curves")[0].width > 100
    assert "hparams" in read.summary_metadata["_hparams_/experiment"].plugin_data.plugin_name


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_mlflow_has_curves_settings_and_figure_and_goes_on_with_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train("mlflow", Path("results"), reporter=interrupt_after_one_epoch())
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/results/mlflow.db")
    experiment = client.get_experiment_by_name("tracked").experiment_id
    (stopped,) = client.search_runs([experiment])
    assert (stopped.info.status, stopped.info.run_name) == ("FAILED", "bn")
    history = train("mlflow", Path("results"), resume=True)
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FINISHED"
    assert (run.data.params["lr"], run.data.params["norm.eps"]) == ("0.02", "1e-05")
    told = client.get_metric_history(run.info.run_id, "train_loss")
    assert [(each.step, each.value) for each in told] == list(enumerate(history["train_loss"]))
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["curves.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


def test_a_tracker_that_is_not_there_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HindiBnError, match="Did you mean 'tensorboard'"):
        train("tensorbord", tmp_path)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.delitem(sys.modules, "hindi_bn.trackers.mlflow", raising=False)
    with pytest.raises(HindiBnError, match=r"pip install 'hindi-bn\[mlflow\]'"):
        train("mlflow", tmp_path)
    assert list(tmp_path.iterdir()) == []
