"""The digest of a claim's rule, and lines written into a claim's file."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from hindi_bn.claims.claim import Claim, claim_files, load_claim, load_claims, load_families
from hindi_bn.claims.rule import register, rule_digest, write_entry
from hindi_bn.errors import StudyError

FILE = """\
id: 1  # a comment
name: shape
title: A title
statement: >-
  A long
  statement.
source: [A3, T5]
method: A method.
confirm:
  seeds: 12
  why: >-
    A reason

    in two parts
sweeps:
  - name: seeds
    study: mlp
    set: {epochs: 2}
tests:
  - {label: Loss, metric: final_train_loss, plus: &x [{where: {run: bn}}], below: 0}
besides:
  - {label: Loss, metric: final_train_loss, plus: *x}
"""


def claim_of(text: str) -> Claim:
    return Claim.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs: 2", "epochs: 3"),
        ("study: mlp", "study: conv_pair"),
        ("below: 0", "below: 0.1"),
        ("below: 0", "above: 0"),
        ("metric: final_train_loss, plus: &x", "metric: loss_area, plus: &x"),
        ("run: bn", "run: no-bn"),
        ("below: 0", "below: 0, missing: 1"),
        ("seeds: 12", "seeds: 13"),
    ],
)
def test_the_digest_changes_with_the_rule(old: str, new: str) -> None:
    assert old in FILE
    assert rule_digest(claim_of(FILE)) != rule_digest(claim_of(FILE.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A title", "Another"),
        ("  A long", "  Another"),
        ("[A3, T5]", "A paper"),
        ("A reason", "None"),
        ("label: Loss", "label: The loss"),
        ("below: 0", "below: 0.0, least: -1"),
        ("method: A method.", "method: Another.\nsays: Something.\nfigure: strip"),
    ],
)
def test_prose_is_no_part_of_the_digest(old: str, new: str) -> None:
    assert old in FILE
    assert rule_digest(claim_of(FILE)) == rule_digest(claim_of(FILE.replace(old, new, 1)))


def test_a_studys_file_is_a_part_of_the_rule(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    digests = []
    for lr in ("0.1", "0.2", "0.2\ndescription: Another"):
        study.write_text(f"name: s\nruns: [{{name: bn}}]\nlr: {lr}\n")
        digests.append(rule_digest(claim_of(FILE.replace("study: mlp", f"study: {study}"))))
    assert digests[0] != digests[1] == digests[2]


def test_the_number_of_seeds_is_found_after_the_pilot() -> None:
    without = FILE.partition("confirm:")[0] + "sweeps:" + FILE.partition("sweeps:")[2]
    assert rule_digest(claim_of(without), "pilot") == rule_digest(claim_of(FILE), "pilot")
    assert rule_digest(claim_of(without)) != rule_digest(claim_of(FILE))


def written(tmp_path: Path, key: str, value: str, text: str = FILE) -> tuple[str, Any]:
    file = tmp_path / "01-shape.yaml"
    file.write_text(text)
    claim = write_entry(claim_of(text), key, value, tmp_path)
    assert claim == load_claim(file)
    return file.read_text(), yaml.safe_load(file.read_text())


def test_a_line_is_replaced_or_added_and_all_else_is_left(tmp_path: Path) -> None:
    text, loaded = written(tmp_path, "confirm", '{seeds: 19, why: "so: many"}')
    expected = yaml.safe_load(FILE) | {"confirm": {"seeds": 19, "why": "so: many"}}
    assert loaded == expected
    before, _, after = FILE.partition("confirm:")
    assert text.startswith(before)
    assert text.endswith("sweeps:" + after.partition("sweeps:")[2])
    digest = "0" * 64
    added, loaded = written(tmp_path, "registered", f"{{date: 2026-11-22, digest: '{digest}'}}")
    assert added.startswith(FILE)
    assert loaded["registered"]["digest"] == digest


def test_every_claims_file_can_be_registered_and_stays_the_same_otherwise(tmp_path: Path) -> None:
    for file in claim_files():
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    for claim in load_claims(tmp_path):
        once = register(claim, tmp_path)
        assert once.registered is not None
        assert once.registered.digest == rule_digest(claim)
        assert once.model_copy(update={"registered": claim.registered}) == claim
        old = once.registered.model_copy(update={"date": date(2000, 1, 1)})
        kept = register(once.model_copy(update={"registered": old}), tmp_path)
        assert kept.registered == old  # the date is that of the rule


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    odd = FILE.replace("confirm:\n", "confirm: &y\n") + "# confirm\n"
    twice = odd.replace("besides:", "says: *y\nbesides:")
    file = tmp_path / "01-shape.yaml"
    file.write_text(twice)
    with pytest.raises(StudyError, match="key confirm of"):
        write_entry(claim_of(FILE), "confirm", "{seeds: 12, why: x}", tmp_path)
    assert file.read_text() == twice
    with pytest.raises(StudyError, match="no file of claim 7"):
        register(claim_of(FILE.replace("id: 1", "id: 7")), tmp_path)


def test_families_are_lists_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "families.yaml").write_text("families: [[3, 1, 1], [2]]\n")
    assert load_families(tmp_path) == ((1, 3), (2,))
    assert claim_files(tmp_path) == []
    (tmp_path / "families.yaml").write_text("families: [1, 2]\n")
    with pytest.raises(StudyError, match="no families"):
        load_families(tmp_path)
