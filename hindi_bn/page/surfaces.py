"""What of the loss around networks goes aboard: planes that have been computed beside the runs."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hindi_bn.errors import HindiBnError
from hindi_bn.files import plain_json, refused
from hindi_bn.page.ledger import rounded
from hindi_bn.records import Record

KEYS = ["run", "seed", "network", "statistics"]


def surfaces(folder: Path, records: Collection[Record]) -> list[dict[str, Any]]:
    """Read the planes around these runs from a folder of results of `hindi-bn landscape surface`.

    For each result its name, images, directions, and `planes`: run, network, statistics, `x` and
    `y` of the grid, `loss` (y, x; null where it is none), and the run's `path` in the plane, by
    epochs trained, where it was asked for. HindiBnError for a file that cannot be read.
    """
    runs = {(record.name, str(record.study.seed)) for record in records}
    found = []
    for file in sorted(folder.glob("*.json")):
        with refused(f"{file} cannot be read.", "delete it, or compute it again", HindiBnError):
            document = json.loads(file.read_text(encoding="utf-8"))
            if document.get("dimensions") == 2:  # noqa: PLR2004
                planes = list(_planes(file, runs))
                about = {name: document[name] for name in ("images", "directions", "explained")}
                found += [{"name": file.stem, **about, "planes": planes}] if planes else []
    return list(plain_json(found))


def _planes(file: Path, runs: Collection[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    table = pd.read_csv(file.with_suffix(".csv"), dtype={"seed": str})
    beside = file.with_name(f"{file.stem}-path.csv")
    path = pd.read_csv(beside, dtype={"seed": str}) if beside.exists() else None
    for (run, seed, network, statistics), part in table.groupby(KEYS, sort=False):
        if (run, seed) not in runs:
            continue
        x, y = np.unique(part["x"]), np.unique(part["y"])
        loss = part.sort_values(["y", "x"])["loss"].to_numpy().reshape(len(y), len(x))
        yield {
            "run": run, "network": network, "statistics": statistics, "x": _rounded(x),
            "y": _rounded(y), "loss": [_rounded(row) for row in loss],
            "path": None if path is None else _path(path, str(run), str(statistics)),
        }  # fmt: skip


def _path(path: pd.DataFrame, run: str, statistics: str) -> dict[str, list[float]]:
    own = path[(path["run"] == run) & (path["statistics"] == statistics)]
    places = {name: _rounded(own[name]) for name in ("x", "y", "loss")}
    return places | {"epoch": [int(epoch) + 1 for epoch in own["epoch"]]}


def _rounded(values: Any) -> list[float]:
    return [rounded(float(value), 4) for value in np.asarray(values)]
