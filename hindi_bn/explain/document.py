"""What an explanation is made of: steps with formula, numbers and checks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TOLERANCE = 1e-5  # of float32 torch against float64 by hand, times the largest value if above 1


@dataclass(frozen=True, eq=False)
class Values:
    """Numbers of a step, named with their symbol (`mean μ`).

    (channels,), (batch, channels), (batch, channels, height, width), or without axes; `axis` is
    what is counted along the one axis of (channels,), or what stands at each of its places. `form`
    writes a number, where four decimals would not do.
    """

    name: str
    numbers: Array
    axis: str | tuple[str, ...] = "channel"
    form: str = ""


@dataclass(frozen=True)
class Check:
    """A comparison of a step by hand with torch, or a closed form; differences are absolute."""

    against: str
    largest_difference: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.largest_difference <= self.tolerance


@dataclass(frozen=True)
class Step:
    """One step: what is done, the formula line by line, what to see in the numbers, and these."""

    title: str
    formula: tuple[str, ...] = ()
    text: str = ""
    values: tuple[Values, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The steps in order, on the batch that `data` describes.

    `layer` is torch's that is explained, `BatchNorm1d` or `BatchNorm2d`, or none; `arrays` are what
    figures draw, by name, and no part of `document`; `against` is what the checks compare with.
    """

    title: str
    data: str
    layer: str
    steps: tuple[Step, ...]
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False)
    against: str = "torch"

    @property
    def agrees(self) -> bool:
        """Whether every check agrees."""
        return all(check.agrees for step in self.steps for check in step.checks)

    def document(self) -> dict[str, Any]:
        """Return everything for JSON, numbers at full precision; 0/0 is None."""
        return {
            "title": self.title, "data": self.data, "layer": self.layer,
            f"agrees_with_{self.against.replace(' ', '_')}": self.agrees,
            "steps": [_step(number, step) for number, step in enumerate(self.steps, start=1)],
        }  # fmt: skip


def compare(against: str, ours: Array, theirs: Any) -> Check:
    """Compare numbers by hand with torch's, a tensor or an array of the same shape."""
    expected = np.asarray(theirs, dtype=np.float64)
    if expected.shape != ours.shape:
        raise ValueError(f"shapes {ours.shape} and {expected.shape} cannot be compared")
    largest = max(1.0, float(np.abs(expected).max()))
    return Check(against, float(np.abs(ours - expected).max()), TOLERANCE * largest)


def _step(number: int, step: Step) -> dict[str, Any]:
    values = [
        {"name": each.name, "shape": list(each.numbers.shape), "numbers": _plain(each.numbers)}
        for each in step.values
    ]
    checks = [asdict(check) | {"agrees": check.agrees} for check in step.checks]
    return {
        "number": number, "title": step.title, "formula": list(step.formula), "text": step.text,
        "values": values, "checks": checks,
    }  # fmt: skip


def _plain(numbers: Array) -> Any:
    plain = numbers.astype(object)
    plain[~np.isfinite(numbers)] = None
    return plain.tolist()
