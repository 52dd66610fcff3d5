"""The second looks of docs/looked_at_afterwards.py agree with the measures that they take apart."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny_digits
from tiny_runs import trained

from hindi_bn.measures import measure
from hindi_bn.records import RunFolder

pytestmark = pytest.mark.slow

NETWORK = "conv_pair"  # small
SCRIPT = Path(__file__).parents[1] / "docs/looked_at_afterwards.py"
RECORDED = [
    {"kind": "weights"}, {"kind": "percentiles", "per_class": 4},
    {"kind": "along-gradient", "every": 6, "multiples": [1, 2], "relative": [0.01, 0.02]},
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a network, without BN and with it."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        for norm in ("none", "batch"):
            trained(
                folder / f"{seed}-{norm}", seed=seed, epochs=2,
                runs=[{"name": "bn", "norm": norm, "network": NETWORK, "recordings": RECORDED}],
            )  # fmt: skip
    return folder


def looked(name: str, runs: Path) -> Any:
    return runpy.run_path(str(SCRIPT))["look"](name, runs, NETWORK).set_index("value")


def means(runs: Path, name: str, value: str) -> list[float]:
    """A measure's mean over the seeds, without BN and with it."""
    return [
        float(np.mean([
            measure(RunFolder(runs / f"{seed}-{norm}/article/bn"), name, tiny_digits())[value]
            for seed in (1, 2)
        ]))
        for norm in ("none", "batch")
    ]  # fmt: skip


def test_all_weights_together_turn_as_claim_5_measures_it(runs: Path) -> None:
    found = looked("paths", runs)
    row = found.loc["turning angle, degrees"]
    assert list(row[["without", "with BN"]]) == pytest.approx(
        means(runs, "weight-paths", "turning_angle")
    )
    assert row["with minus without"] == pytest.approx(row["with BN"] - row["without"])
    assert list(found["n"].unique()) == [2]
    shares = found.loc["share of epochs in which a weight goes on as in the one before"]
    assert shares[["without", "with BN"]].between(0, 1).all()


def test_the_layers_changes_are_those_that_claim_19_averages(runs: Path) -> None:
    found = looked("percentiles", runs)
    assert len(found) == 2  # two activations, whatever their place in the network is called
    one = runpy.run_path(str(SCRIPT))["percentiles"](RunFolder(runs / "1-batch/article/bn").read())
    whole = measure(RunFolder(runs / "1-batch/article/bn"), "distribution-change", tiny_digits())
    assert np.mean(2.0 ** np.array(list(one.values()))) == pytest.approx(whole["per_reading_later"])


def test_at_one_loss_the_ranges_are_those_of_its_readings(runs: Path) -> None:
    found = looked("gradient", runs)
    assert list(found.index.str.contains("by the learning rate")).count(True) * 2 == len(found)
    for column in ("without", "with BN"):
        assert np.isfinite(found[column]).all()
