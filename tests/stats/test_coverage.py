"""How often intervals hold the true mean, and how often tests raise a false alarm, by simulation.

`python -m pytest -m slow -s tests/stats/test_coverage.py` checks the tables of
docs/statistics.md, by fewer trials than were made for it, and prints what it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from hindi_bn.stats.intervals import summarise
from hindi_bn.stats.pairs import compare_paired, sign_flip_p

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
SIZES = (5, 10, 30)
PAIRS = (5, 10, 30, 50)  # above 40 signs are flipped at random
TRIALS = 2_000
FEWER = 500  # of them, to check the page by
VERDICT_SIZES = (3, 5, 10, 20, 30)
LEVELS = (0.05, 0.05 / 36)  # of one test, and of the first of thirty-six by Holm's method
VERDICT_TRIALS = 20_000


class Population(NamedTuple):
    """Differences to draw from, and their true mean."""

    draw: Callable[[np.random.Generator, int], NDArray[np.float64]]
    mean: float


def diverging(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Differences of 5 points, but of 85 where the other run diverged, which one in ten does."""
    return rng.normal(0.05, 0.01, n) + 0.8 * (rng.random(n) < 0.1)


POPULATIONS = {
    "normal": Population(lambda rng, n: rng.normal(size=n), 0.0),
    "skewed": Population(lambda rng, n: rng.exponential(size=n), 1.0),
    "one in ten diverges": Population(diverging, 0.13),
}


def coverage(population: str, n: int, method: str, trials: int = TRIALS) -> float:
    """Share of the 95 % intervals, ours (t) or scipy's BCa, that hold the true mean."""
    rng = np.random.default_rng(5842)
    draw, mean = POPULATIONS[population]

    def interval(sample: NDArray[np.float64]) -> tuple[float, float]:
        if method == "t":
            found = summarise(sample)
            return found.low, found.high
        low, high = stats.bootstrap((sample,), np.mean, method="BCa", rng=rng).confidence_interval
        return low, high

    intervals = [interval(draw(rng, n)) for _ in range(trials)]
    return float(np.mean([low <= mean <= high for low, high in intervals]))


def false_alarms(population: str, n: int, trials: int = TRIALS) -> tuple[float, float, float]:
    """Share of p values of at most 0.05 where the mean is 0: t, sign-flip, and Wilcoxon's."""
    rng = np.random.default_rng(5843)
    draw, mean = POPULATIONS[population]
    samples = [draw(rng, n) - mean for _ in range(trials)]
    ours = [compare_paired(sample, np.zeros(n)) for sample in samples]
    wilcoxon = stats.wilcoxon(np.stack(samples), axis=1).pvalue
    p = np.array([[one.p, one.p_sign_flip, w] for one, w in zip(ours, wilcoxon, strict=True)])
    t, sign_flip, ranks = (p <= 0.05).mean(axis=0)
    return float(t), float(sign_flip), float(ranks)


def verdict_alarms(population: str, n: int, trials: int) -> list[float]:
    """Share of false alarms of t, sign-flip and both together, at the first level, then the other.

    What a t-interval of that level misses is the t-test's share.
    """
    rng = np.random.default_rng(5844)
    draw, mean = POPULATIONS[population]
    samples = np.stack([draw(rng, n) for _ in range(trials)]) - mean
    t = stats.ttest_1samp(samples, 0.0, axis=1).pvalue
    flipped = np.array([sign_flip_p(sample) for sample in samples])
    p = np.stack([t, flipped, np.maximum(t, flipped)])
    return [float(share) for level in LEVELS for share in (p <= level).mean(axis=1)]


def three_errors(per_cent: float) -> float:
    """Three standard errors of a share found in `FEWER` trials."""
    return float(3 * (per_cent * (100 - per_cent) / FEWER) ** 0.5)


def documented(heading: str) -> dict[tuple[str, int], list[float]]:
    """The per cents of a table of the page, by population and n."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n#")[0]
    rows = [line.strip("| ").split("|") for line in section.splitlines() if line.startswith("|")]
    return {
        (row[0].strip(), int(row[1])): [float(cell.strip().removesuffix(" %")) for cell in row[2:]]
        for row in rows[2:]
    }


def test_t_holds_the_mean_of_five_normal_differences_and_bca_does_less_often() -> None:
    t = coverage("normal", 5, "t", trials=600)
    bca = coverage("normal", 5, "bca", trials=400)
    assert t == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / 600) ** 0.5)
    assert bca < 0.9


def test_the_exact_test_of_ten_pairs_raises_as_many_false_alarms_as_it_says() -> None:
    # 25 of the 512 pairs of opposite sign assignments lie at or below p = 0.05: 4.9 %.
    _, share, _ = false_alarms("normal", 10, trials=500)
    assert share == pytest.approx(25 / 512, abs=3 * (0.05 * 0.95 / 500) ** 0.5)


def test_the_page_has_a_row_for_every_population_and_size() -> None:
    assert set(documented("Coverage")) == {(name, n) for name in POPULATIONS for n in SIZES}
    verdicts = {(name, n) for name in POPULATIONS for n in VERDICT_SIZES}
    assert set(documented("False alarms of verdicts")) == verdicts
    assert set(documented("False alarms")) == {(name, n) for name in POPULATIONS for n in PAIRS}


def test_at_three_seeds_a_corrected_t_is_several_times_too_sure_of_skewed_differences() -> None:
    t, sign_flip, both = verdict_alarms("skewed", 3, trials=4_000)[3:]
    assert t > 3 * LEVELS[1]
    assert sign_flip == both == 0  # eight sign assignments show nothing at that level


@pytest.mark.slow
def test_coverage_is_what_the_page_says() -> None:
    for (population, n), (t, bca) in documented("Coverage").items():
        found = [100 * coverage(population, n, method, FEWER) for method in ("t", "bca")]
        print(f"| {population} | {n} | {found[0]:.1f} % | {found[1]:.1f} % |")
        for share, expected in zip(found, (t, bca), strict=True):
            assert share == pytest.approx(expected, abs=three_errors(expected))


@pytest.mark.slow
def test_false_alarms_are_what_the_page_says() -> None:
    for (population, n), shares in documented("False alarms").items():
        found = [100 * share for share in false_alarms(population, n, FEWER)]
        print(f"| {population} | {n} | " + " | ".join(f"{share:.1f} %" for share in found) + " |")
        for share, expected in zip(found, shares, strict=True):
            assert share == pytest.approx(expected, abs=1.0 + three_errors(expected))


@pytest.mark.slow
@pytest.mark.parametrize("n", VERDICT_SIZES)
@pytest.mark.parametrize("population", POPULATIONS)
def test_false_alarms_of_verdicts_are_what_the_page_says(population: str, n: int) -> None:
    shares = documented("False alarms of verdicts")[population, n]
    trials = VERDICT_TRIALS if n < 30 else 2_000  # all 20,000, as on the page, take two minutes
    found = [100 * share for share in verdict_alarms(population, n, trials)]
    print(f"| {population} | {n} | " + " | ".join(f"{share:.2f} %" for share in found) + " |")
    for share, expected in zip(found, shares, strict=True):
        error = 3 * (expected * (100 - expected) / trials) ** 0.5 if trials < VERDICT_TRIALS else 0
        assert share == pytest.approx(expected, abs=0.1 + error)
