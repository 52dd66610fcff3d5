"""What the benchmark says: its document, its tables, its figure, its command line."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import linregress
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner

from hindi_bn.bench import benchmark
from hindi_bn.bench.document import many_document, network_document, sizes_document
from hindi_bn.bench.many import ManyRuns
from hindi_bn.bench.measure import Bench, LayerWork, Measured, NetworkBench
from hindi_bn.bench.peak import Peak
from hindi_bn.cli import app
from hindi_bn.cli.bench import bench_tables
from hindi_bn.errors import DataError
from hindi_bn.figures.bench import cost_figure
from hindi_bn.figures.style import Caption


def made_network(seconds: dict[str, list[float]]) -> NetworkBench:
    """Ways that took these seconds, of which training was half; 1,000 images."""
    ways = {}
    for way, taken in seconds.items():
        rows = [
            {"seconds": s, "train_seconds": s / 2, "train_loss": 1.0 + e, "test_loss": 2.0 * s,
             "train_accuracy": 0.5, "test_accuracy": 0.25}
            for e, s in enumerate(taken)
        ]  # fmt: skip
        start_ = {"torch": 1.0, "data": 1.5, "step": 2.0}
        ways[way] = Measured(way, rows, start_, memory=700.0, torch_memory=500.0)
    run = tiny_study().runs[1]
    work = [LayerWork("0", "Conv2d", 10, 20), LayerWork("1", "Linear", 10, 30)]
    peaks = [Peak(1e4, 2e4), Peak(4e4, 8e4), Peak(2e4, 4e4)]
    return NetworkBench(run, work, 1000, ways, peaks)


SECONDS = {"notebook": [8.0, 9.0, 12.0], "exact": [4.0, 3.0, 4.0], "fast": [2.0, 3.0, 4.0]}


def test_the_document_by_hand() -> None:
    document = network_document(made_network(SECONDS))
    notebook, exact, fast = document["ways"]
    assert notebook["seconds"] == {"median": 9.0, "min": 8.0, "max": 12.0}
    assert exact["ratio"] == {"median": 3.0, "min": 2.0, "max": 3.0}  # 2, 3 and 3
    assert fast["train_seconds"]["median"] == 1.5
    assert fast["images_per_second"] == 1000 / 1.5
    assert fast["rate"] == 1000 * 50 / 1.5
    assert fast["share_of_product"] == pytest.approx(50_000 / 1.5 / 2e4)
    assert fast["share_of_convolution"] == pytest.approx(50_000 / 1.5 / 4e4)
    assert fast["memory_above_torch"] == 200
    assert document["operations"]["training"] == 50
    assert [row["test_loss"] for row in document["agreement"]["fast - exact"]] == [4.0, 0.0, 0.0]
    alone = network_document(made_network({"fast": [1.0]}))
    assert alone["ways"][0]["ratio"] is None
    assert alone["agreement"] == {}


def whole_document() -> dict[str, Any]:
    network = made_network(SECONDS)
    return {
        "data": "made-up digits",
        "environment": {"device": "cpu", "device_name": "abacus", "versions": {"torch": "9.9"}},
        "threads": 2,
        "epochs": 3,
        "least_start": {"torch": 1.0, "step": 2.0},
        "networks": [network_document(network)],
        "many": many_document(
            [ManyRuns(n, 3, "exact", 4.0 * n, 8.0 * n, "2 workers") for n in (1, 2, 4)]
        ),
        "sizes": sizes_document([network]),
    }


def printed(document: dict[str, Any]) -> str:
    console = Console(width=100, file=io.StringIO())
    for part in bench_tables(document):
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_tables_say_what_was_measured() -> None:
    text = printed(whole_document())
    for expected in (
        "bn: three_convs, norm batch, 1,000 images per epoch, threads: 2, n = 3 epochs",
        "fast          3.00    2.00    4.00",
        "training step for an image, counted as plain convolutions: 0.00 Mflop",
        "fast - exact",
        "torch and a step of SGD",
        "Chosen: 2 workers.",
    ):
        assert " ".join(expected.split()) in " ".join(text.split()), text
    assert "Many runs" not in printed(whole_document() | {"many": []})


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["bench", *arguments])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asked the benchmark for, which answers with a made document."""
    asked: dict[str, Any] = {}

    def answer(study: Any, data_dir: Path, **rest: Any) -> dict[str, Any]:
        asked.update(rest, study=study, data_dir=data_dir)
        return whole_document()

    monkeypatch.setattr(benchmark, "benchmark", answer)
    return asked


