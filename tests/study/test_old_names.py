"""Old names of keys and values: they work, with a note for whoever wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hindi_bn.study import old_names
from hindi_bn.study.files import as_yaml, load_study, validate


@pytest.fixture(autouse=True)
def _every_note_anew() -> None:
    old_names._note.cache_clear()


def test_old_keys_of_files_and_set_work_with_one_note_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "old.yaml"
    file.write_text("name: old\narithmetic: fast\nruns: [{name: a}]\n")
    assert load_study(str(file)).numerics == "fast"
    assert load_study("article", {"arithmetic": "fast"}).numerics == "fast"
    note = "The key arithmetic is now called numerics; the old name works for one more release."
    assert caplog.messages == [note]


def test_what_a_run_recorded_is_read_without_a_note(caplog: pytest.LogCaptureFixture) -> None:
    record = load_study("article", {"numerics": "fast"}).model_dump(mode="json")
    record["arithmetic"] = record.pop("numerics")
    assert "arithmetic: fast" in as_yaml(record)
    assert validate(record, "run.yaml") == load_study("article", {"numerics": "fast"})
    assert not caplog.messages


def test_the_pair_that_every_run_had_becomes_a_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the top, in a run, by --set, and in what a run recorded."""
    file = tmp_path / "old.yaml"
    file.write_text(
        "name: old\ncapture: {layer: '0'}\nruns: [{name: a}, {name: b, captures: [losses]}]\n"
    )

    def recorded(name: str, **changes: object) -> list[object]:
        run = load_study(str(file), {k.replace("__", "."): v for k, v in changes.items()}).run(name)
        return [(each.kind, getattr(each, "layer", None)) for each in run.recordings]

    assert recorded("a") == [("pair", "0")]
    assert recorded("b") == [("pair", "0"), ("losses", None)]
    assert recorded("b", capture__layer="2") == [("pair", "2"), ("losses", None)]
    assert recorded("b", runs__a__capture__layer="2") == [("pair", "0"), ("losses", None)]
    changed = load_study("article", {"capture.wx": [0, 0, 0, 0], "captures": ["losses"]})
    assert [each.kind for each in changed.runs[0].recordings] == ["losses"]
    (pair,) = load_study("one_conv", {"capture.wx": [0, 0, 0, 0]}).runs[0].recordings
    assert pair.model_dump()["wx"] == (0, 0, 0, 0)
    assert [message.partition(";")[0] for message in caplog.messages] == [
        "The key capture is now a recording, recordings: [{kind: pair}]",
        "The key captures is now called recordings",
    ]
    record = load_study("article").model_dump(mode="json")
    for run in record["runs"]:
        (pair,) = run.pop("recordings")
        run |= {"capture": {key: pair[key] for key in ("layer", "wx", "wy")}, "captures": []}
    assert validate(record, "run.yaml") == load_study("article")


def test_a_study_that_was_renamed_is_found(caplog: pytest.LogCaptureFixture) -> None:
    assert load_study("captures") == load_study("recordings")
    assert caplog.messages[0].startswith("The study captures is now called recordings;")


def test_new_names_need_no_note(caplog: pytest.LogCaptureFixture) -> None:
    assert load_study("article", {"numerics": "fast"}).numerics == "fast"
    assert not caplog.messages


def test_a_dotted_key_is_renamed_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(old_names.KEYS, "old", "new")
    assert old_names.new_key("old.every") == "new.every"
    assert old_names.new_key("runs.old.old.0.old") == "runs.old.new.0.old"
    assert old_names.new_key("runs.old") == "runs.old"


def test_an_old_value_is_renamed_under_its_own_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(old_names, "VALUES", {"data": {"older": "digits"}})
    assert load_study("article", {"data": "older"}).data == "digits"
    assert load_study("article", {"description": "older"}).description == "older"
    (note,) = caplog.messages
    assert note.startswith("data: older is now written data: digits;")
