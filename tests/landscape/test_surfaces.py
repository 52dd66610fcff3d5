"""Lines and planes through networks: filter normalisation, twins, paths, and what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner

import hindi_bn
from hindi_bn.cli import app
from hindi_bn.errors import HindiBnError
from hindi_bn.figures.landscape import surfaces_figure
from hindi_bn.figures.style import Caption, save
from hindi_bn.landscape.losses import loss_at
from hindi_bn.landscape.planes import path_plane, random_plane, twin_of
from hindi_bn.landscape.subset import subset_of
from hindi_bn.landscape.surfaces import Settings, bands, summary
from hindi_bn.landscape.weights import parts_of, state_of
from hindi_bn.networks import build
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.path import RunPath, read_path
from hindi_bn.training.run import initial_network, load_network, train_run

PATH = [{"kind": "path", "every": 1}]
SMALL: Any = {"images": 20}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Both arms of the tiny study, with their paths, and the arm with BN of another seed."""
    out, digits = tmp_path_factory.mktemp("out"), tiny_digits()
    study = tiny_study(epochs=1, stream="paired", lr=0.05, recordings=PATH)
    other = tiny_study(epochs=1, stream="paired", lr=0.05, seed=1, name="other", recordings=[])
    found = {name: train_run(study, name, digits, out) for name in ("no-bn", "bn")}
    return found | {"other": train_run(other, "bn", digits, out)}


def test_directions_have_the_filters_lengths_and_leave_biases_and_norms() -> None:
    network = build("three_convs", "batch")
    plane = random_plane(network, 2, seed=3, like=None)
    assert torch.equal(plane.origin, state_of(network))
    for direction in plane.directions:
        for part in parts_of(network):
            drawn = direction[part.start : part.stop].view(part.shape)
            if part.kind == "weights":
                own = dict(network.named_parameters())[part.name]
                lengths = [each.detach().flatten(1).norm(dim=1) for each in (drawn, own)]
                torch.testing.assert_close(*lengths)
            else:
                assert not drawn.any()
    again, other = (random_plane(network, 2, seed, like=None).directions for seed in (3, 4))
    assert torch.equal(again, plane.directions)
    assert not torch.equal(other, plane.directions)


