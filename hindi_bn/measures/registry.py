"""Quantities measured on a trained run, each once: they are kept in the run's folder.

`<run>/measures/<name>.json` holds a measure's values and its version; a file of another version is
measured anew. The same run and the same version give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hindi_bn.digits import Digits
from hindi_bn.errors import RunError, StudyError
from hindi_bn.files import write_text
from hindi_bn.measures.generalisation import generalisation
from hindi_bn.measures.networks import batch_statistics, shifted_digits
from hindi_bn.measures.recorded import drift, loss_roughness, weight_paths
from hindi_bn.records import Record, RunFolder


@dataclass(frozen=True)
class Measure:
    """How something is measured.

    Parameters
    ----------
    take
        Gives the values by name, from a finished run and the digits that it was trained on.
    version
        Raised whenever the same run would give other values.
    """

    take: Callable[[Record, Digits], dict[str, float]]
    version: int = 1


MEASURES: Mapping[str, Measure] = {
    "batch-statistics": Measure(batch_statistics),
    "generalisation": Measure(generalisation),
    "shifted-digits": Measure(shifted_digits),
    "weight-paths": Measure(weight_paths),
    "loss-roughness": Measure(loss_roughness, version=2),
    "drift": Measure(drift),
}


def measure(folder: RunFolder, name: str, digits: Digits) -> dict[str, float]:
    """Return a measure of a finished run, from its folder if it was taken before.

    Parameters
    ----------
    folder
        The run's folder; the values are kept in `measures/<name>.json` there.
    name
        A key of `MEASURES`.
    digits
        The data that the run was trained on.

    Returns
    -------
    Values by name; what is not defined for the run (a mean over nothing) is left away. For their
    meaning see the function of the measure.

    Raises
    ------
    StudyError
        When there is no such measure.
    RunError
        When the run is unfinished, damaged, was trained on other data, or has not recorded what
        the measure needs.
    HindiBnError
        When the file cannot be written.
    """
    if name not in MEASURES:
        raise StudyError(
            f"There is no measure {name!r}.",
            f"The measures are {', '.join(MEASURES)}.",
            "name one of these, and a quantity after a dot",
        )
    chosen, file = MEASURES[name], folder.path / "measures" / f"{name}.json"
    kept = _read(file, chosen.version)
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
    values = {k: float(v) for k, v in chosen.take(record, digits).items() if math.isfinite(v)}
    document = {"measure": name, "version": chosen.version, "values": values}
    write_text(file, json.dumps(document, indent=2, allow_nan=False) + "\n")
    return values


def _read(file: Path, version: int) -> dict[str, float] | None:
    """Return the kept values; None when there are none of this version."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["version"] != version:
            return None
        return {str(key): float(value) for key, value in document["values"].items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{file} cannot be read.",
            " ".join(str(error).split()) or type(error).__name__,
            "delete it: it is measured again when it is needed",
        ) from error
