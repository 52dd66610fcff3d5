"""How many seeds it takes to show an effect, from what a pilot found."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from hindi_bn.stats.pairs import sign_flip_p

_SEED, _DRAWS = 0, 1_000  # standard error 1.3 points at a power of 80 %


def t_power(distances: Sequence[float], std: float, n: int, level: float) -> float:
    """Return the power of t-tests of a mean against the ends of a region, all of which must pass.

    Args:
        distances: How far the mean lies from the lower end, the upper end or both, positive on the
            side to be shown, in the unit of `std`, the standard deviation of a value.
        n: Number of values, from 2 on.
        level: Two-sided level; each test is one-sided at half of it.

    With two ends, two one-sided tests, it is a lower bound: the sum of their powers less one.
    """
    if std == 0:
        return float(min(distances) > 0)
    critical = float(stats.t.ppf(1 - level / 2, n - 1))
    powers = [float(stats.nct.sf(critical, n - 1, d / std * n**0.5)) for d in distances]
    return max(0.0, sum(powers) - (len(powers) - 1))


def sign_flip_power(distances: Sequence[float], std: float, n: int, level: float) -> float:
    """Return the power of the sign-flip test, simulated with normal values; see `t_power`.

    Few values have few p-values: at ten, and 0.3 %, all must lie on one side of the end.
    """
    values = np.random.default_rng(_SEED).normal(0.0, std, size=(_DRAWS, n))
    shown = [
        all(
            2 * sign_flip_p(inward * row + distance, "greater") <= level
            for inward, distance in zip((1, -1), distances, strict=False)
        )
        for row in values
    ]
    return float(np.mean(shown))


def smallest_n(power: Callable[[int], float], wanted: float, fewest: int, most: int) -> int:
    """Return the smallest n of a range whose power is what is wanted, or else the largest n."""
    return next((n for n in range(fewest, most) if power(n) >= wanted), most)