def test_bench_prints_tables_or_json(asked: dict[str, Any]) -> None:
    shown = invoke("--epochs", "4", "--threads", "1", "--seeds", "8", "--data-dir", "there")
    assert shown.exit_code == 0, shown.output
    assert "abacus (cpu), torch 9.9. Data: made-up digits." in shown.output
    assert asked["study"].threads == 1
    assert (asked["epochs"], asked["every"], asked["seeds"]) == (4, 1, [8])
    assert asked["fractions"] == ()
    assert json.loads(invoke("--json", "--short").stdout)["threads"] == 2
    assert (asked["every"], asked["seeds"]) == (4, [])


def test_bench_draws_a_figure(asked: dict[str, Any], tmp_path: Path) -> None:
    figure = tmp_path / "cost.png"
    shown = invoke("--figure", str(figure), "--json")
    assert shown.exit_code == 0, shown.output
    assert figure.stat().st_size > 10_000
    assert (asked["fractions"], asked["seeds"]) == ((8, 4, 2), [1, 2, 4])
    invoke("--figure", str(tmp_path / "cost.svg"), "--seeds", "6", "-q")
    assert asked["seeds"] == [1, 2, 4, 6]
    assert (tmp_path / "cost.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--figure", "cost.gif"], 1, "known formats are png, svg, pdf"),
        (["--epochs", "2"], 2, "--epochs"),
        (["--seeds", "1"], 2, "--seeds"),
        (["--data-dir", "nowhere"], 1, "hindi-bn download"),
        (["--config", "nothing"], 1, "There is no study"),
    ],
)
def test_bench_refuses(
    arguments: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = invoke(*arguments)
    assert (shown.exit_code, message in shown.output) == (code, True), shown.output


def test_the_whole_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[tuple[str, int]] = []

    def made(bench: Bench, run: Any, note: Any) -> NetworkBench:
        measured.append((run.name, bench.images))
        return made_network(SECONDS)

    runs = ManyRuns(2, 3, "exact", 1.0, 2.0, "2 workers")
    digits = dataclasses.replace(tiny_digits(train=80, test=40), name="stand-in")
    monkeypatch.setattr(benchmark, "load", lambda data_dir, name: digits)
    monkeypatch.setattr(benchmark, "measure", made)
    monkeypatch.setattr(benchmark, "measure_many", lambda bench, digits, number, device: runs)
    monkeypatch.setattr(benchmark, "least_start", lambda: {"torch": 1.0, "step": 2.0})
    notes: list[str] = []
    study = tiny_study(data="stand-in")
    document = benchmark.benchmark(
        study, tmp_path, every=2, seeds=[2], fractions=[4, 2], note=notes.append
    )
    assert measured == [("no-bn", 40), ("bn", 40), ("no-bn", 10), ("no-bn", 20)]
    assert notes == ["2 runs: 1.0 s side by side (2 workers)"]
    assert [row["way"] for row in document["sizes"]] == ["notebook", "exact", "fast"] * 3
    assert document["data"] == "drawn stand-in, not the article's data"
    assert "many" in printed(document).lower()
    json.dumps(document, allow_nan=False)
    assert benchmark.benchmark(study.model_copy(update={"threads": None}), tmp_path)["sizes"] == []
    monkeypatch.undo()
    with pytest.raises(DataError):
        benchmark.benchmark(tiny_study(), tmp_path / "nowhere")


def test_cost_is_drawn_along_its_line() -> None:
    sizes = pd.DataFrame(
        [{"images": n, "way": way, "median": n / 100, "min": n / 110, "max": n / 90}
         for way in ("notebook", "fast") for n in (100, 200, 400)]
    )  # fmt: skip
    runs = pd.DataFrame([{"runs": n, "one_by_one": 2.0 * n, "side_by_side": n} for n in (1, 2)])
    line = linregress([1, 2, 4], [0.01, 0.02, 0.04])
    lines = {"notebook": line, "fast": line}
    left, right = cost_figure(sizes, runs, lines, Caption("made-up digits", "details")).axes
    drawn = [line for line in left.lines if len(line.get_xdata()) == 2]
    assert np.allclose(drawn[0].get_ydata(), [0, 4])
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["the notebook's way (line: $R^2$ = 1.0000)", "fast (line: $R^2$ = 1.0000)"]
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        "one after the other", "side by side",
    ]  # fmt: skip
    assert left.get_xlabel() == "Training images"
    assert right.get_ylabel() == "Seconds, start included"
