"""What a comparison writes into its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_histories import IDENTICAL, STAND_IN, history, published_history

from hindi_bn.article.markdown import table
from hindi_bn.article.report import compare_runs, pair_names, write_descent
from hindi_bn.errors import HindiBnError, RunError

LABELS = np.repeat(np.arange(10), 3)
WRONG = np.where(np.arange(30) == 4, 7, LABELS)  # one image of class 1 is taken for a 7
ENVIRONMENT = {
    "versions": {"torch": "2.15.0"}, "device": "cpu", "device_name": "Testing CPU | 2",
    "threads": 2, "command": "hindi-bn train --bn", "commit": "c4c77c6",
    "started": "2026-11-21T03:25:54+00:00", "seconds": {"training": 10.0, "total": 11.5},
}  # fmt: skip
SMALL = 30  # dots an inch, for speed


def real_comparison(
    folder: Path, slower: float = 1.0, environment: dict[str, Any] = ENVIRONMENT
) -> dict[str, Any]:
    histories = {run: published_history(run) for run in ("no-bn", "bn")}
    for frame in histories.values():
        frame["seconds"] *= slower
    compared = compare_runs(
        histories, {"bn": WRONG}, LABELS, IDENTICAL, published=True,
        environments={"bn": environment}, folder=folder, seed=5842,
    )  # fmt: skip
    return compared.write(dpi=SMALL)


def stand_in_comparison(folder: Path) -> dict[str, Any]:
    histories = {"none": history([2.0, 1.0]), "group": history([1.5, 0.7, 0.5])}
    compared = compare_runs(
        histories, {}, LABELS, STAND_IN, published=False, environments={}, folder=folder
    )
    return compared.write(dpi=SMALL)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("real") / "comparison"
    return folder, real_comparison(folder)


def test_everything_is_written_and_named_in_the_document(
    real: tuple[Path, dict[str, Any]],
) -> None:
    folder, document = real
    expected = {
        "accuracy.png", "loss.png", "confusion.png", "per_class.png", "summary.csv",
        "published.csv", "per_class.csv", "confusion.csv", "comparison.json", "comparison.md",
        "no-bn.history.csv", "bn.history.csv", "bn.environment.json", "timings.json",
    }  # fmt: skip
    assert {path.name for path in folder.iterdir()} == expected
    assert set(document["files"]) == expected
    assert [row["seconds"] for row in document["summary"]] == [10.0, 10.0]
    lasting = ("versions", "device", "device_name", "threads", "command")
    assert json.loads((folder / "comparison.json").read_text()) == document | {
        "summary": [{k: v for k, v in r.items() if k != "seconds"} for r in document["summary"]],
        "environments": {"bn": {key: ENVIRONMENT[key] for key in lasting}},
    }


def test_runs_that_differ_in_time_and_commit_alone_differ_in_one_file(
    real: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    later = ENVIRONMENT | {"commit": "8861bb3", "dirty": True, "started": "2027", "seconds": {}}
    real_comparison(tmp_path, slower=3.0, environment=later)
    differ = [
        p.name for p in real[0].iterdir() if p.read_bytes() != (tmp_path / p.name).read_bytes()
    ]
    assert differ == ["timings.json"]
    assert json.loads((real[0] / "timings.json").read_text()) == {
        "no-bn": {"epochs": [5.0, 10.0], "author": 450.0},
        "bn": {
            "epochs": [5.0, 10.0], "author": 494.0, "commit": "c4c77c6",
            "started": "2026-11-21T03:25:54+00:00", "seconds": {"training": 10.0, "total": 11.5},
        },
    }  # fmt: skip
    rules = (Path(__file__).parents[2] / ".gitignore").read_text().splitlines()
    assert rules.index("results/*/comparison/timings.json") > rules.index("!results/*/comparison/")


def test_the_document_holds_tables_findings_and_environments(
    real: tuple[Path, dict[str, Any]],
) -> None:
    _, document = real
    assert document["data"] == IDENTICAL
    assert document["runs"] == ["no-bn", "bn"]
    assert [row["run"] for row in document["summary"]] == ["no-bn", "bn"]
    assert len(document["published"]) == 24
    assert sum(row["agree"] for row in document["agreement"]) == 24
    assert [finding["number"] for finding in document["findings"]] == [1, 2, 3]
    assert document["confusion"]["bn"][1][7] == 1
    assert document["confusion"]["bn"][0] == [3] + [0] * 9
    assert document["environments"]["bn"]["device_name"] == "Testing CPU | 2"


def test_tables_can_be_read_back_and_carry_the_data_s_name(
    real: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = real
    for name in ("summary", "published", "per_class", "confusion"):
        assert set(pd.read_csv(folder / f"{name}.csv")["data"]) == {IDENTICAL}
    confusion = pd.read_csv(folder / "confusion.csv")
    row = confusion[confusion["true"] == 1].iloc[0]
    assert (row["run"], row["predicted_1"], row["predicted_7"]) == ("bn", 2, 1)
    copy = pd.read_csv(folder / "no-bn.history.csv")
    pd.testing.assert_frame_equal(copy, published_history("no-bn").drop(columns="seconds"))


def test_the_markdown_shows_tables_figures_and_how_the_runs_were_made(
    real: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = real
    text = (folder / "comparison.md").read_text()
    assert "**24 of 24 published numbers agree.**" in text
    assert "| without BN | 2 | 90.07 % |" in text
    for name in ("accuracy", "loss", "confusion", "per_class"):
        assert f"({name}.png)" in text
    assert "`hindi-bn compare`" in text
    assert "| with BN | `bn` | Testing CPU \\| 2 | 2 | 2.15.0 | `hindi-bn train --bn` |" in text
    assert "| without BN | `no-bn` | – | – | – | – |" in text
    assert "| 1 | 3 | 100.00 % | 66.67 % | 80.00 % |" in text
    assert "not comparable" not in text


def test_equal_input_gives_equal_bytes(real: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = real
    real_comparison(tmp_path)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_stand_in_is_named_everywhere_and_never_compared(tmp_path: Path) -> None:
    real_comparison(tmp_path)
    (tmp_path / "mine.txt").write_text("kept")
    document = stand_in_comparison(tmp_path)
    assert document["published"] == []
    assert document["agreement"] == []
    for gone in ("published.csv", "per_class.csv", "confusion.csv", "confusion.png"):
        assert not (tmp_path / gone).exists()
    assert (tmp_path / "mine.txt").exists()
    assert set(pd.read_csv(tmp_path / "summary.csv")["data"]) == {STAND_IN}
    text = (tmp_path / "comparison.md").read_text()
    assert text.count(STAND_IN) >= 5
    assert "published numbers agree" not in text
    assert "the author" not in text
    assert "not comparable" in text


def test_a_number_that_is_not_finite_becomes_null(tmp_path: Path) -> None:
    broken = published_history("bn")
    broken.loc[1, "test_loss"] = float("inf")
    compared = compare_runs(
        {"bn": broken}, {}, LABELS, IDENTICAL, published=True, environments={}, folder=tmp_path
    )
    document = compared.write(dpi=SMALL)
    (row,) = [r for r in document["published"] if (r["epoch"], r["quantity"]) == (1, "test_loss")]
    assert (row["ours"], row["verdict"]) == (None, "differs")
    assert "| 0.168181 | – |" in (tmp_path / "comparison.md").read_text()


def test_all_formats(tmp_path: Path) -> None:
    compared = compare_runs(
        {"bn": history([1.0])}, {}, LABELS, IDENTICAL, published=False, environments={},
        folder=Path("unused"),
    )  # fmt: skip
    document = compared.write(tmp_path, formats=("svg", "pdf"))
    assert document["figures"] == {"accuracy": "accuracy.svg", "loss": "loss.svg"}
    assert {"accuracy.svg", "accuracy.pdf", "loss.svg", "loss.pdf"} <= set(document["files"])
    assert STAND_IN not in (tmp_path / "accuracy.svg").read_text()


def test_nothing_is_written_for_runs_that_cannot_be_analysed(tmp_path: Path) -> None:
    folder = tmp_path / "comparison"
    with pytest.raises(RunError, match="no run"):
        compare_runs({}, {}, LABELS, IDENTICAL, published=False, environments={}, folder=folder)
    with pytest.raises(RunError, match="no run"):
        write_descent(folder, {}, IDENTICAL, {})
    with pytest.raises(RunError, match="2 predictions for 30 images"):
        compare_runs(
            {"bn": history([1.0])}, {"bn": LABELS[:2]}, LABELS, IDENTICAL,
            published=False, environments={}, folder=folder,
        )  # fmt: skip
    assert not folder.exists()


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(HindiBnError, match="Cannot write"):
        stand_in_comparison(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "a file"


def test_descent_figures_of_each_run_and_of_all(tmp_path: Path) -> None:
    histories = {"no-bn": history([2.0, 1.0, 0.5]), "bn": history([1.0, 0.4])}
    capture = {"layer": "4", "wx": [3, 4, 1, 0], "wy": [3, 8, 1, 0]}
    written = write_descent(tmp_path, histories, STAND_IN, {"no-bn": capture}, dpi=SMALL)
    assert sorted(path.name for path in written) == [
        "descent-bn-projected.png", "descent-bn.png", "descent-no-bn-projected.png",
        "descent-no-bn.png", "descent-projected.png", "descent.png",
    ]  # fmt: skip
    assert all(path.stat().st_size > 2000 for path in written)


def test_pair_names_take_indices_and_words() -> None:
    assert pair_names({"layer": "6", "wx": (3, 4, 1, 0), "wy": "bias[2]"}) == {
        "layer": "6", "wx": "weight[3, 4, 1, 0]", "wy": "bias[2]",
    }  # fmt: skip


def test_a_markdown_table() -> None:
    rows = [{"a": "x|y", "b": 1.5}, {"a": "z"}]
    text = table(rows, [("a", "A", str), ("b", "B", lambda value: f"{value:.2f}")])
    assert text == "| A | B |\n| --- | ---: |\n| x\\|y | 1.50 |\n| z | – |"
