"""Verdicts: regions and p-values by hand and by scipy, corrections by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hindi_bn.claims.claim import Test
from hindi_bn.claims.effects import ArmTable, censored_seeds, effects
from hindi_bn.claims.verdict import (
    Effect,
    Shown,
    decide,
    effect_of,
    region_p,
    t_and_sign_flip,
    together,
)
from hindi_bn.errors import StudyError
from hindi_bn.stats.pairs import t_test_p


def a_test(**changes: Any) -> Test:
    plain = {"label": "x", "metric": "acc", "plus": [{}]}
    plain |= {} if {"above", "below"} & changes.keys() else {"above": 0}
    return Test.model_validate(plain | changes)


def found(test: Test, values: Any) -> Effect:
    return effect_of(test, np.array(values, dtype=float), range(len(values)))


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % t-interval, by scipy."""
    found = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    return float(found.low), float(found.high)


def by_t(values: Any) -> float:
    return t_test_p(values, "greater")


@pytest.mark.parametrize("seed", range(20))
def test_by_t_alone_a_verdict_is_where_the_interval_lies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.uniform(-2, 2), 1.0, size=12)
    low, high = interval(values.tolist())
    for above, below in ((0.0, None), (None, 0.5), (-0.5, 0.5), (0.5, None), (None, -0.5)):
        ends = {"above": above, "below": below}
        test = a_test(**{key: end for key, end in ends.items() if end is not None})
        start = -np.inf if above is None else above
        end = np.inf if below is None else below
        inside, outside = start < low and high < end, high < start or low > end
        if above is not None and below is not None:
            other_way = False
        else:
            other_way = high < -abs(start) if below is None else low > abs(end)
        fails = "opposite found" if other_way else "not as stated"
        expected = "supported" if inside else fails if outside else "undecided"
        assert region_p(values, test, by_t).verdict(0.05) == expected
        effect = found(test, values)
        assert (effect.low, effect.high) == pytest.approx((low, high))
        assert effect.mean == pytest.approx(values.mean())
        assert effect.verdict in {expected, "undecided", "not as stated"}  # signs must agree


def test_one_seed_shows_nothing() -> None:
    effect = found(a_test(), [3.0])
    assert (effect.shown, effect.verdict) == ((1, 1, 1), "pilot")


def test_p_values_are_twice_the_larger_one_sided_ones() -> None:
    values = np.array([1.0, 2.0, 4.0, 5.0])  # mean 3, standard error sqrt(10/3)/2
    t = (3.0 - 1.0) / (np.sqrt(10 / 3) / 2)
    shown = region_p(values, a_test(above=1.0), by_t)
    assert shown == pytest.approx((2 * stats.t.sf(t, 3), 1.0, 1.0))
    # Less 1 they are 0, 1, 3 and 4: a zero has either sign, so that 2 of 16 sums reach 8.
    assert region_p(values, a_test(above=1.0)).holds == pytest.approx(2 * 2 / 16)
    # Of "above 10" the opposite is below -10: with a mean of -13, three to the other side.
    other_way = region_p(-10 - values, a_test(above=10), by_t)
    assert other_way.opposite == pytest.approx(2 * stats.t.sf(t * 3 / 2, 3))
    within = region_p(values, a_test(above=1.0, below=6.0), by_t)  # the nearer end decides, 1.0
    assert within.holds == pytest.approx(2 * stats.t.sf(t, 3))


