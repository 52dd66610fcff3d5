"""Verdicts: regions and p-values by hand and by scipy's intervals, Holm's correction by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hindi_bn.claims.claim import Test
from hindi_bn.claims.effects import ArmTable, censored_seeds, effects
from hindi_bn.claims.verdict import decide, effect_of, region_p, together
from hindi_bn.errors import StudyError


def a_test(**changes: Any) -> Test:
    plain = {"label": "x", "metric": "acc", "plus": [{}], "above": 0}
    return Test.model_validate(plain | changes)


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % t-interval, by scipy."""
    found = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    return float(found.low), float(found.high)


@pytest.mark.parametrize("seed", range(20))
def test_a_verdict_is_where_the_interval_lies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.uniform(-2, 2), 1.0, size=6)
    low, high = interval(values.tolist())
    for above, below in ((0.0, None), (None, 0.5), (-0.5, 0.5), (-3.0, 3.0)):
        effect = effect_of(a_test(above=above, below=below), values)
        start = -np.inf if above is None else above
        end = np.inf if below is None else below
        inside, outside = start < low and high < end, high < start or low > end
        expected = "supported" if inside else "contradicted" if outside else "undecided"
        assert effect.verdict == expected
        assert (effect.low, effect.high) == pytest.approx((low, high))
        assert effect.mean == pytest.approx(values.mean())


def test_p_values_are_twice_the_one_sided_t_tests() -> None:
    values = np.array([1.0, 2.0, 4.0, 5.0])  # mean 3, standard error sqrt(10/3)/2
    t = (3.0 - 1.0) / (np.sqrt(10 / 3) / 2)
    holds, fails = region_p(values, 1.0, None)
    assert holds == pytest.approx(2 * stats.t.sf(t, 3))
    assert fails == 1.0
    both, neither = region_p(values, 1.0, 6.0)  # the nearer end decides, 1.0
    assert both == pytest.approx(2 * stats.t.sf(t, 3))
    assert neither == 1.0


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([1.0] * 3, "supported"),
        ([-1.0] * 3, "contradicted"),
        ([0.0] * 3, "undecided"),
        ([1.0, 1.0], "undecided"),
        ([], "undecided"),
    ],
)
def test_equal_values_decide_and_two_seeds_do_not(values: list[float], verdict: str) -> None:
    assert effect_of(a_test(), np.array(values)).verdict == verdict


def test_seeds_without_the_metric_are_left_out_and_counted() -> None:
    effect = effect_of(a_test(), np.array([1.0, np.nan, 2.0, 3.0]))
    assert effect.n == 3
    assert effect.left_out == 1
    assert effect.mean == 2.0
    assert effect.p_t == pytest.approx(stats.ttest_1samp([1.0, 2.0, 3.0], 0.0).pvalue)
    assert (effect.p_zero, effect.zero_test) == (0.25, "sign-flip")


def test_a_claim_needs_all_its_tests_and_fails_by_one() -> None:
    good = effect_of(a_test(), np.array([5.0, 5.1, 5.2]))
    bad = effect_of(a_test(), np.array([-5.0, -5.1, -5.2]))
    assert together([good]) == (good.p_holds, good.p_fails)
    holds, fails = together([good, bad])
    assert holds == bad.p_holds
    assert fails == pytest.approx(2 * bad.p_fails)


def test_claims_are_corrected_by_holm() -> None:
    """0.01 x 3, then max(0.02 x 2, ...), then 0.04: all at most 0.05."""
    decisions = decide([(0.04, 1.0), (1.0, 0.01), (0.02, 1.0)])
    assert [p for _, p in decisions] == pytest.approx([0.04, 0.03, 0.04])
    assert [verdict for verdict, _ in decisions] == ["supported", "contradicted", "supported"]
    undecided = decide([(0.04, 1.0), (1.0, 0.03), (0.02, 1.0)])
    assert [p for _, p in undecided] == pytest.approx([0.06, 0.06, 0.06])
    assert {verdict for verdict, _ in undecided} == {"undecided"}
    assert decide([]) == []


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
    with pytest.raises(StudyError, match="mend `where`"):
        effects(a_test(plus=[{"where": {"norm": "layer"}}]), TABLES, "one")
