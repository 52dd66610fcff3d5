"""Recordings condensed for figures, by hand."""

from __future__ import annotations

import pandas as pd

from hindi_bn.stats.recordings import channel_medians, gradient_norms, pair_changes, weight_changes


def test_the_gradient_norm_of_a_layer_joins_its_parameters() -> None:
    """By hand: 3 and 4 make 5; 5 and 12 make 13."""
    gradients = pd.DataFrame(
        {
            "layer": ["0", "0", "2", "0", "0", "2"],
            "quantity": ["weight", "bias", "weight", "weight", "bias", "weight"],
            "step": [1, 1, 1, 2, 2, 2],
            "value": [3.0, 4.0, 7.0, 5.0, 12.0, 1.0],
        }
    )
    norms = gradient_norms(gradients).set_index(["layer", "step"])["value"].to_dict()
    assert norms == {("0", 1): 5.0, ("2", 1): 7.0, ("0", 2): 13.0, ("2", 2): 1.0}


def test_medians_are_over_the_channels_of_a_layer_and_step() -> None:
    statistics = pd.DataFrame(
        {"layer": "1", "quantity": "gamma", "index": ["0", "1", "2"] * 2, "step": [0] * 3 + [9] * 3,
         "value": [1.0, 2.0, 6.0, 4.0, 9.0, 5.0]}
    )  # fmt: skip
    medians = channel_medians(statistics)
    assert medians[["step", "value"]].to_numpy().tolist() == [[0, 2], [9, 5]]


def test_weights_change_since_their_own_first_record() -> None:
    weights = pd.DataFrame({"name": ["a", "b", "a", "b"], "value": [1.0, 5.0, 1.5, 4.0]})
    assert weight_changes(weights)["change"].tolist() == [0, 0, 0.5, -1]


def test_a_pair_changes_since_the_first_epoch() -> None:
    changes = pair_changes(pd.DataFrame({"wx": [0.5, 0.75], "wy": [-1.0, -3.0]}))
    assert changes["wx_change"].tolist() == [0, 0.25]
    assert changes["wy_change"].tolist() == [0, -2]
