"""`hindi-bn networks` and the diagram that it draws."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

import hindi_bn
from hindi_bn.cli import app
from hindi_bn.figures.networks import network_figure
from hindi_bn.networks import build, layer_table
from hindi_bn.study import network_names


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["networks", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_list_names_every_network_with_its_sizes() -> None:
    shown = run().stdout
    for name in network_names():
        assert name in shown
    for count in ("45,770", "45,866", "61,706", "62,158"):
        assert count in shown


def test_the_list_that_is_stored_is_the_one_that_there_is() -> None:
    """Made again by `make docs`."""
    stored = json.loads(run("--json").stdout)
    assert stored == {"image_size": 32, "networks": hindi_bn.describe_networks()}


def test_the_list_as_json() -> None:
    document = json.loads(run("--json", "--image-size", "28").stdout)
    assert document["image_size"] == 28
    counts = {row["name"]: row["parameters"] for row in document["networks"]}
    assert counts["lenet"] == 44426
    assert [row["parameters_batch"] for row in document["networks"] if row["name"] == "mlp"] == [
        79710
    ]


def test_one_network_layer_by_layer() -> None:
    shown = run("three_convs", "--norm", "batch").stdout
    for text in ("BatchNorm2d 16", "16 x 32 x 32", "40,970", "7 x 7", "all pixels", "45,866"):
        assert text in shown


def test_one_network_as_json_with_its_settings() -> None:
    document = json.loads(
        run(
            "lenet", "--norm", "group", "--json", "--set", "norm.eps=0.5", "--set",
            "options.pooling=max", "--set", "placement=after", "--set", "dropout=0.25",
            "--set", "init.name=normal", "--set", "init.std=0.5",
        ).stdout
    )  # fmt: skip
    assert document["norm"]["name"] == "group"
    assert document["norm"]["eps"] == 0.5
    assert document["options"] == {"activation": "sigmoid", "pooling": "max"}
    assert (document["placement"], document["dropout"]) == ("after", 0.25)
    assert document["init"] == {"name": "normal", "std": 0.5}
    assert document["parameters"] == 62158
    assert [layer["kind"] for layer in document["layers"][:4]] == [
        "input", "convolution", "activation", "normalisation",
    ]  # fmt: skip


def test_the_flag_beats_the_setting_and_a_string_takes_parameters() -> None:
    shown = run("mlp", "--norm", "layer", "--set", "norm=batch").stdout
    assert "LayerNorm 100" in shown
    shown = run("mlp", "--set", "norm=group", "--set", "norm.groups=4", "--json").stdout
    assert json.loads(shown)["layers"][3]["description"] == "GroupNorm 100, 4 groups"


def test_showing_a_network_draws_nothing_from_the_stream() -> None:
    before = torch.get_rng_state()
    run("lenet")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_diagram_is_drawn_in_each_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"net.{suffix}"
    result = run("conv_pair", "--norm", "batch", "--figure", str(file))
    assert file.stat().st_size > 1000
    assert str(file) in result.stderr.replace("\n", "")
    again = tmp_path / f"again.{suffix}"
    result = run("conv_pair", "--norm", "batch", "--figure", str(again), "--quiet")
    assert result.stderr == ""
    assert again.read_bytes() == file.read_bytes()


def test_the_diagram_has_a_box_a_layer_with_its_shape() -> None:
    layers = layer_table(build("lenet", "batch", dropout=0.5))
    axes = network_figure(layers, "title").axes[0]
    texts = [text.get_text() for text in axes.texts]
    for layer in layers:
        assert layer.description in texts
        assert " × ".join(map(str, layer.shape)) in texts
    boxes = [patch for patch in axes.patches if "FancyBbox" in type(patch).__name__]
    assert len(boxes) == len(layers)
    assert axes.get_title(loc="left") == "title"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["mlp", "--figure", "net.jpg"], 1, "png, svg, pdf"),
        (["mlp", "--norm", "instance"], 1, "cannot follow a linear layer"),
        (["lenet", "--image-size", "9"], 1, "at least 16 x 16"),
        (["mlp", "--set", "options.pooling=max"], 1, "no option 'pooling'"),
        (["mlp", "--set", "norm.groups=3"], 1, "Unknown key of 'none'"),
        (["mlp", "--set", "lr=3"], 1, "does not shape a network"),
        (["mlp", "--set", "lr"], 1, "KEY=VALUE"),
        (["lnet"], 2, "lnet"),
        (["--norm", "batch"], 2, "need the NAME"),
        (["--figure", "net.png"], 2, "need the NAME"),
    ],
)
def test_wrong_uses_say_what_is_wrong(
    arguments: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in " ".join(run(*arguments, code=code).output.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_words_are_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    shown = CliRunner().invoke(app, ["claims", "--out", "nowhere"]).stdout
    shown = shown.partition("hindi-bn claims show")[0]
    assert max(map(len, shown.splitlines())) <= 60
    words = set(shown.split())
    titles = " ".join(claim.title for claim, _ in hindi_bn.read_claims(out="nowhere"))
    assert set(titles.split()) <= words
