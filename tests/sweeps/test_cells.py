"""From a sweep's file to its cells: what varies, what it is called, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hindi_bn.errors import StudyError
from hindi_bn.study.files import configs_folder
from hindi_bn.sweeps.cells import Cell, cells
from hindi_bn.sweeps.sweep_file import find_sweep, load_sweep, sweep_of


def chosen(**keys: Any) -> tuple[Cell, ...]:
    return cells(sweep_of({"name": "s", "study": {"epochs": 2}, "seeds": 1, **keys}, "s.yaml"))


def names(found: tuple[Cell, ...]) -> list[str]:
    return list(dict.fromkeys(cell.arm for cell in found))


def test_cells_are_runs_times_grid_times_seeds() -> None:
    found = chosen(grid={"norm": ["none", "batch"], "lr": [0.1, 1]}, seeds=2)
    assert [(cell.arm, cell.seed) for cell in found] == [
        ("norm=none, lr=0.1", 5842),
        ("norm=none, lr=0.1", 5843),
        ("norm=none, lr=1", 5842),
        ("norm=none, lr=1", 5843),
        ("norm=batch, lr=0.1", 5842),
        ("norm=batch, lr=0.1", 5843),
        ("norm=batch, lr=1", 5842),
        ("norm=batch, lr=1", 5843),
    ]
    last = found[-1]
    assert last.values == {"norm": "batch", "lr": 1.0}
    assert (last.run.norm.name, last.run.lr, last.run.epochs) == ("batch", 1.0, 2)
    assert (last.study.seed, last.study.stream, len(last.study.runs)) == (5843, "paired", 1)
    assert list(found[0].values) == ["norm", "lr"]


def test_the_runs_of_a_study_are_arms() -> None:
    found = chosen(study="article", set={"epochs": 3}, seeds=[7, 3])
    assert [(cell.arm, cell.seed) for cell in found] == [
        ("no-bn", 7), ("no-bn", 3), ("bn", 7), ("bn", 3),
    ]  # fmt: skip
    assert found[2].values == {"run": "bn"}
    assert {cell.run.epochs for cell in found} == {3}
    assert found[2].run.recordings[0].model_dump()["layer"] == "6"
    both = chosen(
        study="article", grid={"dropout": [0, 0.5]}, exclude=[{"run": "bn", "dropout": 0}]
    )
    assert names(both) == ["no-bn, dropout=0", "no-bn, dropout=0.5", "bn, dropout=0.5"]


def test_one_run_without_a_grid_has_its_own_name() -> None:
    assert names(chosen()) == ["run"]
    assert names(chosen(study={"runs": [{"name": "only", "lr": 0.5}]})) == ["only"]


@pytest.mark.parametrize(
    ("grid", "arms"),
    [
        ({"norm": [{"name": "batch", "momentum": 0.5}, "none"]}, ["norm=batch", "norm=none"]),
        (
            {"norm": ["batch", {"name": "batch", "momentum": 0.5}]},
            ["norm=batch", "norm=batch(momentum=0.5)"],
        ),
        ({"lr": ["1e-4", 0.25]}, ["lr=0.0001", "lr=0.25"]),
        ({"options.pooling": ["max", None]}, ["options.pooling=max", "options.pooling=unset"]),
        ({"options": [{"width": 8}, {}]}, ["options=(width=8)", "options=()"]),
        ({"norm.affine": [True, False]}, ["norm.affine=true", "norm.affine=false"]),
        ({"capture.wx": [[0, 0, 0, 0]]}, ["capture.wx=0+0+0+0"]),
        ({"data": ["digits", "stand-in"]}, ["data=digits", "data=stand-in"]),
        ({"init": ["xavier", {"name": "normal", "std": 0.1}]}, ["init=xavier", "init=normal"]),
        (
            {"recordings.gradients.every": [1, 2]},
            [f"recordings.gradients.every={n}" for n in (1, 2)],
        ),
    ],
)
def test_arms_are_named_after_what_varies(grid: dict[str, Any], arms: list[str]) -> None:
    settings = {"norm": "batch", "recordings": ["gradients"]}
    assert names(chosen(grid=grid, set=settings if "norm" not in grid else {})) == arms


def test_columns_hold_numbers_or_texts() -> None:
    (first, second) = chosen(grid={"epochs": [1, 2]})
    assert first.values == {"planned_epochs": 1}
    assert second.arm == "epochs=2"


def test_a_mapping_in_the_grid_is_not_changed_by_another_key() -> None:
    found = chosen(grid={"norm": [{"name": "group"}], "norm.groups": [2, 4]})
    assert [cell.run.norm.groups for cell in found] == [2, 4]  # type: ignore[union-attr]


def test_keys_that_vary_together() -> None:
    """The learning rate in proportion to the batch, and as many steps for every batch size."""
    grid = {"norm": ["none", "batch"], "batch_size, lr": [[2, 0.001], [8, 0.004]]}
    found = chosen(grid=grid, exclude=[{"norm": "none", "batch_size": 8}])
    assert names(found) == [
        "norm=none, batch_size=2, lr=0.001", "norm=batch, batch_size=2, lr=0.001",
        "norm=batch, batch_size=8, lr=0.004",
    ]  # fmt: skip
    assert found[2].values == {"norm": "batch", "batch_size": 8, "lr": 0.004}
    assert (found[2].run.batch_size, found[2].run.lr) == (8, 0.004)
    steps = chosen(grid={"batch_size,epochs": [[4, 1], [8, 2]]}, set={"epochs": 9})
    assert [cell.run.epochs for cell in steps] == [1, 2]
    assert list(steps[0].values) == ["batch_size", "planned_epochs"]


def test_keys_that_vary_together_are_set_together() -> None:
    sweep = sweep_of({
        "name": "s", "grid": {"batch_size, lr": [[2, 0.1], [4, 0.2]]}, "exclude": [{"lr": 0.2}],
    }, "s.yaml")  # fmt: skip
    changed = sweep.changed({"batch_size, lr": [[8, 0.4]]})
    assert changed.grid == {"batch_size, lr": [[8, 0.4]]}
    assert changed.exclude == []
    with pytest.raises(StudyError, match="'lr' cannot be set by itself") as error:
        sweep.changed({"lr": 0.1})
    assert "--set 'batch_size, lr=[[...], [...]]'" in error.value.next_step


def test_cells_can_be_left_out() -> None:
    grid = {"norm": ["none", {"name": "batch", "eps": 0.1}], "placement": ["before", "after"]}
    found = chosen(grid=grid, exclude=[{"norm": "none", "placement": "after"}, {"norm": "batch"}])
    assert names(found) == ["norm=none, placement=before"]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"gird": {}}, "Key 'gird' in s.yaml is wrong.\nWhy: Unknown key. Did you mean 'grid'?"),
        ({"grid": {"lrr": [1]}}, "Did you mean 'lr'"),
        ({"grid": {"norm": ["batchh"], "lr": [1]}}, "cell is {norm: batchh, lr: 1}"),
        ({"set": {"norm": "batchh"}}, "Did you mean 'batch'"),
        ({"grid": {"seed": [1, 2]}}, "cannot be varied"),
        ({"grid": {"lr, seed": [[1, 2]]}}, "'seed' cannot be varied"),
        ({"grid": {"lr, batch_size": [[1, 2], [3]]}}, "needs lists of 2 values, one for each key"),
        ({"grid": {"lr, batch_size": [1, 2]}}, "needs lists of 2 values, one for each key"),
        ({"grid": {"lr": [1], "batch_size, lr": [[2, 1]]}}, "'lr' is varied twice"),
        ({"grid": {"lrr, epochs": [[1, 2]]}}, "Did you mean 'lr'"),
        ({"grid": {"runs.bn.lr": [1, 2]}}, "cannot be varied"),
        ({"grid": {"lr": []}}, "one or more different values"),
        ({"grid": {"lr": [1, 1]}}, "one or more different values"),
        ({"grid": {"lr": [1, 1.0]}}, "Two cells of sweep 's' are the same: lr=1, seed 5842"),
        ({"grid": {"lr": [1]}, "exclude": [{"lr": 1}]}, "Every cell of its grid is excluded"),
        ({"grid": {"lr": [1]}, "exclude": [{"lr": 2}]}, "which the grid has not"),
        ({"grid": {"lr": [1]}, "exclude": [{"l": 1}]}, "exclude has the key 'l'"),
        ({"exclude": [{}]}, "would leave out every cell"),
        ({"seeds": True}, "must be a number of seeds"),
        ({"seeds": 0}, "at least one seed"),
        ({"seeds": [1, 1]}, "different numbers"),
        ({"seeds": []}, "different numbers"),
        ({"study": "articel"}, "Did you mean 'article'"),
        ({"study": {"runs": 1}}, "must be a list"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(StudyError) as error:
        chosen(**keys)
    assert told in str(error.value)


def test_the_command_line_beats_the_file() -> None:
    sweep = sweep_of(
        {"name": "s", "grid": {"lr": [1, 2], "norm": ["none"]}, "set": {"epochs": 9},
         "exclude": [{"lr": 1}, {"lr": 2, "norm": "none"}, {"run": "bn"}]}, "s.yaml",
    )  # fmt: skip
    changed = sweep.changed({"lr": 2, "epochs": 1, "dropout": 0.5, "norm": ["batch"]}, 3)
    assert changed.grid == {"lr": [2], "norm": ["batch"]}
    assert changed.set == {"epochs": 1, "dropout": 0.5}
    assert changed.exclude == [{"run": "bn"}]
    assert changed.seeds == 3
    assert sweep.changed() == sweep
    with pytest.raises(StudyError, match="the command"):
        sweep.changed({"lr": []})


def test_files_are_found_by_name_and_path(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{name: mine, network: mlp, runs: [{name: a}]}")
    file = tmp_path / "sweep.yaml"
    file.write_text("{name: s, study: mine.yaml, set: {lr: 0.5}, seeds: [3]}")
    (cell,) = cells(load_sweep(str(file)))
    assert (cell.arm, cell.run.network, cell.run.lr, cell.seed) == ("a", "mlp", 0.5, 3)
    with pytest.raises(StudyError, match="no sweep") as error:
        find_sweep("learning-rate")
    assert "Did you mean 'learning-rates'" in str(error.value)


@pytest.mark.parametrize(
    ("name", "arms", "runs"),
    [("article-seeds", 2, 20), ("learning-rates", 20, 100), ("batch-sizes", 24, 120)],
)
def test_the_sweeps_that_come_along(name: str, arms: int, runs: int) -> None:
    assert find_sweep(name).parent == configs_folder() / "sweeps"
    found = cells(load_sweep(name), str(configs_folder()))
    assert (len(names(found)), len(found)) == (arms, runs)