@pytest.mark.parametrize(
    ("region", "mean", "verdict"),
    [
        ({"above": 0}, 1, "supported"),
        ({"above": 0}, -1, "opposite found"),
        ({"above": 10}, 5, "not as stated"),  # smaller than was said
        ({"above": 10}, -5, "not as stated"),
        ({"above": 10}, -15, "opposite found"),
        ({"above": -0.5}, -1, "opposite found"),  # worse by more than the margin
        ({"below": 0.5}, 1, "opposite found"),
        ({"below": -3}, -1, "not as stated"),
        ({"below": -3}, 4, "opposite found"),
        ({"above": -1, "below": 1}, 0, "supported"),
        ({"above": -1, "below": 1}, 5, "not as stated"),  # "nothing matters" has no other way
        ({"above": 1, "below": 2}, 5, "not as stated"),
        ({"above": 1, "below": 2}, -5, "opposite found"),
        ({"above": -2, "below": -1}, 5, "opposite found"),
        ({"above": 0}, 0, "undecided"),
    ],
)
def test_what_fails_is_the_opposite_beyond_the_margin_the_other_way(
    region: dict[str, float], mean: float, verdict: str
) -> None:
    values = mean + np.array([-0.1, 0.1] * 6)
    assert found(a_test(**region), values).verdict == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([1.0] * 10, "supported"),
        ([-1.0] * 10, "opposite found"),
        ([0.0] * 10, "undecided"),
        ([1.0] * 9, "pilot"),
        ([], "pilot"),
    ],
)
def test_equal_values_decide_and_nine_seeds_do_not(values: list[float], verdict: str) -> None:
    assert found(a_test(), values).verdict == verdict


def test_both_tests_must_agree() -> None:
    """One value far off: by t nothing is shown, by signs it is; and the other way about."""
    far = np.array([1.0] * 11 + [60.0])
    assert by_t(far) > 0.1
    assert t_and_sign_flip(far) == by_t(far)
    few = np.array([1.0, 1.01, 1.02])
    assert by_t(few) < 0.001
    assert t_and_sign_flip(few) == 1 / 8


def test_seeds_without_the_metric_are_left_out_and_counted() -> None:
    effect = effect_of(a_test(), np.array([1.0, np.nan, 2.0, 3.0]), [5, 6, 7, 8])
    assert effect.n == 3
    assert effect.seeds == (5, 7, 8)
    assert effect.left_out == 1
    assert effect.mean == 2.0
    assert effect.p_t == pytest.approx(stats.ttest_1samp([1.0, 2.0, 3.0], 0.0).pvalue)
    assert (effect.p_zero, effect.zero_test) == (0.25, "sign-flip")


def test_a_mean_lies_inside_by_so_many_standard_errors() -> None:
    values = [1.0, 2.0, 3.0]  # standard error 1 / sqrt(3)
    assert found(a_test(above=1), values).inside == pytest.approx((3**0.5, 1))
    assert found(a_test(below=1), values).inside == pytest.approx((-(3**0.5), -1))
    assert found(a_test(above=0, below=2.5), values).inside == pytest.approx((0.5 * 3**0.5, 0.5))
    assert found(a_test(), [1.0, 1.0]).inside == (np.inf, 1)
    assert found(a_test(), []).inside == (-np.inf, -np.inf)
    far, near = found(a_test(), [-2.0, -2.0]), found(a_test(), [-1.0, -1.0])
    assert far.inside < near.inside


def test_a_claim_needs_all_its_tests_and_fails_by_one() -> None:
    good, bad = Shown(0.01, 1, 1), Shown(1, 0.004, 0.02)
    assert together([good]) == good
    assert together([bad, bad, Shown(0.2, 1, 1)]) == pytest.approx((1, 0.012, 0.06))
    assert together([bad, Shown(0.06, 1, 1)]) == pytest.approx((1, 0.008, 0.04))
    assert together([bad, good]) == pytest.approx((1, 0.008, 1))  # one holds: not the opposite


def holds(p: float) -> Shown:
    return Shown(p, 1.0, 1.0)


def fails(p: float, opposite: float = 1.0) -> Shown:
    return Shown(1.0, p, opposite)


