"""Training against the notebook's own way: torch's loaders, modules and order of calls."""

from __future__ import annotations

import platform
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score
from tiny import tiny_digits, tiny_study
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hindi_bn.errors import DivergedError, StudyError
from hindi_bn.training.device import keep_freed_memory
from hindi_bn.training.gpu.ensemble import Member, train_ensemble
from hindi_bn.training.loop import evaluate, predict
from hindi_bn.training.run import load_network, train_run
from hindi_bn.training.tensors import scale, scaling_constants


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def notebook_model(norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (1, 16, 16):
        layers.append(nn.Conv2d(inputs, 16, 3, padding=1))
        if norm:
            layers.append(nn.BatchNorm2d(16))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 10))


def notebook(epochs: int) -> dict[str, list[dict[str, float]]]:
    """Both models one after the other in one stream, from torch's own loaders."""
    digits = tiny_digits()
    as_float = [
        images[:, None].float() / 255 for images in (digits.train_images, digits.test_images)
    ]
    train = DataLoader(TensorDataset(as_float[0], digits.train_labels), 32, shuffle=True)
    test = DataLoader(TensorDataset(as_float[1], digits.test_labels), 32)
    torch.manual_seed(5842)
    results: dict[str, list[dict[str, float]]] = {}
    for name, norm, layer in (("no-bn", False, 4), ("bn", True, 6)):
        model = notebook_model(norm)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
        results[name] = []
        for _ in range(epochs):
            row: dict[str, float] = {}
            for split, loader in (("train", train), ("test", test)):
                model.train(split == "train")
                losses, predicted, expected = [], [], []
                for images, labels in loader:
                    logits = model(images)
                    loss = nn.CrossEntropyLoss()(logits, labels)
                    if split == "train":
                        optimizer.zero_grad()
                        loss.backward()
                        optimizer.step()
                    losses.append(loss.item())
                    predicted += logits.argmax(1).tolist()
                    expected += labels.tolist()
                row[f"{split}_loss"] = sum(losses) / len(losses)
                row[f"{split}_accuracy"] = accuracy_score(expected, predicted)
                if split == "train":
                    weight = model[layer].weight
                    row["wx"], row["wy"] = weight[3, 4, 1, 0].item(), weight[3, 8, 1, 0].item()
            results[name].append(row)
    return results


def test_both_runs_give_what_the_loaders_of_torch_give(tmp_path: Path) -> None:
    study = tiny_study(epochs=3)
    expected = notebook(epochs=3)
    for name in ("no-bn", "bn"):
        history = train_run(study, name, tiny_digits(), tmp_path).history
        for epoch, row in enumerate(expected[name]):
            ours = history.iloc[epoch]
            for column, value in row.items():
                assert ours[column] == pytest.approx(value, rel=1e-9, abs=1e-12), (name, column)


def test_a_run_alone_starts_where_the_stream_would_be(tmp_path: Path) -> None:
    study, digits = tiny_study(), tiny_digits()
    train_run(study, "no-bn", digits, tmp_path / "both")
    after = train_run(study, "bn", digits, tmp_path / "both").history
    alone = train_run(study, "bn", digits, tmp_path / "alone").history
    pd.testing.assert_frame_equal(after.drop(columns="seconds"), alone.drop(columns="seconds"))


def test_the_published_starting_weights_follow_from_the_seed(tmp_path: Path) -> None:
    """The article's notes give wx and wy before training, for both models."""
    for name, wx, wy in (
        ("no-bn", -0.0389450192, -0.0470203869),
        ("bn", -0.0724027380, 0.0406579599),
    ):
        study = tiny_study(epochs=30, **{f"runs__{name}__epochs": 1, f"runs__{name}__lr": 1e-12})
        last = train_run(study, name, tiny_digits(), tmp_path).history.iloc[-1]
        assert (last["wx"], last["wy"]) == pytest.approx((wx, wy), abs=1e-9)


def test_paired_runs_share_their_first_weights_and_batches(tmp_path: Path) -> None:
    study = tiny_study(
        stream="paired", runs__bn__norm="none", recordings__pair__layer="last-conv", lr=0.01
    )
    first, second = (
        train_run(study, name, tiny_digits(), tmp_path).history[["train_loss", "test_loss"]]
        for name in ("no-bn", "bn")
    )
    pd.testing.assert_frame_equal(first, second)


