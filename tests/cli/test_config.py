"""`hindi-bn config`: the schema is held against jsonschema, the template against the defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner, Result

from hindi_bn.cli import app
from hindi_bn.study.files import load_study, study_names

CONFIGS = Path(__file__).parents[2] / "configs"
ARTICLE = yaml.safe_load((CONFIGS / "article.yaml").read_text())


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["config", *arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def schema() -> Any:
    found = json.loads(run("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_list_names_every_study() -> None:
    found = json.loads(run("list", "--json").stdout)
    assert [row["name"] for row in found] == study_names()
    (article,) = [row for row in found if row["name"] == "article"]
    assert (article["runs"], article["epochs"]) == (["no-bn", "bn"], [30, 30])
    assert "article" in run("list").stdout


def test_show_resolves_defaults_and_changes() -> None:
    shown = yaml.safe_load(run("show", "quick", "--set", "runs.bn.lr=0.5").stdout)
    assert [each["lr"] for each in shown["runs"]] == [0.001, 0.5]
    assert shown["runs"][1]["norm"]["eps"] == 1e-5
    assert shown == json.loads(run("show", "quick", "--set", "runs.bn.lr=0.5", "--json").stdout)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_schema_takes_every_study_that_comes_along(file: Path, schema: Any) -> None:
    assert list(schema.iter_errors(yaml.safe_load(file.read_text()))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"lrr": 0.1}, {"lr": 0}, {"epochs": "many"}, {"network": "three"}, {"norm": "bathc"},
        {"norm": {"name": "group", "group": 4}}, {"data": "digit"}, {"runs": []},
        {"recordings": ["weight-path"]}, {"recordings": [{"kind": "pair", "wz": [0]}]},
        {"init": "xaver"}, {"options": {"pooling": "mean"}},
    ],
    ids=str,
)  # fmt: skip
def test_the_schema_refuses_what_a_study_refuses(change: dict[str, Any], schema: Any) -> None:
    assert not schema.is_valid(ARTICLE | change)


def test_the_schema_takes_parameters_of_norms_and_names_from_outside(schema: Any) -> None:
    for norm in ({"name": "group", "groups": 4}, "own:Norm", {"name": "own:Norm", "p": 3}):
        study = ARTICLE | {"norm": norm, "init": "xavier", "network": "own:Network"}
        assert list(schema.iter_errors(study)) == []


def test_a_new_study_has_all_keys_with_their_defaults(
    tmp_path: Path, schema: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new", "mine").stdout == "mine.yaml\n"
    text = Path("mine.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=study.schema.json\n")
    assert json.loads(Path("study.schema.json").read_text()) == schema.schema
    schema.validate(yaml.safe_load(text))
    Path("least.yaml").write_text("name: mine\nruns: [{name: no-bn}, {name: bn, norm: batch}]\n")
    assert load_study("mine.yaml") == load_study("least.yaml")
    for key in schema.schema["properties"]:
        assert f"\n{key}:" in text or f"\n# {key}:" in text
    assert max(map(len, text.splitlines())) <= 100
    checked = json.loads(run("check", "mine.yaml", "--json").stdout)
    assert checked == [
        {"config": "mine.yaml", "ok": True, "study": "mine", "runs": ["no-bn", "bn"]}
    ]


def test_new_overwrites_nothing_and_refuses_a_name_that_no_study_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("kept")
    assert "is there already" in run("new", "mine.yaml", code=1).stderr
    assert Path("mine.yaml").read_text() == "kept"
    run("new", "my study.yaml", code=1)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs: [{name: bn, norm: bathc}]", "Did you mean 'batch'?"),
        ("runs: [{name: bn, norm: {name: group, groups: 7}}]", "7 does not divide 16"),
        ("runs: [{name: bn, recordings: [{kind: weights, layer: nine}]}]", "layer 'nine'"),
        ("batch_size: 1\nnetwork: mlp\nruns: [{name: bn, norm: batch}]", "one value"),
    ],
)
def test_check_tells_what_is_wrong_with_each_and_goes_on(
    text: str, said: str, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(f"name: wrong\n{text}\n")
    result = run("check", str(wrong), "quick", code=1)
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout.startswith("quick: ")
    rows = json.loads(run("check", str(wrong), "quick", "--json", code=1).stdout)
    assert [row["ok"] for row in rows] == [False, True]
