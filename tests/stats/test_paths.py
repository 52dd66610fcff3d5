"""Paths of weights, and what is said of a metric in a title."""

import numpy as np

from hindi_bn.stats.headlines import headline
from hindi_bn.stats.metrics import metric_named
from hindi_bn.stats.paths import scaled_to_range


def test_an_axis_along_which_nothing_moves_is_all_0() -> None:
    points = np.array([[3.0, 7.0], [5.0, 7.0], [4.0, 7.0]])
    assert scaled_to_range(points).tolist() == [[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]]


def test_a_title_names_the_metric_alone_where_no_arm_has_a_number() -> None:
    loss = metric_named("train_loss")
    nothing = {"no-bn": float("nan"), "bn": float("nan")}
    assert headline(loss, nothing, "after 2 epochs") == "Training loss after 2 epochs"
    one = headline(loss, nothing | {"bn": 0.5}, "after 2 epochs")
    assert one == "Training loss after 2 epochs: 0.5 with BN"
