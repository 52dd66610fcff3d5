"""Evidence trained again: what counts as the same, and what does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_digits
from tiny_recordings import trained

from hindi_bn.errors import EvidenceError
from hindi_bn.evidence.agreement import compare
from hindi_bn.evidence.audit import audit, sample
from hindi_bn.evidence.row import Row, row_of
from hindi_bn.measures import measure
from hindi_bn.records import RunFolder

ACTIVATIONS = {"kind": "activations", "per_class": 2, "every": 2}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """A run by each numerics; that of `fast` was measured too."""
    found = {}
    for numerics in ("engine", "fast"):
        out = tmp_path_factory.mktemp(numerics)
        record = trained(out, recordings=[ACTIVATIONS, "pair"], numerics=numerics, scaling="half")
        if numerics == "fast":
            measure(RunFolder(record.folder), "drift", tiny_digits())
        found[numerics] = row_of(RunFolder(record.folder))
    return found


def audited(row: Row, out: Path) -> tuple[str, str]:
    (one,) = audit([row], lambda name: tiny_digits(), out)
    return one.agreement.outcome, one.agreement.why


@pytest.mark.parametrize("numerics", ["engine", "fast"])
def test_an_honest_row_comes_out_with_the_same_bits(
    rows: dict[str, Row], numerics: str, tmp_path: Path
) -> None:
    (one,) = audit([rows[numerics]], lambda name: tiny_digits(), tmp_path)
    assert one.agreement.outcome == "same bits"
    again = one.again
    assert (again.key, again.weights) == (rows[numerics].key, rows[numerics].weights)
    assert again.history == rows[numerics].history
    assert again.recorded == rows[numerics].recorded
    assert again.measures == rows[numerics].measures


def test_a_measure_that_is_not_what_it_was_is_different(
    rows: dict[str, Row], tmp_path: Path
) -> None:
    measures = rows["fast"].measures
    values = measures["drift"]["values"] | {"readings": 7.0}
    wrong = replace(rows["fast"], measures={"drift": measures["drift"] | {"values": values}})
    outcome, why = audited(wrong, tmp_path)
    assert outcome == "different"
    assert "drift.readings was 7.0 and is 3.0" in why


@pytest.mark.parametrize(("before", "told"), [(0.5, []), (0.5 + 4e-4, []), (0.5 + 1.5e-3, ["was"])])
def test_every_measure_of_todays_version_is_taken_again_to_a_thousandth(
    rows: dict[str, Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    before: float, told: list[str],
) -> None:  # fmt: skip
    """A thousandth of one where the value is smaller. One of an older version says nothing."""
    monkeypatch.setattr("hindi_bn.evidence.audit.measure", lambda *_: {"slope": 0.5})
    monkeypatch.setattr("hindi_bn.evidence.audit.version_of", lambda name: 2)
    values = {"slope": before}
    measures = {
        "old": {"version": 1, "values": {"slope": 9.0}},
        "new": {"version": 2, "values": values},
    }
    row = replace(rows["fast"], measures=measures)
    outcome, why = audited(row, tmp_path)
    assert outcome == ("different" if told else "same bits")
    assert [word for word in ("was",) if f"new.slope {word} {before!r} and is 0.5" in why] == told


def elsewhere(row: Row, factor: float = 1.0, **changes: Any) -> Row:
    """The row as another processor might have written it: every loss by a factor."""
    history = row.history | {"train_loss": [factor * loss for loss in row.history["train_loss"]]}
    environment = row.environment | {"device_name": "another"}
    return replace(row, history=history, environment=environment, **changes)


def test_the_engine_must_give_equal_bits_anywhere_and_torch_on_equal_machines(
    rows: dict[str, Row],
) -> None:
    engine, fast = rows["engine"], rows["fast"]
    assert compare(engine, elsewhere(engine)).outcome == "same bits"
    assert compare(engine, elsewhere(engine, 1 + 1e-12)).outcome == "different"
    assert compare(fast, elsewhere(fast, 1 + 1e-4)).outcome == "within tolerance"
    assert compare(fast, elsewhere(fast, 1 + 1e-2)).outcome == "different"
    there = elsewhere(fast, 1 + 1e-12)
    here = replace(there, environment=fast.environment)
    assert compare(fast, here).outcome == "different"
    assert "train_loss of epoch 1 is" in compare(fast, here).why
    unknown = replace(there, environment=fast.environment | {"cpu_flags": None})
    assert compare(unknown, unknown).outcome == "same bits"
    assert compare(unknown, replace(fast, environment=unknown.environment)).outcome != "different"


def test_how_far_two_runs_are_apart_is_told(rows: dict[str, Row]) -> None:
    """Relative to the larger one: 0.004 of 4; in all 0.04 of 6, 0.0067."""
    columns = rows["fast"].history
    one, other = (
        replace(
            elsewhere(rows["fast"]),
            environment=rows["fast"].environment | {"device_name": name},
            history={name: values[:2] for name, values in columns.items()} | {"train_loss": losses},
        )
        for name, losses in (("here", [4.0, 2.0]), ("there", [3.996, 1.964]))
    )
    found = compare(one, other)
    assert found.outcome == "within tolerance"
    assert "first training loss differs by 0.001 (at most 0.002)" in found.why
    assert "mean training loss by 0.0067 (at most 0.05)" in found.why


def test_where_two_runs_diverged_is_told(rows: dict[str, Row]) -> None:
    one, other = (
        replace(rows["engine"], status="diverged", diverged={"epoch": 0, "step": step})
        for step in (2, 3)
    )
    assert "one diverged at {'epoch': 0, 'step': 2}, the other at" in compare(one, other).why


def test_accuracies_endings_and_lengths_count_too(rows: dict[str, Row]) -> None:
    fast = rows["fast"]
    accuracies = [share + 0.02 for share in fast.history["test_accuracy"]]
    better = replace(elsewhere(fast), history=fast.history | {"test_accuracy": accuracies})
    assert compare(fast, better).outcome == "different"
    other = elsewhere(fast, weights="", status="diverged", diverged={"epoch": 1, "step": 2})
    assert compare(fast, other).outcome == "different"
    assert "one finished and the other diverged" in compare(fast, other).why
    shorter = {name: values[:1] for name, values in fast.history.items()}
    assert compare(fast, replace(elsewhere(fast), history=shorter)).outcome == "different"


def test_rows_are_drawn_at_random_one_of_a_key(rows: dict[str, Row]) -> None:
    many = [replace(rows["fast"], key=f"{place:020d}") for place in range(40)]
    many += [
        replace(many[0], seconds=1.0),
        replace(many[1], key="m", environment={"device": "mps"}),
    ]
    drawn = sample(many, 5, 1)
    assert drawn == sample(many[::-1], 5, 1)
    assert len({row.key for row in drawn}) == 5
    assert drawn != sample(many, 5, 2)
    everything = sample(many, 100, 0)
    assert {row.key for row in everything} == {f"{place:020d}" for place in range(40)}


def test_other_data_are_refused(rows: dict[str, Row], tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="cannot be trained again") as refused:
        next(audit([rows["engine"]], lambda name: tiny_digits(seed=1), tmp_path))
    assert "other data" in refused.value.why