def test_plain_directions_are_as_long_as_the_weights_together() -> None:
    network = build("one_conv", "batch")
    (direction,) = random_plane(network, 1, 0, like=None, filters=False).directions
    weights = torch.cat([each.flatten() for each in network.parameters() if each.ndim > 1])
    torch.testing.assert_close(direction.norm(), weights.norm())


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("mode", [True, False])
def test_a_twin_is_the_same_function(placement: str, mode: bool) -> None:
    # eps far below the variance of channels that hardly vary behind a ReLU
    network = build("three_convs", {"name": "batch", "eps": 1e-30}, placement=placement)
    images = torch.rand(40, 1, 32, 32, dtype=torch.float64)
    network.double().train()(images)  # gives it running averages
    twin = twin_of(network, 8.0)
    assert torch.equal(twin[0].weight, 8 * network[0].weight)  # type: ignore[operator]
    first, second = (each.train(mode)(images) for each in (network, twin))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("norm", "more", "said"),
    [
        ("none", {}, "no layer that normalises"),
        ("batch", {"placement": "after", "options": {"activation": "tanh"}}, "Tanh"),
    ],
)
def test_what_has_no_twin_is_refused(norm: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(HindiBnError, match=said):
        twin_of(build("three_convs", norm, **more), 2.0)
    with pytest.raises(HindiBnError, match="factor"):
        twin_of(build("three_convs", "batch"), 0.0)


def test_the_twins_picture_is_the_same_by_filters_alone(
    records: dict[str, Record], tmp_path: Path, unrendered: None
) -> None:
    settings = Settings(dimensions=1, points=7)
    found = hindi_bn.landscape_twin(
        records["bn"], tiny_digits(), settings, factor=10.0, to=tmp_path, **SMALL
    )
    assert len(found.table) == 3 * 2 * 2 * 7
    for row in found.document["differences"]:
        if row["directions"] == "filters":
            assert row["difference"] < 2e-3
        else:
            assert row["difference"] > 0.01
    middle = found.table[found.table["x"] == 0].groupby("statistics")["loss"]
    assert (middle.max() - middle.min()).max() < 2e-3  # one function


# ---- the plane of a path -----------------------------------------------------------------------


def test_components_are_those_of_numpys_singular_values() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(9, 30, generator=generator)
    empty, numbers = torch.zeros(9, 0), torch.arange(9)
    found = path_plane(RunPath(weights, empty, numbers, numbers))
    centred = weights.double().numpy() - weights.double().numpy().mean(axis=0)
    _, values, components = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(found.explained, (values**2 / (values**2).sum())[:2], rtol=1e-9)
    for ours, theirs in zip(found.plane.directions.double().numpy(), components[:2], strict=True):
        assert abs(ours @ theirs) == pytest.approx(1, abs=1e-6)
    rest = (weights - weights[-1]).double().numpy()
    away = rest - (rest @ components[:2].T) @ components[:2]
    np.testing.assert_allclose(found.away, np.linalg.norm(away, axis=1), rtol=1e-5, atol=1e-6)
    assert np.abs(found.places[-1]).max() < 1e-6


def test_a_path_that_is_flat_lies_in_its_plane() -> None:
    turn = torch.linspace(0, 5, 12)
    weights = torch.zeros(12, 6)
    weights[:, 1], weights[:, 4] = turn.cos(), turn.sin()
    numbers = torch.arange(12)
    found = path_plane(RunPath(weights, torch.zeros(12, 0), numbers, numbers))
    assert found.explained.sum() == pytest.approx(1)
    assert found.away.max() < 1e-6
    with pytest.raises(HindiBnError, match="2 points has no plane"):
        path_plane(RunPath(weights[:2], torch.zeros(2, 0), numbers[:2], numbers[:2]))


def test_losses_on_the_path_are_those_of_its_own_points(
    records: dict[str, Record], tmp_path: Path, unrendered: None
) -> None:
    settings = Settings("path", points=3, statistics=("running", "batch"))
    found = hindi_bn.landscape_surface(
        [records["bn"]], tiny_digits(), settings, to=tmp_path, **SMALL
    )
    assert found.path is not None
    assert found.path.groupby("statistics")["step"].apply(list)["batch"] == [0, 1, 2, 3]
    subset = subset_of(records["bn"], tiny_digits(), 20)
    path = read_path(RunFolder(records["bn"].folder))
    for statistics, rows in found.path.groupby("statistics"):
        at = loss_at(records["bn"], subset, str(statistics), torch.device("cpu"))
        for place, (_, row) in enumerate(rows.iterrows()):
            state = torch.cat([path.weights[place], path.buffers[place]])
            assert (row["loss"], row["accuracy"]) == at(state)
        last = rows.iloc[-1]  # the network itself is in the plane
        assert last["loss_in_plane"] == pytest.approx(last["loss"], rel=1e-5)
    first = state_of(initial_network(records["bn"]))
    assert torch.equal(torch.cat([path.weights[0], path.buffers[0]]), first)
    ends = {row["statistics"]: row["middle"] for row in found.document["summary"]}
    assert ends == found.path.groupby("statistics")["loss"].last().to_dict()
    (shares,) = found.document["explained"].values()
    assert 0.5 < sum(shares) <= 1


# ---- what is written ---------------------------------------------------------------------------


def test_two_calls_write_equal_bytes(
    records: dict[str, Record], tmp_path: Path, unrendered: None
) -> None:
    settings = Settings(points=3, statistics=("running",))
    runs = [records["no-bn"], records["bn"]]
    written = [
        hindi_bn.landscape_surface(runs, tiny_digits(), settings, to=tmp_path / to, **SMALL)
        for to in ("first", "second")
    ]
    names = [[file.name for file in each.files] for each in written]
    assert names[0] == ["surface.csv", "surface.json", "surface.png", "surface-accuracy.png"]
    for first, second in zip(written[0].files, written[1].files, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert {file.name for file in (tmp_path / "first").iterdir()} == set(names[0])
    table = pd.read_csv(tmp_path / "first" / "surface.csv", keep_default_na=False)
    assert table.groupby(["run", "statistics"]).size().to_dict() == {
        ("bn", "running"): 9, ("no-bn", "none"): 9,
    }  # fmt: skip


def test_what_is_not_finite_is_hatched_and_said(tmp_path: Path) -> None:
    x, y = (each.ravel() for each in np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]))
    loss = np.where(x > 0, np.nan, 1 + x**2 + y**2)
    about = {"run": "bn", "arm": "bn", "seed": "1", "network": "trained", "statistics": "batch"}
    grid = pd.DataFrame(about | {"x": x, "y": y, "loss": loss, "accuracy": 0.5})
    figure = surfaces_figure(grid, Caption("Tests"))
    ax, bar = figure.axes
    assert ax.patch.get_hatch()
    assert "hatched: not finite" in figure.texts[-1].get_text()
    assert bar.get_ylim() == (1.0, 3.0)  # of the finite losses
    (row,) = summary(grid)
    assert (row["middle"], row["least"], row["most"], row["not_finite"]) == (1, 1, 3, 3)
    assert save(figure, tmp_path / "figure", dpi=40)[0].stat().st_size > 1000


