"""How many seeds a claim's confirmation needs, from its pilot.

For 80 % power that the claim comes out as the pilot's means point: supported, where each of them
lies in its region, or else not. Each test is held to the level of Holm's first step, the family's
whole correction; docs/statistics.md has the reasons.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hindi_bn.claims.claim import Claim, Test
from hindi_bn.claims.numbers import number
from hindi_bn.claims.results import effects_of
from hindi_bn.claims.rule import write_entry
from hindi_bn.claims.tables import read_runs
from hindi_bn.claims.verdict import FEWEST, LEVEL, Effect
from hindi_bn.errors import ClaimsError
from hindi_bn.stats.intervals import finite, std_of
from hindi_bn.stats.pairs import EXACT_UP_TO
from hindi_bn.stats.power import sign_flip_power, smallest_n, t_power

POWER = 0.8
MOST = EXACT_UP_TO
"""No confirmation has more seeds: up to here the sign-flip test is exact."""

ALIKE = 20
"""Seeds from which on the sign-flip test has the t-test's power, to two points."""


@dataclass(frozen=True)
class Needed:
    """What a claim's confirmation needs.

    Args:
        expects: What the pilot's means point to: "supported" or "not supported".
        test, mean, std, pilot: The test that asks for the most seeds (or, where one that fails is
            enough, for the fewest), the effect that it is to show, its standard deviation, n.
        effect: In words.
        seeds, power, level: How many, and the power that the test then has at its level.
    """

    id: int
    name: str
    expects: str
    test: str
    effect: str
    mean: float
    std: float
    pilot: int
    seeds: int
    power: float
    level: float

    @property
    def why(self) -> str:
        """Why so many seeds, in a sentence."""
        most = f"no more than {MOST} seeds; " if self.seeds == MOST else ""
        return (
            f'{most}{100 * self.power:.0f} % power at the level {self.level:.2g} for "{self.test}" '
            f"({self.effect}; standard deviation {number(self.std)} over {self.pilot} pilot seeds)"
        )


def needed_by(claim: Claim, folder: Path, family: int) -> Needed:
    """Compute a claim's number of seeds; ClaimsError when its pilot is missing or says nothing."""
    found = effects_of(claim, read_runs(folder, claim, "pilot"))
    pairs = list(zip(claim.tests, found, strict=True))
    for _, effect in pairs:
        if effect.n < 2:  # noqa: PLR2004
            raise ClaimsError(
                f"The pilot of claim {claim.id} does not say how many seeds it takes.",
                f"{effect.n} seeds have a value for {effect.label!r}.",
                f"run the whole pilot: `hindi-bn claims run {claim.id} --stage pilot`",
            )
    level, k = LEVEL / family, len(pairs)
    # Two-sided, the smallest p by flipping signs is 2 / 2^n, and must pass the level too.
    outside = [pair for pair in pairs if pair[1].inside[1] <= 0]
    share, wanted = (k, POWER) if outside else (1, 1 - (1 - POWER) / k)
    fewest = max(FEWEST, math.ceil(math.log2(2 * share / level)))
    every = [
        _of_test(claim, *pair, level=level / share, wanted=wanted, fewest=fewest)
        for pair in outside or pairs
    ]
    if outside:  # one that is shown not to hold is enough
        return min(every, key=lambda one: (one.seeds, -one.power))
    return max(every, key=lambda one: (one.seeds, -one.power))


def _of_test(
    claim: Claim, test: Test, effect: Effect, *, level: float, wanted: float, fewest: int
) -> Needed:
    fails = effect.inside[1] <= 0
    target = effect.mean if fails else _smaller(test, effect.mean)
    distances = [target - test.above] if test.above is not None else []
    distances += [test.below - target] if test.below is not None else []
    if fails:
        distances = [-min(distances)]
    std = std_of(finite(effect.by_seed))

    def power(n: int) -> float:
        by_t = t_power(distances, std, n, level)
        if by_t < wanted or n > ALIKE:
            return by_t
        return min(by_t, sign_flip_power(distances, std, n, level))

    seeds = smallest_n(power, wanted, fewest, MOST)
    unit = f" {test.unit}" if test.unit else ""
    return Needed(
        claim.id, claim.name, "not supported" if fails else "supported", test.label,
        f"{number(target)}{unit}, the claim holds {test.region}", target, std, effect.n, seeds,
        power(seeds), level,
    )  # fmt: skip


def _smaller(test: Test, mean: float) -> float:
    """Return the effect to be shown: the pilot's or, if it is smaller, the least of interest."""
    if test.least is None:
        return mean
    return min(mean, test.least) if test.above is not None else max(mean, test.least)


def write_seeds(claims: Sequence[Claim], needed: Sequence[Needed]) -> None:
    """Write the numbers of seeds into the claims' files; see `write_entry` for the errors.

    ClaimsError, and nothing is written, when a pilot has too few seeds to go by.
    """
    for one in needed:
        if one.pilot < FEWEST:
            raise ClaimsError(
                f"The pilot of claim {one.id} has too few seeds to fix the confirmation's.",
                f"It has {one.pilot}, and should have {FEWEST}.",
                f"run the whole pilot: `hindi-bn claims run {one.id} --stage pilot`",
            )
    for claim, one in zip(claims, needed, strict=True):
        why = json.dumps(one.why, ensure_ascii=False)
        write_entry(claim, "confirm", f"{{seeds: {one.seeds}, why: {why}}}")
