"""What is recorded beside wx and wy: values against an independent training, and no trace left."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from hindi_bn.errors import RunError, StudyError
from hindi_bn.networks import build
from hindi_bn.networks.preserved import preserved
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import COLUMNS, read_recordings
from hindi_bn.study.files import load_study
from hindi_bn.training.loop import EpochRow, evaluate
from hindi_bn.training.recorder import Recorder
from hindi_bn.training.recordings.activations import Activations
from hindi_bn.training.recordings.gradients import Gradients
from hindi_bn.training.run import Reporter, RunInterrupted, train_run
from hindi_bn.training.tensors import to_tensors

EVERYTHING: list[Any] = [
    {"kind": "gradients", "every": 1},
    {"kind": "statistics", "every": 2},
    {"kind": "activations", "per_class": 2},
    {"kind": "activations", "per_class": 3, "mode": "train", "name": "in-train", "every": 2},
    {"kind": "weight", "name": "a", "layer": "last-conv", "index": [3, 4, 1, 0], "every": 1},
    {"kind": "weight", "name": "b", "layer": "0", "index": [2, 0, 0, 2]},
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trained(out: Path, name: str = "bn", recordings: Any = EVERYTHING, **changes: Any) -> Record:
    resume = changes.pop("resume", False)
    changes = {"stream": "paired"} | changes
    study = tiny_study(recordings=recordings, **changes)
    return train_run(study, name, tiny_digits(), out, resume=resume)


def captured(record: Record) -> pd.DataFrame:
    return read_recordings(RunFolder(record.folder))


def one(frame: pd.DataFrame, **where: Any) -> float:
    """The single value where the columns are so."""
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1, (where, len(frame))
    return float(frame["value"].iloc[0])


def outputs(model: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each layer gives, by forward hooks."""
    found: dict[str, torch.Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, out, name=name: found.update({name: out}))
        for name, layer in model.named_children()
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return found


def chosen_images(per_class: int) -> torch.Tensor:
    """The tiny digits' test labels count 0 to 9 again and again."""
    places = [digit + 10 * turn for digit in range(10) for turn in range(per_class)]
    return tiny_digits().test_images[places][:, None].float() / 255


class Notebook:
    """The article's model with batch norm, trained by torch's loader and read at every step."""

    def __init__(self) -> None:
        torch.manual_seed(5842)
        block = lambda i: [nn.Conv2d(i, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()]  # noqa: E731
        self.model = nn.Sequential(
            *block(1), *block(16), *block(16), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 10)
        )
        self.step = 0
        self.gradients: dict[tuple[int, str], float] = {}
        self.weights: dict[int, float] = {0: self.model[6].weight[3, 4, 1, 0].item()}
        self.statistics: dict[tuple[int, str], torch.Tensor] = {}
        self.activations: dict[tuple[int, str], tuple[float, float]] = {}
        self.read()

    def read(self) -> None:
        kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.statistics |= {(self.step, name): value for name, value in kept.items()}
        for mode, per_class in (("eval", 2), ("train", 3)):
            self.model.train(mode == "train")
            for name, output in outputs(self.model, chosen_images(per_class)).items():
                values = output.double()
                self.activations[self.step, f"{mode} {name}"] = (
                    values.mean().item(),
                    values.var(correction=0).sqrt().item(),
                )
        self.model.load_state_dict(kept)

    def train(self, epochs: int) -> None:
        digits = tiny_digits()
        data = TensorDataset(digits.train_images[:, None].float() / 255, digits.train_labels)
        loader = DataLoader(data, 32, shuffle=True)
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05)
        for _ in range(epochs):
            for images, labels in loader:
                self.model.train()
                loss = functional.cross_entropy(self.model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                self.step += 1
                for name, parameter in self.model.named_parameters():
                    assert parameter.grad is not None
                    norm = float(parameter.grad.double().square().sum().sqrt())
                    self.gradients[self.step, name] = norm
                self.weights[self.step] = self.model[6].weight[3, 4, 1, 0].item()
                self.read()
            torch.empty((), dtype=torch.int64).random_()  # the test loader's draw


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Notebook]:
    torch.set_num_threads(1)
    frame = captured(trained(tmp_path_factory.mktemp("recorded"), lr=0.05))
    with torch.random.fork_rng():
        notebook = Notebook()
        notebook.train(epochs=2)
    return frame, notebook