def test_lines_have_bands_over_seeds_and_the_unload_network(
    records: dict[str, Record], tmp_path: Path, unrendered: None
) -> None:
    settings = Settings(dimensions=1, points=3, statistics=("batch",))
    found = hindi_bn.landscape_surface(
        [records["bn"], records["other"]], tiny_digits(), settings, untrained=True, to=tmp_path,
        **SMALL,
    )  # fmt: skip
    assert len(found.table) == 2 * 2 * 3
    summed = bands(found.table).set_index(["network", "x"])
    losses = found.table[(found.table["network"] == "untrained") & (found.table["x"] == 1)]["loss"]
    row = summed.loc[("untrained", 1.0)]
    assert row["n"] == 2
    assert (row["loss_low"], row["loss_high"]) == (losses.min(), losses.max())
    assert row["loss"] == pytest.approx(losses.mean())


def test_a_line_begins_and_ends_at_the_networks(
    records: dict[str, Record], tmp_path: Path, unrendered: None
) -> None:
    settings = Settings(dimensions=1, reach=0.5, points=5)
    pair = [records["bn"], records["other"]]
    table = hindi_bn.landscape_line(pair, tiny_digits(), settings, to=tmp_path, **SMALL).table
    subset = subset_of(pair[0], tiny_digits(), 20)
    for statistics in ("batch", "running", "reestimated"):
        rows = table[table["statistics"] == statistics].set_index("x")["loss"]
        assert rows.index.tolist() == [-0.5, 0, 0.5, 1, 1.5]
        at = loss_at(pair[0], subset, statistics, torch.device("cpu"))
        for x, record in zip((0.0, 1.0), pair, strict=True):
            loss, _ = at(state_of(load_network(record)))
            assert rows[x] == pytest.approx(loss, rel=1e-5)


def asked(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["landscape", *arguments])
    return done.exit_code, done.output


def test_the_command_says_what_cannot_be_looked_at(
    records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hindi_bn, "load_digits", lambda *_: tiny_digits(), raising=False)
    bn, plain, other = (str(records[name].folder) for name in ("bn", "no-bn", "other"))
    small = ("--images", "20", "--points", "3", "--to", str(tmp_path))
    wrong = {
        ("surface", other, "--directions", "path"): "kind: path, every: 50",
        ("surface", bn, "--images", "2000"): "multiple of 10 up to 70",
        ("surface", bn, "--statistics", "median"): "choose from batch, running, reestimated",
        ("surface", bn, "--directions", "path", "--untrained"): "begins at the untrained",
        ("surface", bn, "--name", "a/b"): "cannot be called",
        ("line", bn, plain): "cannot stand in one plane",
        ("line", bn): "from one run to another",
        ("twin", plain): "no functional twin",
        ("surface", str(tmp_path / "none")): "not a run's folder",
    }
    for arguments, said in wrong.items():
        code, output = asked(*arguments[:1], *small, *arguments[1:])
        assert code == 1, output
        assert said in " ".join(output.split())
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_what_it_wrote(
    records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unrendered: None
) -> None:
    monkeypatch.setattr(hindi_bn, "load_digits", lambda *_: tiny_digits(), raising=False)
    how = ("--images", "20", "--to", str(tmp_path), "--points", "3", "--threads", "1")
    code, output = asked("surface", str(records["bn"].folder), "--directions", "path", *how)
    assert code == 0
    assert "axes explain" in output
    code, output = asked("twin", str(records["bn"].folder), *how, "--json", "--quiet")
    assert code == 0
    document = json.loads(output)
    assert document["factor"] == 5
    assert [Path(file).name for file in document["files"]] == ["twin.csv", "twin.json", "twin.png"]
