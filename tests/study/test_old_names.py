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
