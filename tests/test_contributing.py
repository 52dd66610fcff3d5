"""The norm and the network that CONTRIBUTING.md adds, trained from a folder outside the package."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_digits
from torch.nn import functional
from typer.testing import CliRunner, Result

import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.errors import RunError, StudyError
from hindi_bn.evidence.keys import run_key
from hindi_bn.networks import Norm, build, build_run, check, layer_table, run_of
from hindi_bn.records import RunFolder
from hindi_bn.registry import PACKAGE
from hindi_bn.runners.jobs import Job
from hindi_bn.runners.workers import run_jobs
from hindi_bn.study import Study
from hindi_bn.training.run import Reporter, load_network, train_run

GUIDE = Path(__file__).parent.parent / "CONTRIBUTING.md"
NORM, NETWORK = "rms:RMSNorm", "wide:Wide"
MODULES = ("rms", "wide", "strange")


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A current folder with the guide's code in it, and none of it imported before or after."""
    code = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    for name, text in zip(("rms", "wide"), code, strict=True):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    forget()
    yield
    forget()


def forget() -> None:
    """Let the files be imported anew, as another process would."""
    for name in MODULES:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def cli(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def plain(result: Result) -> str:
    return " ".join(result.output.replace("│", " ").split())


def test_both_train_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())
    monkeypatch.setattr(hindi_bn.digits, "resolve", lambda *_, **__: tiny_digits())
    changes = [f"network={NETWORK}", "norm.eps=0.5", "epochs=1"]
    flags = [part for change in changes for part in ("--set", change)]
    cli("train", "--norm", NORM, *flags, "--threads", "1", "--device", "cpu")
    record = RunFolder(Path("results/article/RMSNorm")).read()
    assert re.fullmatch(rf"{NETWORK}@[0-9a-f]{{16}}", record.run.network)
    settings = record.run.norm.model_dump()
    assert re.fullmatch(rf"{NORM}@[0-9a-f]{{16}}", settings.pop("name"))
    assert settings == {"eps": 0.5}
    network = load_network(record)
    assert [type(layer).__name__ for layer in network[:3]] == ["Conv2d", "RMSLayer", "ReLU"]


def test_the_layer_table_says_what_they_are() -> None:
    document = json.loads(cli("networks", NETWORK, "--norm", NORM, "--json").stdout)
    rows = [(row["kind"], row["description"], row["shape"]) for row in document["layers"]]
    assert rows[2] == ("normalisation", "RMS norm 16", [16, 32, 32])
    assert rows[8:10] == [("flatten", "MapMeans", [64]), ("activation", "LeakyReLU", [64])]
    assert [row["receptive_field"] for row in document["layers"]][6:9] == [8, 8, None]


def test_the_norm_is_the_papers() -> None:
    layer = build("mlp", {"name": NORM, "eps": 1e-3})[2]
    x = torch.randn(3, 100, generator=torch.Generator().manual_seed(0))
    expected = functional.rms_norm(x, (100,), eps=1e-3)
    torch.testing.assert_close(layer(x), expected)


def test_the_norm_stands_in_every_network_and_draws_nothing() -> None:
    for name in ("lenet", "conv_pair", "mlp"):
        torch.manual_seed(3)
        own, state = build(name, NORM), torch.get_rng_state()
        torch.manual_seed(3)
        without = build(name)
        assert torch.equal(torch.get_rng_state(), state)
        torch.testing.assert_close(own[-1].weight, without[-1].weight)
    with pytest.raises(StudyError, match="one value there"):
        check(run_of("fully_connected", NORM, options={"width": 1}), 70)


@pytest.mark.slow
def test_a_worker_finds_them_and_gives_the_same_numbers(tmp_path: Path) -> None:
    study = from_outside()
    (result,) = run_jobs([Job(study, "mine", tmp_path)], tiny_digits(), workers=1, threads=1)
    assert result.failure is None, result.failure
    worked = RunFolder(tmp_path / "outside" / "mine").read_history()
    own = train_run(study, "mine", tiny_digits(), tmp_path / "own").history
    assert worked.drop(columns="seconds").equals(own.drop(columns="seconds"))


