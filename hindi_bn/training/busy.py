"""Processors that other programs keep busy: noticed in a run's first steps, and said."""

import time
from collections.abc import Callable

from hindi_bn.training.loop import OnStep

_WATCHED = 2.0  # seconds of steps after which it is judged
_TOO_LITTLE = 0.7  # share of the time in which the training thread computes; alone it is about 1

Clock = Callable[[], float]


def noticing(
    on_step: OnStep,
    note: Callable[[str], None],
    wall: Clock = time.perf_counter,
    own: Clock = time.thread_time,
) -> OnStep:
    """Return `on_step`, which also says once, after two seconds, when the processors are busy.

    `own` is the processor time of the training thread: it computes or spins all the time, unless
    other programs take its processor.
    """
    began: tuple[float, float] | None = None
    judged = False

    def step(done: int, steps: int) -> None:
        nonlocal began, judged
        on_step(done, steps)
        if judged:
            return
        if began is None:
            began = wall(), own()
            return
        passed = wall() - began[0]
        if passed < _WATCHED:
            return
        judged = True
        share = (own() - began[1]) / passed
        if share < _TOO_LITTLE:
            note(
                f"Other programs keep the processors busy: this training has its own for "
                f"{share:.0%} of the time. Let them end first, or train with --threads 1: threads "
                "that wait for each other lose most (the last digits of losses then differ)."
            )

    return step
