"""What is recorded, value by value against an independent training by torch's own loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tiny import tiny_digits, tiny_study
from tiny_recordings import EVERYTHING, captured, trained
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from hindi_bn.networks import build
from hindi_bn.records.recordings import COLUMNS
from hindi_bn.training.recordings.gradients import Gradients
from hindi_bn.training.tensors import to_tensors


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


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


def test_values_that_are_not_finite_are_kept(tmp_path: Path) -> None:
    network = build("mlp")
    data = to_tensors(tiny_digits(), "unit", torch.device("cpu"))
    reader = Gradients(every=1).reader(network, data, tiny_study().run("bn"))
    reader.begin()
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, torch.inf)
    reader.after_step(0, 1, last=False)
    assert [row[-1] for row in reader.rows()] == [torch.inf] * 4
    assert list(reader.rows()) == []