def test_a_changed_file_is_another_norm(tmp_path: Path) -> None:
    """It gets another key, and runs of the file before are neither resumed nor loaded."""

    def stop(row: Any) -> None:
        raise KeyboardInterrupt

    before = from_outside()
    with pytest.raises(KeyboardInterrupt):
        train_run(before, "mine", tiny_digits(), tmp_path, reporter=Reporter(epoch=stop))
    source = tmp_path / "rms.py"
    source.write_text(source.read_text() + "\n# another version\n")
    forget()
    now = from_outside()
    keys = [run_key(study, study.run("mine"), {}) for study in (before, now)]
    assert keys[0] != keys[1]
    with pytest.raises(RunError, match=r"run\.norm\.name was 'rms:RMSNorm@"):
        train_run(now, "mine", tiny_digits(), tmp_path, resume=True)
    recorded = Study.model_validate(before.model_dump(mode="json"))
    with pytest.raises(StudyError, match=r"rms:RMSNorm is not what it was"):
        build_run(recorded.run("mine"))


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["mlp", "--norm", "rms:RMSLayer"], 1, "'rms:RMSLayer' is no norm"),
        (["mlp", "--norm", "rms:Other"], 1, "module 'rms' has no attribute 'Other'"),
        (["mlp", "--norm", "nowhere:Norm"], 1, "No module named 'nowhere'"),
        (["mlp", "--norm", "bacth"], 2, "Did you mean 'batch'? One of your own is named package"),
        (["mlp", "--norm", NORM, "--set", "norm.epps=1"], 1, "Did you mean 'eps'"),
        (["wide:MapMeans"], 1, "'wide:MapMeans' is no network"),
        (["three_cons"], 2, "Did you mean 'three_convs'"),
        ([NETWORK, "--set", "options.hidden_layers=2"], 1, "choose a network that has it: fully"),
    ],
)
def test_what_is_none_is_refused(arguments: list[str], code: int, reason: str) -> None:
    assert reason in plain(cli("networks", *arguments, code=code))


STRANGE = """
from torch import nn
from hindi_bn.networks.architectures import Network
from hindi_bn.networks.norms import Norm

class Mystery(nn.Module):
    def forward(self, x):
        return x

class Unknown(Network):
    @staticmethod
    def layers(blocks, side, options):
        return [nn.Flatten(), Mystery(), *blocks.classifier(side * side)]

class Branched(Network):
    @staticmethod
    def layers(blocks, side, options):
        return [nn.Flatten(), [nn.ReLU(), nn.Tanh()]]

class Own(Network):
    @staticmethod
    def layers(blocks, side, options):
        norm = nn.GroupNorm(2, 4)
        return [nn.Conv2d(1, 4, 3), norm, nn.GELU(), nn.Flatten(), *blocks.classifier(4 * 30 * 30)]

class Silent(Norm):
    pass
"""


def test_layers_of_unknown_kinds_and_branches_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "strange.py").write_text(STRANGE)
    with pytest.raises(StudyError, match="The layer Mystery is of no known kind"):
        build("strange:Unknown")
    with pytest.raises(StudyError, match=r"'strange:Branched@.*' gives no sequence of layers"):
        build("strange:Branched")
    with pytest.raises(StudyError, match="Silent does not declare over what it normalises"):
        build("mlp", "strange:Silent")
    rows = layer_table(build("strange:Own"))
    assert [row.kind for row in rows[1:4]] == ["convolution", "normalisation", "activation"]
    assert rows[2].description == "GroupNorm 4, 2 groups"


def test_a_norm_without_a_file_is_refused() -> None:
    unwritten = type("Unwritten", (Norm,), {"over": "image", "__module__": "builtins"})
    with pytest.raises(StudyError, match="Unwritten is in no file"):
        unwritten()


def test_nothing_was_put_into_the_package() -> None:
    assert not list(PACKAGE.rglob("rms.py"))
    assert not list(PACKAGE.rglob("wide.py"))


def from_outside() -> Study:
    """A run of two epochs of the guide's network with the guide's norm."""
    run = {"name": "mine", "network": NETWORK, "norm": NORM, "epochs": 2}
    settings = {"name": "outside", "threads": 1, "device": "cpu", "runs": [run]}
    return Study.model_validate(settings)
