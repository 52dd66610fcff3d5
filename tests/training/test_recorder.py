"""What is recorded beside wx and wy: values against an independent training, and no trace left."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from older import with_older_state, without_manifest
from tiny import tiny_digits, tiny_study
from tiny_recordings import EVERYTHING, captured, trained

from hindi_bn.errors import RunError, StudyError
from hindi_bn.networks import build
from hindi_bn.networks.preserved import preserved
from hindi_bn.records import RunFolder
from hindi_bn.records.recordings import read_recordings
from hindi_bn.study.files import load_study
from hindi_bn.training.loop import EpochRow, evaluate
from hindi_bn.training.recorder import Recorder
from hindi_bn.training.recordings.activations import Activations
from hindi_bn.training.run import Reporter, RunInterrupted, train_run
from hindi_bn.training.tensors import to_tensors


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "batch", "dropout": 0.5},
        {"norm": "batch-renorm", "momentum": 0.9},
        {"norm": "spectral", "optimizer": "adam"},
        {"norm": "weight"},
        {"norm": "none", "stream": "continued"},
    ],
)
def test_recordings_leave_no_trace_in_the_run(tmp_path: Path, changes: dict[str, Any]) -> None:
    changes = {"stream": "paired"} | changes
    study, watched = (tiny_study(**changes, recordings=each) for each in ([], EVERYTHING))
    folders = []
    for place, each in (("plain", study), ("watched", watched)):
        torch.manual_seed(1)
        folders.append(train_run(each, "bn", tiny_digits(), tmp_path / place).folder)
        assert torch.rand(1).item() == pytest.approx(0.7576315999031067)  # the caller's stream
    plain, seen = folders
    assert (plain / "weights.safetensors").read_bytes() == (
        seen / "weights.safetensors"
    ).read_bytes()
    histories = [RunFolder(f).read_history().drop(columns="seconds") for f in folders]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert (seen / "captures.csv").exists()
    assert not (plain / "captures.csv").exists()


def test_without_recordings_the_steps_are_not_even_watched(tmp_path: Path) -> None:
    run = tiny_study().run("bn")
    data = to_tensors(tiny_digits(), "unit", torch.device("cpu"))
    recording = Recorder(RunFolder(tmp_path), run, build("three_convs", "batch"), data)

    def on_step(done: int, steps: int) -> None: ...

    assert recording.begin(0, on_step) is on_step
    recording.keep(0)
    recording.finish()
    assert list(tmp_path.iterdir()) == []


def test_reading_in_train_mode_puts_everything_back() -> None:
    network = build("three_convs", "batch", dropout=0.5)
    network[0].eval()  # modes of single layers come back too
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes, random = [module.training for module in network.modules()], torch.get_rng_state()
    with contextlib.suppress(ZeroDivisionError), preserved(network, train=True):
        network(torch.rand(4, 1, 32, 32))
        assert not torch.equal(network.state_dict()["1.running_mean"], before["1.running_mean"])
        raise ZeroDivisionError
    assert all(torch.equal(value, before[k]) for k, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)


def stopped(out: Path, after: int, in_step: int = 0) -> Path:
    """Press Ctrl-C after some epochs, or in a step of the next one."""
    epochs: list[EpochRow] = []

    def end_of_epoch(row: EpochRow) -> None:
        epochs.append(row)
        if len(epochs) == after and not in_step:
            raise KeyboardInterrupt

    def step(done: int, steps: int) -> None:
        if len(epochs) == after and done == in_step:
            raise KeyboardInterrupt

    changes = {"stream": "paired", "epochs": 4}
    study = tiny_study(recordings=EVERYTHING, **changes)
    with pytest.raises(RunInterrupted):
        train_run(study, "bn", tiny_digits(), out, reporter=Reporter(step=step, epoch=end_of_epoch))
    return out / "article" / "bn"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """captures.csv of four epochs without a stop."""
    torch.set_num_threads(1)
    record = trained(tmp_path_factory.mktemp("whole"), epochs=4)
    return (record.folder / "captures.csv").read_bytes()


@pytest.mark.parametrize(("after", "in_step"), [(3, 0), (0, 2), (1, 3), (4, 0)])
def test_a_resumed_run_ends_with_the_same_recordings(
    tmp_path: Path, whole: bytes, after: int, in_step: int
) -> None:
    """Stopped between epochs, in the first one, in a later one, and before the last file."""
    folder = stopped(tmp_path, after, in_step)
    assert not (folder / "captures.csv").exists()
    so_far = read_recordings(RunFolder(folder))
    assert so_far["epoch"].max() == after - 1 if after else so_far.empty
    trained(tmp_path, epochs=4, resume=True)
    assert (folder / "captures.csv").read_bytes() == whole
    assert not (folder / "checkpoint").exists()


def test_lost_or_damaged_recordings_are_named(tmp_path: Path) -> None:
    folder = stopped(tmp_path, after=2)
    run = RunFolder(folder)
    part = folder / "checkpoint" / "captures-0.csv"
    text = part.read_text()
    part.write_text("".join(text.splitlines(keepends=True)[:-1]))
    for read in (partial(trained, tmp_path, epochs=4, resume=True), partial(read_recordings, run)):
        with pytest.raises(RunError, match=r"captures-0\.csv has changed since the run was saved"):
            read()
    part.unlink()
    with pytest.raises(RunError, match=r"captures-0\.csv has changed(.|\n)*No such file"):
        trained(tmp_path, epochs=4, resume=True)
    part.write_text(text)
    trained(tmp_path, epochs=4, resume=True)
    joined = folder / "captures.csv"
    joined.write_text(
        joined.read_text().replace("gradients,weight,0,,0,1,", "gradients,weight,0,,x,1,")
    )
    with pytest.raises(RunError, match=r"captures\.csv has changed since the run finished"):
        read_recordings(run)
    without_manifest(folder)
    with pytest.raises(RunError, match=r"captures\.csv cannot be read"):
        read_recordings(run)


def test_lost_or_damaged_recordings_of_an_older_run_are_named(tmp_path: Path) -> None:
    folder = stopped(tmp_path, after=2)
    with_older_state(folder, lambda state: None)
    part = folder / "checkpoint" / "captures-0.csv"
    part.write_text("nonsense\n")
    with pytest.raises(RunError, match=r"captures-0\.csv cannot be read(.|\n)*first line"):
        trained(tmp_path, epochs=4, resume=True)
    with pytest.raises(RunError, match=r"captures-0\.csv cannot be read(.|\n)*columns"):
        read_recordings(RunFolder(folder))
    part.unlink()
    with pytest.raises(RunError, match=r"captures-0\.csv cannot be read(.|\n)*No such file"):
        trained(tmp_path, epochs=4, resume=True)


def test_resuming_with_other_recordings_is_refused(tmp_path: Path) -> None:
    stopped(tmp_path, after=1)
    with pytest.raises(RunError, match=r"run\.recordings was"):
        trained(tmp_path, epochs=4, resume=True, recordings=["gradients"])


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        ({"kind": "weight", "name": "a", "layer": "40", "index": [0]}, r"recordings\.a\.layer"),
        ({"kind": "weight", "name": "a", "layer": "0", "index": [0]}, r"recordings\.a\.index to 4"),
        ({"kind": "weight", "name": "a", "layer": "0", "index": [16, 0, 0, 0]}, "shape"),
        ({"kind": "activations", "per_class": 5}, r"activations\.per_class to 4 or less"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_written(
    tmp_path: Path, recording: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        trained(tmp_path, recordings=[recording])
    assert not (tmp_path / "article" / "bn").exists()


def test_the_example_study_records_both_runs(tmp_path: Path) -> None:
    changes = {"epochs": 1, "threads": 1, "recordings.activations.per_class": 2}
    study = load_study("recordings", changes | {"recordings.activations.every": 3})
    for name in ("no-bn", "bn"):
        frame = captured(train_run(study, name, tiny_digits(), tmp_path))
        assert {"activations", "wx", "wy", "first"} <= set(frame["name"])
        assert ("statistics" in set(frame["name"])) == (name == "bn")


def test_evaluation_is_not_disturbed_by_a_recording_in_between() -> None:
    data = to_tensors(tiny_digits(), "unit", torch.device("cpu"))
    network = build("three_convs", "batch")
    before = evaluate(network, data.test_images, data.test_labels, 32)
    recording = Activations(per_class=1, mode="train", every=1)
    recording.reader(network, data, tiny_study().run("bn")).begin()
    assert evaluate(network, data.test_images, data.test_labels, 32) == before


def test_a_run_of_the_version_before_goes_on_with_its_pair(tmp_path: Path) -> None:
    """It calls its numerics arithmetic, and the pair that no study asked for capture."""
    asked = tiny_study(stream="paired", recordings=["pair"])
    whole = train_run(asked, "bn", tiny_digits(), tmp_path / "whole")

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(RunInterrupted):
        train_run(asked, "bn", tiny_digits(), tmp_path, reporter=Reporter(epoch=stop))

    def in_old_words(state: dict[str, Any]) -> None:
        settings = state["settings"]
        (pair,) = settings["run"].pop("recordings")
        settings["run"] |= {"capture": {k: pair[k] for k in ("layer", "wx", "wy")}, "captures": []}
        settings["arithmetic"] = settings.pop("numerics")

    with_older_state(tmp_path / "article" / "bn", in_old_words)
    unasked = tiny_study(stream="paired", recordings=[])
    resumed = train_run(unasked, "bn", tiny_digits(), tmp_path, resume=True)
    pd.testing.assert_frame_equal(
        resumed.history.drop(columns="seconds"), whole.history.drop(columns="seconds"),
        check_exact=True,
    )  # fmt: skip
    assert list(resumed.history.columns[-2:]) == ["wx", "wy"]
    again = train_run(unasked, "bn", tiny_digits(), tmp_path, resume=True)
    assert len(again.history) == 2


def test_a_run_that_records_no_pair_has_no_path_to_draw(tmp_path: Path) -> None:
    record = trained(tmp_path, recordings=[], epochs=1)
    assert list(record.history.columns)[-1] == "test_accuracy"
    with pytest.raises(RunError, match=r"--set 'recordings=\[pair\]'"):
        record.recorded_pair()
