"""When two rows of the same run are the same: equal bits, within a tolerance, or different."""

from dataclasses import dataclass
from typing import Any, Literal

from hindi_bn.evidence.row import HISTORY, Row
from hindi_bn.stats.metrics import LAST

Outcome = Literal["same bits", "within tolerance", "different"]

FIRST_LOSS = 0.002
"""Relative difference of the first epoch's training loss."""

LATER_LOSS = 0.05
"""Relative difference of the mean training loss over all epochs."""

ACCURACY = 0.01
"""Difference of the mean test accuracy over the last five epochs."""


@dataclass(frozen=True)
class Agreement:
    """How a run and the same run trained again compare; `why` says what differs, or by how much."""

    outcome: Outcome
    why: str


def must_agree(one: Row, other: Row) -> bool:
    """Say whether two rows of a key must have the same bits.

    Those of the engine must wherever they were trained; others where processor, its extensions,
    threads, system, torch and how many were trained together are known and equal.
    """
    return one.numerics == "engine" or (
        one.environment["cpu_flags"] is not None and _machine(one) == _machine(other)
    )


def same_bits(one: Row, other: Row) -> bool:
    """Say whether two runs ended alike, with the same weights and the same history to the last bit.

    Columns that recordings added are compared where both have them.
    """
    shared = one.recorded.keys() & other.recorded.keys()
    return (
        (one.status, one.weights, one.diverged) == (other.status, other.weights, other.diverged)
        and one.history == other.history
        and all(one.recorded[name] == other.recorded[name] for name in shared)
    )


def compare(one: Row, other: Row) -> Agreement:
    """Compare two rows of the same run; see docs/evidence.md for the tolerance."""
    if same_bits(one, other):
        return Agreement("same bits", "weights and history are equal to the last bit")
    why = difference(one, other)
    if must_agree(one, other):
        where = "by the engine" if one.numerics == "engine" else "on equal machines"
        return Agreement("different", f"trained {where}, yet {why}")
    epochs = [len(row.history["train_loss"]) for row in (one, other)]
    if one.status != other.status or epochs[0] != epochs[1]:
        return Agreement("different", f"trained on another machine, and {why}")
    found = _distances(one, other)
    near = all(value <= most for value, most in found.values())
    text = ", ".join(f"{k} {value:.2g} (at most {most:g})" for k, (value, most) in found.items())
    said = f"trained on another machine: {text or why}"
    return Agreement("within tolerance" if near else "different", said)


def difference(one: Row, other: Row) -> str:
    """Say where two runs that are not the same differ first."""
    if one.status != other.status:
        return f"one {one.status} and the other {other.status}"
    if one.diverged != other.diverged:
        return f"one diverged at {one.diverged}, the other at {other.diverged}"
    for epoch in range(min(len(each.history["train_loss"]) for each in (one, other))):
        for name in HISTORY:
            a, b = one.history[name][epoch], other.history[name][epoch]
            if a != b:
                return f"{name} of epoch {epoch + 1} is {a!r} in one and {b!r} in the other"
    return "their weights differ"


def _distances(one: Row, other: Row) -> dict[str, tuple[float, float]]:
    """Return each distance of two runs of as many epochs, and the most that is tolerated."""
    first, second = one.history["train_loss"], other.history["train_loss"]
    if not first:
        return {}
    shares = [row.history["test_accuracy"][-LAST:] for row in (one, other)]
    accuracy = abs(sum(shares[0]) - sum(shares[1])) / len(shares[0])
    return {
        "first training loss differs by": (_relative(first[0], second[0]), FIRST_LOSS),
        "mean training loss by": (_relative(sum(first), sum(second)), LATER_LOSS),
        "last test accuracies by": (accuracy, ACCURACY),
    }


def _relative(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other)) if one != other else 0.0


def _machine(row: Row) -> tuple[Any, ...]:
    names = ("device", "device_name", "cpu_flags", "system", "threads", "torch", "ensemble")
    return tuple(row.environment[name] for name in names)
