"""What a run is known by, whatever it records, and by what it was known before."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from old_keys import old_key
from tiny import tiny_digits, tiny_study

from hindi_bn.digits import Digits
from hindi_bn.digits.checksums import ARTICLE
from hindi_bn.evidence.keys import run_key, settings_of
from hindi_bn.records import RunFolder
from hindi_bn.records.tensors import write_tensors
from hindi_bn.study import Study
from hindi_bn.sweeps.cells import Cell, cells
from hindi_bn.sweeps.store import RunStore
from hindi_bn.sweeps.sweep_file import load_sweep, sweep_of

DIGESTS = {"train": "a", "test": "b"}
RESULTS = Path(__file__).parents[2] / "results"


def key(name: str = "bn", digests: dict[str, str] = DIGESTS, **changes: Any) -> str:
    study: Study = tiny_study(stream="paired", **changes)
    return run_key(study, study.run(name), digests)


def test_a_key_is_the_digest_of_what_is_not_a_default() -> None:
    """Written out by hand: epochs and the norm differ from the defaults; the pair is recorded."""
    settings = {"numerics": "exact", "run": {"epochs": 2, "norm": {"name": "batch"}}, "seed": 5842}
    text = json.dumps({"data": DIGESTS, "settings": settings}, sort_keys=True).replace(" ", "")
    assert key() == hashlib.sha256(text.encode()).hexdigest()[:20]


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1}, {"lr": 0.01}, {"epochs": 3}, {"norm": "layer"}, {"norm__momentum": 0.2},
        {"numerics": "fast"}, {"numerics": "engine"}, {"precision": "bf16"},
        {"scaling": "half"}, {"init": "xavier"},
        {"init": {"name": "normal", "std": 0.1}},
        {"options__pooling": "avg"}, {"digests": {"train": "c"}},
    ],
)  # fmt: skip
def test_whatever_moves_the_numbers_changes_the_key(changes: dict[str, Any]) -> None:
    if "norm__momentum" in changes:
        changes = {"runs__bn__norm__momentum": 0.2}
    assert key(**changes) != key()


@pytest.mark.parametrize(
    "changes",
    [
        {"threads": 2}, {"device": "auto"}, {"description": "other"}, {"recordings": []},
        {"recordings": ["losses", {"kind": "gradients", "every": 1}]},
    ],
)  # fmt: skip
def test_what_does_not_leaves_it_alone(changes: dict[str, Any]) -> None:
    assert key(**changes) == key()


def test_threads_count_where_they_change_bits() -> None:
    study = tiny_study()
    one, two = (settings_of(study, study.run("bn"), threads) for threads in (1, 2))
    assert "threads" not in one
    assert two == one | {"threads": 2}
    engine = tiny_study(numerics="engine")
    assert settings_of(engine, engine.run("bn"), 2) == settings_of(engine, engine.run("bn"), 1)


def test_auto_has_the_key_of_what_trains_it() -> None:
    assert key(numerics="auto") == key(numerics="engine")
    assert key(numerics="auto", optimizer="adam") == key(numerics="fast", optimizer="adam")


def test_a_default_counts_the_same_written_out_or_not() -> None:
    assert key(lr=0.001, init="default", norm="batch") == key(norm="batch")


@cache
def known() -> dict[str, Cell]:
    """Cells by the keys under which they were once trained: a table's, and some of all kinds."""
    keys = set(pd.read_csv(RESULTS / "engine-agreement" / "runs.csv")["key"])
    kinds = yaml.safe_load((Path(__file__).parents[1] / "old_runs.yaml").read_text())
    found = list(cells(load_sweep("engine-agreement")))
    for settings in kinds.values():
        study = {"name": "old", **{k: v for k, v in settings.items() if k != "seed"}}
        seeds = [settings.get("seed", 5842)]
        found += cells(sweep_of({"name": "old", "study": study, "seeds": seeds}, "old"))
    by_key = {old_key(cell.study, cell.run, ARTICLE.digests): cell for cell in found}
    assert keys | set(kinds) == set(by_key)
    return by_key


def as_digits() -> Digits:
    """Digits that say that they are the article's."""
    digits = tiny_digits(10, 10)
    object.__setattr__(digits, "digests", dict(ARTICLE.digests))
    return digits


def test_every_run_that_was_once_trained_is_found_under_its_old_key(tmp_path: Path) -> None:
    """The keys were written down when the runs were trained; every third has its folder here."""
    kept = sorted(known().items())[::3]
    for name, cell in kept:
        leave_an_old_folder(tmp_path / "runs" / name, cell)
    store = RunStore(tmp_path)
    for name, cell in kept:
        run = store.place(cell, as_digits())
        found = store.found(run)
        assert found is not None
        assert found.history["train_loss"].tolist() == [2.5] * cell.run.epochs
        assert isinstance(found.source, RunFolder)
        assert found.source.path.name == name != run.key


def leave_an_old_folder(path: Path, cell: Cell) -> None:
    folder = RunFolder(path)
    run = cell.run.model_copy(update={"name": path.name})
    folder.write_settings(cell.study.model_copy(update={"runs": (run,)}), run, "")
    data = {"title": "digits", "sha256": dict(ARTICLE.digests)}
    environment = {"data": data, "threads": 1, "device": "cpu", "versions": {}, "started": "then"}
    if cell.study.numerics == "engine":
        environment["engine"] = {"source": "", "lanes": 8}
    folder.write_environment(environment)
    columns = ("epoch", "seconds", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
    row = dict.fromkeys(columns, 0.5) | {"train_loss": 2.5, "wx": 0.1, "wy": 0.2}
    rows = [row | {"epoch": epoch} for epoch in range(run.epochs)]
    folder.write_history(rows, cell.run.history_columns)
    write_tensors(folder.weights_file, {"weight": torch.zeros(1)})


def test_a_folder_in_the_words_of_the_first_version_is_found(tmp_path: Path) -> None:
    """`arithmetic`, `captures` and `capture` are what they were called."""
    key = "0b0842280c38aa1a"
    cell = known()[key]
    path = tmp_path / "runs" / key
    leave_an_old_folder(path, cell)
    text = (path / "run.yaml").read_text(encoding="utf-8")
    old = text.replace("numerics:", "arithmetic:").replace("recordings:", "captures:")
    assert old.count("arithmetic:") == old.count("captures:") == 1
    capture = "    capture: {layer: last-conv, wx: [3, 4, 1, 0], wy: [3, 8, 1, 0]}\n"
    old = old.replace("    captures:", f"{capture}    captures:")
    (path / "run.yaml").write_text(old, encoding="utf-8")
    store = RunStore(tmp_path)
    assert store.status(store.place(cell, as_digits())) == "finished"