def test_the_columns_are_tidy_and_steps_count_over_epochs(
    recorded: tuple[pd.DataFrame, Notebook],
) -> None:
    """70 images in batches of 32 are 3 steps an epoch."""
    frame, _ = recorded
    assert tuple(frame.columns) == COLUMNS
    steps = frame.groupby("name")["step"].unique().map(sorted).to_dict()
    assert steps == {
        "gradients": [1, 2, 3, 4, 5, 6],
        "statistics": [0, 2, 4, 6],
        "activations": [0, 3, 6],
        "in-train": [0, 2, 4, 6],
        "a": [0, 1, 2, 3, 4, 5, 6],
        "b": [0, 3, 6],
    }
    epochs = frame.groupby("step")["epoch"].unique().map(list).to_dict()
    assert epochs == {0: [-1], 1: [0], 2: [0], 3: [0], 4: [1], 5: [1], 6: [1]}
    assert not frame.duplicated(list(COLUMNS[:-1])).any()


def test_gradient_norms_are_those_of_the_step(recorded: tuple[pd.DataFrame, Notebook]) -> None:
    frame, notebook = recorded
    rows = frame[frame["name"] == "gradients"]
    assert len(rows) == len(notebook.gradients) == 6 * 14
    for (step, name), expected in notebook.gradients.items():
        layer, quantity = name.split(".")
        value = one(rows, step=step, layer=layer, quantity=quantity, index="")
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-6), (step, name)


def test_statistics_are_the_layers_own(recorded: tuple[pd.DataFrame, Notebook]) -> None:
    frame, notebook = recorded
    rows = frame[frame["name"] == "statistics"]
    names = {
        "gamma": "weight", "beta": "bias", "running_mean": "running_mean",
        "running_var": "running_var",
    }  # fmt: skip
    assert set(rows["quantity"]) == set(names)
    assert len(rows) == 4 * 4 * 3 * 16  # steps, quantities, layers, channels
    for row in rows.itertuples():
        key = (row.step, f"{row.layer}.{names[row.quantity]}")
        expected = float(notebook.statistics[key][int(row.index)])  # type: ignore[arg-type]
        assert row.value == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("name", "mode"), [("activations", "eval"), ("in-train", "train")])
def test_activations_are_what_forward_hooks_see(
    recorded: tuple[pd.DataFrame, Notebook], name: str, mode: str
) -> None:
    frame, notebook = recorded
    rows = frame[frame["name"] == name]
    layers = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "11"]  # 10 flattens
    assert sorted(set(rows["layer"])) == sorted(layers)
    for step in rows["step"].unique():
        for layer in layers:
            mean, std = notebook.activations[step, f"{mode} {layer}"]
            at = {"step": step, "layer": layer, "index": ""}
            assert one(rows, **at, quantity="mean") == pytest.approx(mean, rel=1e-4, abs=1e-6)
            assert one(rows, **at, quantity="std") == pytest.approx(std, rel=1e-4, abs=1e-6)
            if mode == "train" and layer in {"1", "4", "7"} and step == 0:
                assert std == pytest.approx(1, abs=0.01)


def test_weights_are_named_and_say_where_they_are(
    recorded: tuple[pd.DataFrame, Notebook],
) -> None:
    frame, notebook = recorded
    rows = frame[frame["name"] == "a"].set_index("step")
    assert set(rows["layer"]) == {"6"}
    assert set(rows["index"]) == {"3 4 1 0"}
    assert rows["value"].to_dict() == pytest.approx(notebook.weights, abs=1e-6)
    assert set(frame[frame["name"] == "b"]["index"]) == {"2 0 0 2"}