def test_equal_settings_give_equal_bytes(tmp_path: Path) -> None:
    study = tiny_study()
    folders = [
        train_run(study, "bn", tiny_digits(), tmp_path / out).folder for out in ("one", "two")
    ]
    weights = [(folder / "weights.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1]
    rows = [
        [
            line.split(",")[:1] + line.split(",")[2:]
            for line in (folder / "history.csv").read_text().splitlines()
        ]
        for folder in folders
    ]
    assert rows[0] == rows[1]


def test_training_leaves_the_callers_random_stream_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train_run(tiny_study(epochs=1), "bn", tiny_digits(), tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_the_saved_weights_are_those_that_were_evaluated_last(tmp_path: Path) -> None:
    digits = tiny_digits()
    record = train_run(tiny_study(lr=0.05), "bn", digits, tmp_path)
    network = load_network(record)
    images = digits.test_images[:, None].float() / 255
    accuracy = (network(images).argmax(1) == digits.test_labels).float().mean()
    assert record.history["test_accuracy"].iloc[-1] == pytest.approx(float(accuracy))
    stored = load_file(record.folder / "weights.safetensors")
    assert stored["1.running_mean"].shape == (16,)
    probabilities = predict(network, images, batch_size=7)
    assert probabilities.shape == (40, 10)
    torch.testing.assert_close(probabilities, network(images).softmax(1))


def test_a_smaller_last_batch_weighs_as_much_as_the_others() -> None:
    """By hand: logits 0 and x, so the loss of class 0 is log(1 + exp(x)); batches of 2 and 1."""
    network = nn.Sequential(nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[0.0], [1.0]]))
    images, labels = torch.tensor([[0.0], [0.0], [3.0]]), torch.tensor([0, 0, 0])
    loss, accuracy = evaluate(network, images, labels, batch_size=2)
    assert loss == pytest.approx((0.6931472 + 3.0485873) / 2, abs=1e-6)
    assert accuracy == pytest.approx(2 / 3)


def test_input_scaling_is_what_it_says() -> None:
    images = torch.tensor([[[0, 255], [0, 51]]], dtype=torch.uint8)  # (1, 2, 2)
    assert scale(images, scaling_constants(images, "unit")).flatten().tolist() == [
        0.0, 1.0, 0.0, pytest.approx(0.2),
    ]  # fmt: skip
    assert scale(images, scaling_constants(images, "half")).flatten().tolist() == pytest.approx(
        [-1.0, 1.0, -1.0, -0.6]
    )
    standard = scale(images, scaling_constants(images, "standard"))
    assert standard.shape == (1, 1, 2, 2)
    assert float(standard.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(standard.std(correction=0)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("scaling", ["half", "standard"])
def test_other_scalings_and_optimisers_train(tmp_path: Path, scaling: str) -> None:
    study = tiny_study(scaling=scaling, optimizer="adam", epochs=6)
    history = train_run(study, "bn", tiny_digits(), tmp_path).history
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]


def test_a_diverging_run_stops_and_keeps_its_history(tmp_path: Path) -> None:
    study = tiny_study(lr=1e20, epochs=5)
    with pytest.raises(DivergedError, match="no longer finite") as caught:
        train_run(study, "no-bn", tiny_digits(), tmp_path)
    assert (caught.value.epoch, caught.value.step) == (0, 1)
    lines = (tmp_path / "article" / "no-bn" / "history.csv").read_text().splitlines()
    assert len(lines) == 1
    assert not (tmp_path / "article" / "no-bn" / "weights.safetensors").exists()


def test_a_test_loss_that_is_not_finite_is_a_divergence_too(tmp_path: Path) -> None:
    """The only step of the epoch sees the initial weights: its loss is finite, what follows not."""
    study = tiny_study(lr=1e38, batch_size=70)
    with pytest.raises(DivergedError, match="no longer finite") as caught:
        train_run(study, "no-bn", tiny_digits(), tmp_path)
    assert (caught.value.epoch, caught.value.step) == (0, 0)
    (member,) = train_ensemble([Member(study, "no-bn")], tiny_digits())
    assert member.diverged is not None
    assert (member.diverged.epoch, member.diverged.step) == (0, 0)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("layer", "40", "no such layer"),
        ("layer", "5", "no such layer"),
        ("wx", [16, 0, 0, 0], r"shape \[16, 16, 3, 3\]"),
        ("wy", [1, 2], "set recordings.pair.wy to 4 indices"),
    ],
)
def test_weights_that_do_not_exist_are_refused_before_anything_is_written(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    study = tiny_study(**{f"recordings__pair__{key}": value})
    with pytest.raises(StudyError, match=said):
        train_run(study, "no-bn", tiny_digits(), tmp_path)
    assert not (tmp_path / "article" / "no-bn").exists()


def test_the_last_convolution_is_found_by_itself(tmp_path: Path) -> None:
    digits = tiny_digits()
    named = train_run(tiny_study(epochs=1), "bn", digits, tmp_path / "a").history
    found = train_run(
        tiny_study(epochs=1, recordings__pair__layer="last-conv"), "bn", digits, tmp_path / "b"
    ).history
    assert named["wx"].tolist() == found["wx"].tolist()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="'cuda' cannot be used"):
        train_run(tiny_study(device="cuda"), "bn", tiny_digits(), tmp_path)


def test_freed_memory_is_kept_where_the_c_library_can() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
