"""Exported networks, read by onnxruntime, by the lines of the model card, by the Hub's reader."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner

import hindi_bn
import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.errors import HindiBnError
from hindi_bn.networks import build
from hindi_bn.records import Record, RunFolder

DIGITS = tiny_digits()
IMAGES = torch.rand(7, 1, 32, 32, generator=torch.Generator().manual_seed(1))
ONNX = ("onnx", "onnxruntime", "onnxscript")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Both runs of the article, so short that nothing but the running averages has moved far."""
    out = tmp_path_factory.mktemp("results")
    study = tiny_study(name="tiny", epochs=1, lr=0.05)
    return {record.run.name: record for record in hindi_bn.train(study, digits=DIGITS, out=out)}


def torch_logits(record: Record) -> Any:
    """By a network built here, without the code that exports."""
    network = build(record.run.network, record.run.norm)
    network.load_state_dict(RunFolder(record.folder).read_weights())
    with torch.no_grad():
        return network.eval()(IMAGES).numpy()


@pytest.mark.slow  # torch's exporter takes seconds
def test_onnx_answers_as_torch_does_as_trained_and_folded(
    records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx, runtime, _ = map(pytest.importorskip, ONNX)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: DIGITS)
    arguments = ["export", str(records["bn"].folder), "--to", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [each["batch_norms"] for each in told] == [3, 0]
    final = records["bn"].history["test_accuracy"].iloc[-1]
    for each, name in zip(told, ("bn.onnx", "bn-folded.onnx"), strict=True):
        assert each["file"] == str(tmp_path / name)
        model = onnx.load(tmp_path / name)
        onnx.checker.check_model(model, full_check=True)
        kinds = Counter(node.op_type for node in model.graph.node)
        assert (kinds["Conv"], kinds["BatchNormalization"]) == (3, each["batch_norms"])
        for node in model.graph.node:
            frozen = {entry.name: entry.i for entry in node.attribute}.get("training_mode", 0) == 0
            assert frozen, node
        session = runtime.InferenceSession(tmp_path / name)
        (logits,) = session.run(["logits"], {"image": IMAGES.numpy()})
        np.testing.assert_allclose(logits, torch_logits(records["bn"]), atol=1e-4)
        assert each["difference"] < 1e-4
        assert each["accuracy"] == pytest.approx(final)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["trained_on"] == DIGITS.title
    assert about["scaling"].startswith("(grey / 255 - 0.0) / 1.0")


@pytest.mark.slow
def test_an_exporter_that_drops_batch_norms_is_found_out(
    records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ONNX:
        pytest.importorskip(name)
    honest = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: honest(*a, **k | {"optimize": True}))
    with pytest.raises(HindiBnError, match="does not have the network's batch norms"):
        hindi_bn.export(records["bn"], "onnx", digits=DIGITS, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_the_hub_loads_by_the_lines_of_its_card(
    records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (exported,) = hindi_bn.export(records["bn"], "huggingface", digits=DIGITS, folder=tmp_path)
    assert (exported.batch_norms, exported.difference) == (3, 0.0)
    card = (tmp_path / "README.md").read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(lines, names)  # what a reader of the card would type
    with torch.no_grad():
        logits = names["network"](IMAGES).numpy()
    np.testing.assert_array_equal(logits, torch_logits(records["bn"]))
    final = records["bn"].history.iloc[-1]
    (model,) = yaml.safe_load(card.split("---")[1])["model-index"]
    values = {each["type"]: each["value"] for each in model["results"][0]["metrics"]}
    assert values == {"accuracy": final["test_accuracy"], "loss": final["test_loss"]}
    assert model["results"][0]["dataset"]["name"] == DIGITS.title


def test_the_hubs_own_reader_takes_the_card(records: dict[str, Record], tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    hindi_bn.export(records["no-bn"], "huggingface", digits=DIGITS, folder=tmp_path)
    results = hub.ModelCard.load(tmp_path / "README.md").data.eval_results
    assert [each.metric_type for each in results] == ["accuracy", "loss"]
    assert results[0].metric_value == records["no-bn"].history["test_accuracy"].iloc[-1]


def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    records: dict[str, Record], tmp_path: Path
) -> None:
    other = tiny_digits(seed=1)
    with pytest.raises(HindiBnError, match="other data"):
        hindi_bn.export(records["bn"], "huggingface", digits=other, folder=tmp_path)
    unfinished = dataclasses.replace(records["bn"], folder=tmp_path / "none")
    with pytest.raises(HindiBnError, match="no trained weights"):
        hindi_bn.export(unfinished, "huggingface", digits=DIGITS, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_and_an_unknown_format_say_what_to_do(
    records: dict[str, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(HindiBnError, match=re.escape("pip install 'hindi-bn[export]'")):
        hindi_bn.export(records["bn"], digits=DIGITS)
    with pytest.raises(HindiBnError, match="Did you mean 'onnx'"):
        hindi_bn.export(records["bn"], "onx", digits=DIGITS)


@pytest.mark.slow
def test_a_network_that_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    """Torch's exporter fixes the batch of its matrix products."""
    for name in ONNX:
        pytest.importorskip(name)
    study = tiny_study(epochs=1, recordings=[], network="locally_connected")
    (record,) = hindi_bn.train(study, ["bn"], digits=DIGITS, out=tmp_path)
    with pytest.raises(HindiBnError, match="'locally_connected' cannot be written as ONNX"):
        hindi_bn.export(record, "onnx", digits=DIGITS)
    assert not (record.folder / "onnx").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "norm", "counts"),
    [("mlp", "batch", [1, 0]), ("three_convs", "spectral", [0]), ("lenet", "batch-renorm", [0])],
)
def test_other_norms_and_networks_can_be_exported(
    network: str, norm: str, counts: list[int], tmp_path: Path
) -> None:
    for name in ONNX:
        pytest.importorskip(name)
    study = tiny_study(epochs=1, recordings=[], network=network, runs__bn__norm=norm)
    (record,) = hindi_bn.train(study, ["bn"], digits=DIGITS, out=tmp_path)
    files = hindi_bn.export(record, "onnx", digits=DIGITS)
    assert [each.batch_norms for each in files] == counts
    for each in files:
        assert each.accuracy == pytest.approx(record.history["test_accuracy"].iloc[-1])
