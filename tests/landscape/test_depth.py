"""Signals and gradients by depth: torch's hooks, scipy, and closed forms of wide layers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from scipy import stats
from tiny import tiny_digits
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner, Result

import hindi_bn
import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.errors import StudyError
from hindi_bn.figures.depth import growth_by_depth, tails
from hindi_bn.landscape.depth import by_depth, growth, over_seeds, read, run_of_depth
from hindi_bn.landscape.subset import Subset, subset
from hindi_bn.networks import build


@pytest.fixture(autouse=True)
def _tiny_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())


def batch(images: int = 10) -> Subset:
    return subset(tiny_digits(), run_of_depth(3, "bn", "default"), images)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    torch.set_num_threads(1)
    return by_depth(batch(), (3, 4), 2)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_values_are_those_of_torch_s_hooks(norm: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = build("three_convs", norm, options={"convolutions": 4}).train()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        state, images = torch.get_rng_state(), batch()
        found = list(read(network, images))
        assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[k], value) for k, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    seen: list[np.ndarray] = []
    layers = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    for layer in layers:
        layer.register_forward_hook(lambda _, __, out: seen.append(out.detach().double().numpy()))
    functional.cross_entropy(network(images.images), images.labels).backward()
    assert len(found) == len(layers) == 4
    for (values, entries), layer, maps in zip(found, layers, seen, strict=True):
        assert layer.weight.grad is not None
        gradient = layer.weight.grad.double().flatten().numpy()
        channels = maps.transpose(1, 0, 2, 3).reshape(16, -1)
        assert values == pytest.approx({
            "mean": np.abs(channels.mean(1)).mean(), "variance": channels.var(1).mean(),
            "gradient": math.sqrt((gradient**2).sum()),
            "kurtosis": ((gradient - gradient.mean()) ** 4).mean() / gradient.var() ** 2,
        }, rel=1e-4)  # fmt: skip
        np.testing.assert_allclose(entries, gradient, rtol=1e-4, atol=1e-9)


def wide(norm: bool, depth: int = 9, width: int = 300) -> float:
    """Growth of the gradient a layer in wide fully connected layers from Kaiming's weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for _ in range(depth):
            convolution = nn.Conv2d(width, width, 1)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU()]
        network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width, 10))
        count = 300 if norm else 1  # without BN images grow alike, and their gradients add up
        images = Subset(torch.randn(count, width, 1, 1), torch.arange(count) % 10, 0)
    norms = [values["gradient"] for values, _ in read(network, images)]
    return float((norms[1] / norms[-1]) ** (1 / (depth - 2)))


def test_wide_layers_with_bn_explode_at_the_known_rate_and_kaiming_s_alone_do_not() -> None:
    assert wide(norm=True) == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=0.05)
    assert wide(norm=False) == pytest.approx(1, rel=0.05)


