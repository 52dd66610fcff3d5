"""What of the claims and of computed surfaces goes aboard a page."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from hindi_bn.errors import ClaimsError, HindiBnError
from hindi_bn.page.ledger import ledger
from hindi_bn.page.surfaces import surfaces
from hindi_bn.records import Record

CLAIMS = Path(__file__).parents[2] / "results" / "claims"


def same_digits(found: float | None, value: float) -> bool:
    """Whether a number has the digits that the ledger shows of this; none that is none is null."""
    return found is None if not math.isfinite(value) else f"{found:+.3g}" == f"{value:+.3g}"


@pytest.fixture(scope="module")
def aboard() -> dict[str, Any]:
    found = ledger(CLAIMS)
    assert found is not None
    return found


def test_each_claim_has_its_verdict_its_decisive_effect_and_its_seeds(
    aboard: dict[str, Any],
) -> None:
    written = json.loads((CLAIMS / "claims.json").read_text())["claims"]
    assert [each["id"] for each in aboard["claims"]] == [each["id"] for each in written]
    for told, claim in zip(aboard["claims"], written, strict=True):
        assert (told["verdict"], told["rule"]) == (claim["verdict"], claim["rule"])
        for test, effect in zip(told["tests"], claim["effects"], strict=True):
            assert same_digits(test["effect"], effect["mean"]), (told["id"], test)
            assert same_digits(test["low"], effect["corrected_low"])
            assert (test["n"], test["region"]) == (len(effect["seeds"]), effect["region"])
            assert test["seeds"] == f"{effect['seeds'][0]} to {effect['seeds'][-1]}"
        assert told["verdict"] in aboard["verdicts"]


def test_margins_are_counted_inwards_from_the_nearest_end(aboard: dict[str, Any]) -> None:
    by_id = {each["id"]: each["margins"] for each in aboard["claims"]}
    above_ten = {"end": 10.0, "inward": 1, "margin": 10.0, "width": None}
    assert by_id[26] == above_ten  # the claim holds above 10 points, without another end
    low_end = {"end": -0.5, "inward": 1, "margin": 0.5, "width": 2.0}
    assert by_id[19] == low_end  # between -0.5 and 0.5 doublings; found: -1.7


def test_every_specification_is_aboard_as_it_was_written(aboard: dict[str, Any]) -> None:
    claims = {each["id"]: list(each["analyses"]) for each in aboard["claims"]}
    keys = [*aboard["choices"]]
    assert keys == ["test", "correction", "epoch", "diverged", "seeds", "verdict"]
    with (CLAIMS / "multiverse.csv").open() as file:
        for row in csv.DictReader(file):
            *places, effect, low, high, n = claims[int(row["id"])].pop(0)
            said = [aboard["choices"][key][place] for key, place in zip(keys, places, strict=True)]
            assert said == [row[key] for key in keys]
            assert n == int(row["n"])
            for name, value in (("effect", effect), ("low", low), ("high", high)):
                assert same_digits(value, float(row[name] or "nan")), row
    assert not any(claims.values())


def test_the_ledger_is_small(aboard: dict[str, Any]) -> None:
    """25,000 bytes for nine claims, when it was written: so many for each."""
    size = len(json.dumps(aboard, separators=(",", ":")))
    assert size < 25_000 / 9 * len(aboard["claims"])


def test_without_claims_or_multiverse_it_says_less(tmp_path: Path) -> None:
    assert ledger(tmp_path / "nowhere") is None
    shutil.copy(CLAIMS / "claims.json", tmp_path)
    found = ledger(tmp_path)
    assert found is not None
    assert found["choices"] == {}
    assert not any(each["analyses"] for each in found["claims"])


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    shutil.copy(CLAIMS / "claims.json", tmp_path)
    (tmp_path / "multiverse.csv").write_text("id,test\n1,t\n")
    with pytest.raises(ClaimsError, match=r"multiverse.csv cannot be read"):
        ledger(tmp_path)


ABOUT = {"dimensions": 2, "images": "10 images", "directions": "path", "explained": {}}
HEAD = "run,arm,seed,network,statistics,x,y,loss,accuracy"
POINTS = [(1, 0, "0.25"), (0, 0, "0.123456"), (0, 3, "2"), (1, 3, "nan")]


def write_result(folder: Path, name: str, run: str, seed: int, **about: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(ABOUT | about))
    rows = [f"{run},bn,{seed},trained,batch,{x},{y},{loss},0.5" for x, y, loss in POINTS]
    (folder / f"{name}.csv").write_text("\n".join([HEAD, *rows]) + "\n")


def test_a_plane_is_a_grid_with_its_path_by_epochs_trained(
    tmp_path: Path, runs: list[Record]
) -> None:
    name, seed = runs[1].name, runs[1].study.seed
    write_result(tmp_path, "plane", name, seed)
    (tmp_path / "plane-path.csv").write_text(
        "run,arm,seed,statistics,epoch,step,x,y,away,loss,accuracy,loss_in_plane\n"
        f"{name},bn,{seed},batch,-1,0,0.5,1,0,2.3,0.1,2.3\n"
        f"{name},bn,{seed},batch,0,5,1,2,0,1.5,0.4,1.6\n"
        f"other,bn,{seed},batch,0,5,9,9,0,9,0.4,9\n"
    )
    [result] = surfaces(tmp_path, runs)
    assert (result["name"], result["directions"]) == ("plane", "path")
    [plane] = result["planes"]
    assert (plane["x"], plane["y"]) == ([0, 1], [0, 3])
    assert plane["loss"] == [[0.1235, 0.25], [2.0, None]]
    assert plane["path"] == {"x": [0.5, 1], "y": [1, 2], "loss": [2.3, 1.5], "epoch": [0, 1]}


def test_lines_and_other_runs_planes_stay_ashore(tmp_path: Path, runs: list[Record]) -> None:
    write_result(tmp_path, "other-seed", runs[0].name, 1)
    write_result(tmp_path, "line", runs[0].name, runs[0].study.seed, dimensions=1)
    assert surfaces(tmp_path, runs) == []
    assert surfaces(tmp_path / "nowhere", runs) == []


def test_a_plane_with_a_point_missing_is_refused(tmp_path: Path, runs: list[Record]) -> None:
    write_result(tmp_path, "plane", runs[0].name, runs[0].study.seed)
    lines = (tmp_path / "plane.csv").read_text().splitlines()
    (tmp_path / "plane.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(HindiBnError, match=r"plane.json cannot be read"):
        surfaces(tmp_path, runs)