def test_a_recorded_weight_is_the_recorded_wx_to_the_last_bit(tmp_path: Path) -> None:
    record = trained(tmp_path, recordings=["pair", EVERYTHING[4] | {"every": "epoch"}])
    assert captured(record)["value"].tolist()[1:] == record.history["wx"].tolist()


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


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("none", set()),
        ("weight", set()),
        ({"name": "batch", "affine": False}, {"running_mean", "running_var"}),
        ("batch-by-hand", {"gamma", "beta", "running_mean", "running_var"}),
        ("batch-renorm", {"gamma", "beta", "running_mean", "running_std"}),
        ("batch-l1", {"gamma", "beta", "running_mean", "running_scale"}),
        ("group", {"gamma", "beta"}),
        ("instance", {"gamma", "beta"}),
    ],
)
def test_every_norm_gives_the_statistics_that_it_has(
    tmp_path: Path, norm: Any, expected: set[str]
) -> None:
    frame = captured(trained(tmp_path, recordings=["statistics"], norm=norm, epochs=1))
    assert set(frame["quantity"]) == expected
    counts = frame.groupby(["quantity", "step"])["value"].count()
    assert set(counts) <= {3 * 16}


def test_gradients_of_weight_normalised_layers_are_those_of_what_is_learned(tmp_path: Path) -> None:
    frame = captured(trained(tmp_path, recordings=["gradients"], norm="weight", epochs=1))
    assert set(frame[frame["layer"] == "0"]["quantity"]) == {
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    }  # fmt: skip


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
    part = folder / "checkpoint" / "captures-0.csv"
    text = part.read_text()
    part.write_text("nonsense\n")
    with pytest.raises(RunError, match=r"captures-0\.csv cannot be read(.|\n)*first line"):
        trained(tmp_path, epochs=4, resume=True)
    with pytest.raises(RunError, match=r"captures-0\.csv cannot be read(.|\n)*columns"):
        read_recordings(RunFolder(folder))
    part.unlink()
    with pytest.raises(RunError, match=r"captures-0\.csv cannot be read(.|\n)*No such file"):
        trained(tmp_path, epochs=4, resume=True)
    part.write_text(text)
    trained(tmp_path, epochs=4, resume=True)
    joined = folder / "captures.csv"
    joined.write_text(
        joined.read_text().replace("gradients,weight,0,,0,1,", "gradients,weight,0,,x,1,")
    )
    with pytest.raises(RunError, match=r"captures\.csv cannot be read"):
        read_recordings(RunFolder(folder))


def test_resuming_with_other_recordings_is_refused(tmp_path: Path) -> None:
    stopped(tmp_path, after=1)
    with pytest.raises(RunError, match=r"run\.recordings was"):
        trained(tmp_path, epochs=4, resume=True, recordings=["gradients"])


def test_values_that_are_not_finite_are_kept(tmp_path: Path) -> None:
    network = build("mlp")
    data = to_tensors(tiny_digits(), "unit", torch.device("cpu"))
    reader = Gradients(every=1).reader(network, data)
    reader.begin()
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, torch.inf)
    reader.after_step(0, 1, last=False)
    assert [row[-1] for row in reader.rows()] == [torch.inf] * 4
    assert list(reader.rows()) == []


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
    Activations(per_class=1, mode="train", every=1).reader(network, data).begin()
    assert evaluate(network, data.test_images, data.test_labels, 32) == before


def test_a_run_of_the_version_before_goes_on_with_its_pair(tmp_path: Path) -> None:
    """It calls its numerics arithmetic, and the pair that no study asked for capture."""
    asked = tiny_study(stream="paired", recordings=["pair"])
    whole = train_run(asked, "bn", tiny_digits(), tmp_path / "whole")

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(RunInterrupted):
        train_run(asked, "bn", tiny_digits(), tmp_path, reporter=Reporter(epoch=stop))
    file = tmp_path / "article" / "bn" / "checkpoint" / "state.json"
    state = json.loads(file.read_text())
    settings = state["settings"]
    (pair,) = settings["run"].pop("recordings")
    settings["run"] |= {"capture": {k: pair[k] for k in ("layer", "wx", "wy")}, "captures": []}
    settings["arithmetic"] = settings.pop("numerics")
    file.write_text(json.dumps(state))
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