def test_claims_are_corrected_by_holm() -> None:
    """0.01 x 3, then max(0.02 x 2, ...), then 0.04: all at most 0.05."""
    decisions = decide([holds(0.04), fails(0.01, 0.011), holds(0.02)], 3)
    assert [one.p_corrected for one in decisions] == pytest.approx([0.04, 0.03, 0.04])
    assert [one.verdict for one in decisions] == ["supported", "opposite found", "supported"]
    assert [one.level for one in decisions] == pytest.approx([0.05, 0.05 / 3, 0.025])
    undecided = decide([holds(0.04), fails(0.03, 0.03), holds(0.02)], 3)
    assert [one.p_corrected for one in undecided] == pytest.approx([0.06, 0.06, 0.06])
    assert {one.verdict for one in undecided} == {"undecided"}
    assert {one.level for one in undecided} == {0.05 / 3}  # the first that is not shown holds all
    assert decide([], 3) == []


def test_the_opposite_is_corrected_too() -> None:
    (one, _) = decide([fails(0.01, 0.02), holds(0.5)], 3)
    assert one.verdict == "not as stated"  # 0.02 is more than 0.05 / 3


def test_the_family_counts_also_where_it_has_not_been_tested() -> None:
    (alone,) = decide([holds(0.004)], 1)
    (one_of_many,) = decide([holds(0.004)], 17)
    assert (alone.verdict, one_of_many.verdict) == ("supported", "undecided")
    assert one_of_many.p_corrected == pytest.approx(17 * 0.004)
    assert one_of_many.level == pytest.approx(0.05 / 17)


def test_other_corrections_by_hand() -> None:
    """Benjamini and Hochberg's levels of four are 0.0125, 0.025, 0.0375 and 0.05."""
    p = [holds(0.01), holds(0.02), holds(0.04), holds(0.9)]
    bh = decide(p, 4, "Benjamini-Hochberg")
    assert [one.verdict for one in bh] == ["supported", "supported", "undecided", "undecided"]
    assert {one.level for one in bh} == {0.025}
    assert [one.p_corrected for one in bh] == pytest.approx([0.04, 0.04, 0.16 / 3, 0.9])
    plain = decide(p, 4, "none")
    assert [one.verdict for one in plain] == ["supported"] * 3 + ["undecided"]
    assert [one.p_corrected for one in plain] == [0.01, 0.02, 0.04, 0.9]


ARMS = {
    "a": {"norm": "none", "lr": 0.1},
    "b": {"norm": "none", "lr": 1.0},
    "c": {"norm": "batch", "lr": 0.1},
    "d": {"norm": "batch", "lr": 1.0},
}
RUNS = pd.DataFrame(
    [
        {"arm": arm, "seed": seed, "acc": value}
        for arm, values in {
            "a": (0.5, 0.6, 0.7), "b": (0.1, 0.2, 0.3), "c": (0.9, 0.8, 0.95), "d": (0.7, 0.9, 0.8),
        }.items()
        for seed, value in zip((3, 1, 2), values, strict=True)
    ]
)  # fmt: skip
TABLES = {"one": ArmTable(ARMS, RUNS)}


NONE_LOW, NONE_HIGH = {"norm": "none", "lr": 0.1}, {"norm": "none", "lr": 1.0}
BATCH_LOW, BATCH_HIGH = {"norm": "batch", "lr": 0.1}, {"norm": "batch", "lr": 1.0}
BOTH_BATCH = {"norm": "batch"}


