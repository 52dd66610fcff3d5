"""Study files, overrides, and the messages for what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hindi_bn.errors import StudyError
from hindi_bn.study import Run
from hindi_bn.study.files import as_yaml, load_study, parse_assignments, study_names, validate

PYDANTIC = ("Input should", "NoneType", "Value error", "pattern", "None", "Tuple", "runs.0")
CONFIGS = Path(__file__).parents[2] / "configs"


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    return str(file)


def test_the_article_is_the_default_and_says_what_was_published() -> None:
    study = load_study()
    assert (study.name, study.seed, study.stream) == ("article", 5842, "continued")
    assert [run.name for run in study.runs] == ["no-bn", "bn"]
    for run in study.runs:
        assert (run.network, run.epochs, run.batch_size) == ("three_convs", 30, 32)
        assert (run.optimizer, run.lr, run.momentum, run.scaling) == ("sgd", 0.001, 0.0, "unit")
    pairs = [{"kind": "pair", "layer": layer} for layer in ("4", "6")]
    assert [run.recordings for run in study.runs] == [
        Run(name="run", recordings=[pair]).recordings
        for pair in pairs  # type: ignore[arg-type]
    ]
    assert [run.norm.name for run in study.runs] == ["none", "batch"]


@pytest.mark.parametrize("name", study_names())
def test_every_study_that_comes_along_loads_and_survives_its_own_record(name: str) -> None:
    study = load_study(name)
    record = yaml.safe_load(as_yaml(study.model_dump(mode="json")))
    assert validate(record, "record") == study
    assert study.name == name


def test_the_command_line_beats_the_file_for_every_run() -> None:
    study = load_study("article", {"lr": 0.5, "seed": 7, "recordings.pair.wx": [0, 0, 0, 0]})
    assert [run.lr for run in study.runs] == [0.5, 0.5]
    assert study.seed == 7
    (pair,) = study.run("bn").model_dump()["recordings"]
    assert (pair["wx"], pair["layer"]) == ((0, 0, 0, 0), "6")


def test_one_run_can_be_set_by_name_and_by_place() -> None:
    study = load_study("article", {"runs.bn.epochs": 2, "runs.0.lr": 0.25})
    assert [run.epochs for run in study.runs] == [30, 2]
    assert [run.lr for run in study.runs] == [0.25, 0.001]


def test_keys_of_chosen_runs_leave_the_others_alone() -> None:
    study = load_study("article", {"epochs": 2}, only=["bn"])
    assert [run.epochs for run in study.runs] == [30, 2]


def test_a_parameter_of_a_norm_named_by_a_string_can_be_set() -> None:
    study = load_study("article", {"runs.bn.norm.eps": 0.5})
    assert (study.run("bn").norm.name, study.run("bn").norm.eps) == ("batch", 0.5)


def test_assignments_are_read_as_yaml() -> None:
    assert parse_assignments(["a.b=[1, 2]", "lr=1e-3", "name=x=y"]) == {
        "a.b": [1, 2],
        "lr": "1e-3",
        "name": "x=y",
    }
    assert load_study("article", parse_assignments(["lr=1e-3"])).runs[0].lr == 1e-3


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"learning_rate": 1}, ["learning_rate", "Unknown key"]),
        ({"epoch": 3}, ["epoch", "Did you mean 'epochs'?"]),
        ({"runs.bn.bath_size": 3}, ["bath_size", "Did you mean 'batch_size'?"]),
        (
            {"recordings.pair.wz": 3},
            ["recordings.pair.wz=3", "Valid here: kind, name, layer, wx, wy"],
        ),
        ({"network": "tree_convs"}, ["network", "Did you mean 'three_convs'?"]),
        ({"epochs": 0}, ["epochs=0", "1 or greater", "it is 0"]),
        ({"epochs": True}, ["epochs", "whole number"]),
        ({"lr": "fast"}, ["lr", "must be a number", "it is 'fast'"]),
        ({"lr": None}, ["lr", "it is null"]),
        ({"runs": []}, ["runs=[]", "1 entry or more"]),
        ({"recordings": 3}, ["recordings=3", "must be a list"]),
        ({"norm.eps": 1}, ["norm.eps=1 in run 'no-bn'", "Unknown key of 'none'"]),
        ({"lr": float("nan")}, ["lr"]),
        ({"seed": -1}, ["seed"]),
        ({"runs.bm.lr": 1}, ["no run 'bm'", "Did you mean 'bn'?"]),
        ({"runs.bn.name": "no-bn"}, ["same name"]),
        ({"runs.bn.name": "../up"}, ["runs.bn.name='../up'", "letters, digits, dots"]),
    ],
)
def test_wrong_changes_are_named_as_they_were_given(
    overrides: dict[str, object], said: list[str]
) -> None:
    with pytest.raises(StudyError) as caught:
        load_study("article", overrides)
    for words in said:
        assert words in str(caught.value)
    for words in PYDANTIC:
        assert words not in str(caught.value)
    if overrides != {"runs.bn.name": "no-bn"}:  # which is wrong beside a name of the file
        assert "article.yaml" not in str(caught.value)


def test_all_that_is_wrong_in_a_file_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    text = (
        "name: own\nlrr: 1\nepochs: 0\nruns: [{name: a, norm: btach}, {name: b, bathc_size: 2}]\n"
    )
    file = written(tmp_path, text)
    with pytest.raises(StudyError) as caught:
        load_study(file)
    said = str(caught.value)
    assert said.startswith("4 settings are wrong.")
    assert f"Key 'lrr' in {file}: Unknown key. Did you mean 'lr'?" in said
    assert said.count(f"Key 'epochs' in {file}: It must be 1 or greater (it is 0).") == 1
    assert f"Key 'norm' of run 'a' in {file}: 'btach' is none of" in said
    assert f"Key 'bathc_size' of run 'b' in {file}: Unknown key of 'b'." in said


def test_a_wrong_option_is_repeated_as_typed(tmp_path: Path) -> None:
    file = written(tmp_path, "name: own\nmomentum: 2\nruns: [{name: a}]\n")
    typed = parse_assignments(["lr=fast", "runs.a.epochs=0", "recordings=[{kind: fit, imges: 1}]"])
    with pytest.raises(StudyError) as caught:
        load_study(file, typed)
    said = str(caught.value)
    assert "--set lr=fast: It must be a number (it is 'fast')." in said
    assert "--set runs.a.epochs=0: It must be 1 or greater" in said
    assert "imges: 1}]: recordings.0.imges: Unknown key of 'fit'. Did you mean 'images'?" in said
    assert f"Key 'momentum' in {file}: It must be less than 1 (it is 2)." in said


def test_the_specific_key_wins_in_whatever_order() -> None:
    for changes in ({"runs.bn.lr": 0.1, "lr": 0.2}, {"lr": 0.2, "runs.1.lr": 0.1}):
        assert [run.lr for run in load_study("article", changes).runs] == [0.2, 0.1]


@pytest.mark.parametrize(
    "text", ["name: own\nlr: 1\nlr: 2\nruns: [{name: a}]", "name: own\nruns: [{name: a, name: b}]"]
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(StudyError, match=r"key '(lr|name)' stands twice"):
        load_study(written(tmp_path, text))


def test_yaml_anchors_may_be_merged_and_overridden(tmp_path: Path) -> None:
    text = "name: own\nruns: [&a {name: a, lr: 0.5, epochs: 3}, {<<: *a, name: b, lr: 0.25}]"
    runs = load_study(written(tmp_path, text)).runs
    assert [(run.name, run.lr, run.epochs) for run in runs] == [("a", 0.5, 3), ("b", 0.25, 3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1\n", "holds a list"),
        ("", "holds nothing"),
        ("lr\n", "holds a single value"),
        ("name: [\n", "Cannot read"),
        ("name: own\n", "runs"),
        ("name: own\nruns: 3\n", "must be a list"),
        ("name: own\nruns: []\n", "runs"),
        ("runs: [{name: a}]\n", "missing"),
    ],
)
def test_files_that_are_no_study_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        load_study(written(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="Cannot read"):
        load_study(str(file))


@pytest.mark.parametrize("text", ["lr", "=3"])
def test_assignments_without_a_key_or_value_are_refused(text: str) -> None:
    with pytest.raises(StudyError, match="KEY=VALUE"):
        parse_assignments([text])


def test_assignments_that_are_not_yaml_are_refused() -> None:
    with pytest.raises(StudyError, match="not YAML"):
        parse_assignments(["a=[1,"])


def test_a_missing_study_names_the_nearest_one() -> None:
    with pytest.raises(StudyError, match="Did you mean 'article'"):
        load_study("artcle")
    with pytest.raises(StudyError, match=r"no study file nowhere\.yaml"):
        load_study("nowhere.yaml")


def test_top_keys_hold_for_runs_that_do_not_say_otherwise(tmp_path: Path) -> None:
    file = written(tmp_path, "name: own\nlr: 0.5\nruns: [{name: a}, {name: b, lr: 0.25}]\n")
    assert [run.lr for run in load_study(file).runs] == [0.5, 0.25]
