"""Carrying tries out: in two processes side by side, until the time is over."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from faults.children import adopt_orphans
from faults.table import Outcome
from faults.tries import Try
from faults.workplace import Workplace

FASTEST = 10  # tries a second that no machine reaches
STUCK = 300  # seconds without any outcome after which something is wrong with the campaign itself


@dataclass(frozen=True)
class Campaign:
    """Tries in the order in which they are carried out, and the seed of what they draw."""

    tries: Sequence[Try]
    seed: int

    @classmethod
    def of(cls, kinds: Sequence[tuple[int, Iterable[Try]]], seed: int, minutes: float) -> Campaign:
        """By turns so many tries of each kind, until there are more than the minutes are long."""
        left = [(count, iter(tries)) for count, tries in kinds]
        tries: list[Try] = []
        most = int(60 * FASTEST * minutes)
        while len(tries) < most:
            turn = [one for count, kind in left for one in itertools.islice(kind, count)]
            if not turn:
                break
            tries += turn
        return cls(tries, seed)


def shuffled(tries: Iterable[Try], seed: int) -> list[Try]:
    """Tries in an order that the seed draws; those that take little time tend to come first."""
    random = Random(seed)
    return sorted(tries, key=lambda one: one.seconds * random.random())


_now: tuple[Campaign, Workplace, float]


def carry_out_all(
    campaign: Campaign, place: Workplace, until: float, workers: int
) -> list[Outcome]:
    """Carry out tries until all are done or `until`, a time of `time.monotonic`."""
    global _now  # noqa: PLW0603 (what forked workers see)
    _now = campaign, place, until
    forked = multiprocessing.get_context("fork")
    outcomes = []
    with forked.Pool(workers, adopt_orphans) as pool:
        found = pool.imap_unordered(_carry_out, range(len(campaign.tries)))
        for _ in campaign.tries:
            outcome = found.next(timeout=STUCK)
            if outcome is not None:
                outcomes.append(outcome)
                if outcome.wrong:
                    print(f"NOT HELD: {outcome}", flush=True)
    return outcomes


def _carry_out(number: int) -> Outcome | None:
    campaign, place, until = _now
    if time.monotonic() >= until:
        return None
    one = campaign.tries[number]
    try:
        wrong = one.carry_out(place, Random(f"{campaign.seed}-{number}"))
    except Exception as error:  # a campaign that breaks down has not shown that anything holds
        wrong = f"the campaign failed: {error!r}"
    return None if wrong is None else Outcome(one.fault, one.place, wrong)
