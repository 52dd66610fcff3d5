"""What is measured on trained networks: a file per measure.

Each file has `measure`, which gives the values by name from a finished run and the digits that it
was trained on, `VALUES` with their labels and units, and `VERSION`, raised whenever the same run
would give other values; one that is computed from a recording names its kind, `RECORDING`.
`<run>/measures/<name>.json` holds a measure's values and its version; a file of another version is
measured anew. The same run and the same version give the same bytes.
"""

import math
from pathlib import Path
from types import ModuleType
from typing import Any

from hindi_bn.digits import Digits
from hindi_bn.errors import RunError, StudyError
from hindi_bn.files import read_sealed, refused, write_sealed
from hindi_bn.records import RunFolder
from hindi_bn.registry import find_known
from hindi_bn.stats import metrics

FOLDER = "measures"

BEFORE = ("measure", "version", "values")
"""What a file held before it had a digest."""


def measure(folder: RunFolder, name: str, digits: Digits) -> dict[str, float]:
    """Return a measure of a finished run, from its folder if it was taken before.

    Values by name; what is not defined for the run (a mean over nothing) is left away. StudyError
    when there is no such measure, RunError when the run is unfinished, damaged, was trained on
    other data, or has not recorded what the measure needs.
    """
    chosen, file = _found(name), folder.path / "measures" / f"{name}.json"
    kept = _read(file, chosen.VERSION)
    if kept is not None:
        return kept
    if not folder.finished:
        raise RunError(
            f"{folder.path} cannot be measured.",
            "It holds no finished run.",
            "train it first, or go on with --resume",
        )
    record = folder.read()
    record.check_data(digits)
    values = {k: float(v) for k, v in chosen.measure(record, digits).items() if math.isfinite(v)}
    document = {"measure": name, "version": chosen.VERSION, "values": values}
    write_sealed(file, document)
    return values


def kept_measures(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """Return what has been measured of a run: `version` and `values` by the measure's name."""
    found = {}
    for file in sorted((folder.path / FOLDER).glob("[!.]*.json")):
        with refused(f"{file} cannot be read.", "delete it: it is measured again"):
            document = read_sealed(file, BEFORE)
            values = {str(key): float(value) for key, value in document["values"].items()}
            found[file.stem] = {"version": int(document["version"]), "values": values}
    return found


def version_of(name: str) -> int:
    """Return a measure's version today; StudyError when there is no such measure."""
    return int(_found(name).VERSION)


def recording_of(name: str) -> str | None:
    """Return the kind of recording that a measure is computed from, if any; see `version_of`."""
    kind: str | None = getattr(_found(name), "RECORDING", None)
    return kind


def metric_named(name: str) -> metrics.Metric:
    """Return a metric of a run or an epoch, or a value of a measure, as MEASURE.VALUE.

    HindiBnError when there is none of that name.
    """
    of, dot, value = name.partition(".")
    if not dot:
        return metrics.metric_named(name)
    values: dict[str, metrics.Metric] = _found(of).VALUES
    if value not in values:
        raise StudyError(
            f"The measure {of!r} has no value {value!r}.", f"Its values are {', '.join(values)}."
        )
    return values[value]


def _found(name: str) -> ModuleType:
    return find_known(FOLDER, name, "measure")


def _read(file: Path, version: int) -> dict[str, float] | None:
    """Return the kept values; None when there are none of this version."""
    if not file.exists():
        return None
    with refused(f"{file} cannot be read.", "delete it: it is measured again when it is needed"):
        document = read_sealed(file, BEFORE)
        if document["version"] != version:
            return None
        return {str(key): float(value) for key, value in document["values"].items()}
