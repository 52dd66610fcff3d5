"""That a run says when other programs keep the processors busy; the clocks are made up."""

from __future__ import annotations

import pytest

from hindi_bn.training.busy import noticing


def notes_of(share: float, seconds: float = 0.5, steps: int = 10) -> list[str]:
    """What is noted when a step takes so many seconds, and the thread computes for a share."""
    said: list[str] = []
    done: list[int] = []
    step = noticing(
        lambda number, steps: done.append(number), said.append,
        wall=lambda: seconds * len(done), own=lambda: share * seconds * len(done),
    )  # fmt: skip
    for number in range(1, steps + 1):
        step(number, steps)
    assert done == list(range(1, steps + 1))
    return said


@pytest.mark.parametrize("share", [0.8, 1.0])
def test_an_idle_machine_is_not_remarked_upon(share: float) -> None:
    assert notes_of(share) == []


def test_a_busy_one_is_once_with_what_to_do() -> None:
    (said,) = notes_of(0.48)
    assert "48% of the time" in said
    assert "--threads 1" in said


def test_nothing_is_judged_before_two_seconds() -> None:
    assert notes_of(0.1, seconds=0.1, steps=20) == []
    assert len(notes_of(0.1, seconds=0.1, steps=22)) == 1