def of(where: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [{"where": where, **more}]


@pytest.mark.parametrize(
    ("changes", "expected"),  # seeds 1, 2, 3
    [
        ({"plus": of(BATCH_LOW)}, [0.8, 0.95, 0.9]),
        ({"plus": of(BATCH_LOW), "minus": of(NONE_LOW)}, [0.2, 0.25, 0.4]),
        ({"plus": of(BOTH_BATCH)}, [0.85, 0.875, 0.8]),
        ({"plus": of(BOTH_BATCH, take="max")}, [0.9, 0.95, 0.9]),
        ({"plus": of(BOTH_BATCH, take="min")}, [0.8, 0.8, 0.7]),
        ({"plus": of(BOTH_BATCH, take="range")}, [0.1, 0.15, 0.2]),
        ({"plus": of(BOTH_BATCH, take="best")}, [0.8, 0.95, 0.9]),
        ({"plus": of({"lr": [0.1]}, take="best")}, [0.8, 0.95, 0.9]),
        # Rates 0.1 and 1, so one grid step beyond them is 10, or 0.01
        ({"plus": of(BOTH_BATCH, take="largest", key="lr", at_least=0.8)}, [1.0, 1.0, -1.0]),
        ({"plus": of(BOTH_BATCH, take="smallest", key="lr", at_least=0.85)}, [0.0, -2.0, -2.0]),
        ({"plus": of(BOTH_BATCH, take="width", key="lr", at_least=0.75)}, [3.0, 3.0, 1.0]),
        ({"plus": of(NONE_LOW), "unit": "points"}, [60.0, 70.0, 50.0]),
        (
            {"plus": of(BATCH_HIGH), "minus": of(NONE_HIGH), "unit": "doublings"},
            [np.log2(4.5), np.log2(0.8 / 0.3), np.log2(7)],
        ),
    ],
)
def test_effects_by_hand(changes: dict[str, Any], expected: list[float]) -> None:
    assert effects(a_test(**changes), TABLES, "one").tolist() == pytest.approx(expected)


def test_a_rate_beyond_those_tried_counts_as_a_step_beyond() -> None:
    """Without BN 0.1 works for seed 2 alone, 1 for none."""
    none = {"where": {"norm": "none"}, "key": "lr", "at_least": 0.65}
    for take, expected in (("largest", [-2, -1, -2]), ("smallest", [1, -2, 1]),
                           ("width", [0, 1, 0])):  # fmt: skip
        test = a_test(plus=[none | {"take": take}])
        assert effects(test, TABLES, "one").tolist() == expected
    assert censored_seeds(a_test(plus=[none | {"take": "largest"}]), TABLES, "one") == 2
    assert censored_seeds(a_test(plus=[none | {"take": "smallest"}]), TABLES, "one") == 3
    both = a_test(plus=of(NONE_LOW), minus=[none | {"take": "largest"}])
    assert censored_seeds(both, TABLES, "one") == 2
    assert censored_seeds(a_test(plus=of(NONE_LOW)), TABLES, "one") == 0


def test_an_edge_needs_all_arms_of_a_seed_and_two_values() -> None:
    best: dict[str, Any] = {"take": "largest", "key": "lr", "at_least": 0.8}
    holed = {"one": ArmTable(ARMS, RUNS.assign(acc=RUNS["acc"].where(RUNS["seed"] != 2)))}
    test = a_test(plus=of(BOTH_BATCH, **best))
    np.testing.assert_array_equal(effects(test, holed, "one"), [1.0, np.nan, -1.0])
    assert censored_seeds(test, holed, "one") == 1
    with pytest.raises(StudyError, match="Only one value"):
        effects(a_test(plus=of(BATCH_LOW, **best)), TABLES, "one")
    with pytest.raises(ValueError, match="smallest or width"):
        a_test(plus=[{"take": "width"}])


def test_missing_metrics_can_be_replaced() -> None:
    holed = {"one": ArmTable(ARMS, RUNS.assign(acc=RUNS["acc"].where(RUNS["seed"] != 2)))}
    chosen: dict[str, Any] = {"plus": [{"where": {"norm": "batch", "lr": 1.0}}]}
    np.testing.assert_array_equal(effects(a_test(**chosen), holed, "one"), [0.9, np.nan, 0.7])
    filled = effects(a_test(**chosen, missing=0.1), holed, "one")
    assert filled.tolist() == [0.9, 0.1, 0.7]


def test_arms_that_do_not_exist_are_named() -> None:
    with pytest.raises(StudyError, match="correct `where`"):
        effects(a_test(plus=[{"where": {"norm": "layer"}}]), TABLES, "one")