def test_both_arms_start_from_the_same_weights_and_seeds_differ(
    tables: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    rows, _ = tables
    assert len(rows) == 2 * 2 * 2 * (3 + 4)
    first = rows[rows["layer"] == 1].pivot(  # noqa: PD010
        index=["init", "depth", "seed"], columns="arm", values=["mean", "variance"]
    )
    for quantity in ("mean", "variance"):  # BN stands behind the first convolution
        assert (first[quantity, "bn"] == first[quantity, "no-bn"]).all()
    seeds = first["mean", "bn"].groupby("seed").agg(set)
    assert not seeds[0] & seeds[1]


def made_rows() -> pd.DataFrame:
    gradients = {(3, 0): (9, 2, 1), (3, 1): (9, 8, 1), (4, 0): (9, 27, 1, 3), (4, 1): (9, 9, 1, 1)}
    return pd.DataFrame([
        {"init": "default", "arm": "bn", "depth": depth, "seed": seed, "layer": layer,
         "gradient": float(value), "kurtosis": 3.0 + layer + seed}
        for (depth, seed), values in gradients.items()
        for layer, value in enumerate(values, start=1)
    ])  # fmt: skip


def test_growth_by_hand() -> None:
    three, four = growth(made_rows()).to_dict("records")
    assert three == {
        "init": "default", "arm": "bn", "depth": 3, "ratio": 5, "low": 2, "high": 8,
        "per_layer": 5, "mean_field": pytest.approx(1.2111, abs=1e-4), "kurtosis": 5.5, "n": 2,
    }  # fmt: skip
    assert (four["ratio"], four["per_layer"], four["kurtosis"]) == (9, 3, 5.5)
    assert four["mean_field"] == pytest.approx(math.pi / (math.pi - 1))
    second = over_seeds(made_rows(), "gradient").query("depth == 4 and layer == 2")
    assert second[["median", "low", "high"]].to_numpy().tolist() == [[18, 9, 27]]


def test_entries_are_binned_in_their_standard_deviations(
    tables: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    _, entries = tables
    with torch.random.fork_rng(devices=[]):
        values = []
        for seed in range(2):
            torch.manual_seed(seed)
            network = build("three_convs", "batch", init="kaiming", options={"convolutions": 4})
            gradient = list(read(network, batch()))[1][1]  # the second of four is the middle one
            values.append(gradient / np.std(gradient))
    part = entries.query("init == 'kaiming' and arm == 'bn'")
    low, high = part["low"].to_numpy(), part["high"].to_numpy()
    joined = np.concatenate(values)
    expected = [
        ((joined >= a) & (joined < b)).mean() / (b - a) for a, b in zip(low, high, strict=True)
    ]
    np.testing.assert_allclose(part["density"], expected, atol=1e-9)
    assert (part["entries"] == 2 * 16 * 16 * 9).all()
    np.testing.assert_allclose(part["normal"], stats.norm.pdf((low + high) / 2), atol=0.003)
    assert (part["normal"] * (high - low)).sum() == pytest.approx(1)


def test_figures_show_the_tables() -> None:
    table = growth(made_rows())
    found = {line.get_label(): line for line in growth_by_depth(table, Figure().subplots()).lines}
    assert list(found["with BN"].get_ydata()) == [5, 9]  # type: ignore[arg-type]
    entries = pd.DataFrame({
        "arm": "bn", "low": [-1.0, 0.0], "high": [0.0, 1.0], "density": [0.25, 0.75],
        "normal": [0.34, 0.34],
    })  # fmt: skip
    ax = tails(entries, {"bn": 4.25}, Figure().subplots())
    assert list(ax.patches[0].get_data().values) == [0.25, 0.75]  # type: ignore[attr-defined]
    assert ax.get_legend_handles_labels()[1] == ["with BN: kurtosis 4.2", "normal: kurtosis 3"]


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["landscape", "depth", *arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.usefixtures("unrendered")
def test_the_command_writes_tables_figures_and_a_document() -> None:
    common = ("--depth", "3", "--seeds", "1", "--images", "10", "--dpi", "40")
    document = json.loads(run(*common, "--to", "a", "--json").stdout)
    files = ["depth.csv", "depth.json", "depth.png", "depth-tails.png", "depth-entries.csv"]
    assert document["files"] == [f"a/{name}" for name in files]
    assert [row["depth"] for row in document["growth"]] == [3] * 4
    assert document["images"] == "10 training images, as many of each class, draw 0"
    text = run(*common, "--to", "b", "--quiet").stdout
    assert "without BN" in text
    for name in files:
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
    table = pd.read_csv("a/depth.csv")
    assert len(table) == 2 * 2 * 3


def test_what_cannot_be_compared_is_refused() -> None:
    assert "Usage: " in run("--depth", "2", code=2).stderr
    assert "multiple of 10 up to 70" in run("--images", "15", code=1).stderr
    with pytest.raises(StudyError, match="Depths cannot be compared"):
        hindi_bn.landscape_depth((2, 3))
    with pytest.raises(StudyError, match="Depths cannot"):
        hindi_bn.landscape_depth((3,), seeds=0)
