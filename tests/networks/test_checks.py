"""Normalisation layers that would have one value are refused before training."""

from __future__ import annotations

import pytest
import torch

from hindi_bn.errors import StudyError
from hindi_bn.networks import (
    check,
    run_of,
)

BATCH_KINDS = ["batch", "batch-by-hand", "batch-renorm", "batch-l1", "batch-l2", "batch-linf"]


@pytest.mark.parametrize("norm", BATCH_KINDS)
def test_batches_of_one_are_refused_after_linear_layers_alone(norm: str) -> None:
    with pytest.raises(StudyError, match="Batches of one image"):
        check(run_of("mlp", norm, batch_size=1), 17000)
    check(run_of("three_convs", norm, batch_size=1), 17000)
    with pytest.raises(StudyError, match="layer 10"):  # after lenet's first linear layer
        check(run_of("lenet", norm, batch_size=1), 17000)


def test_a_hand_written_norm_takes_one_value_where_it_is_allowed_to() -> None:
    allowed = {"name": "batch-by-hand", "allow_one_value": True}
    check(run_of("mlp", allowed, batch_size=1), 17000)
    check(run_of("lenet", allowed, batch_size=89), 17000)  # one image left in the last batch
    with pytest.raises(StudyError, match="Batches of one image") as caught:
        check(run_of("mlp", "batch", batch_size=1), 17000)
    assert "allow_one_value: true" in caught.value.next_step
    with pytest.raises(StudyError, match="Unknown key of 'batch'"):
        run_of("mlp", {"name": "batch", "allow_one_value": True})


def test_a_last_batch_of_one_is_refused_and_another_size_named() -> None:
    with pytest.raises(StudyError) as caught:
        check(run_of("mlp", "batch", batch_size=89), 17000)  # 17000 = 191 * 89 + 1
    assert "last batch of one image" in str(caught.value)
    assert "such as 90," in str(caught.value)
    check(run_of("mlp", "batch", batch_size=90), 17000)
    check(run_of("mlp", "layer", batch_size=89), 17000)
    with pytest.raises(StudyError, match="Batches of one image"):
        check(run_of("mlp", "batch", batch_size=32), 1)


def test_an_image_of_one_pixel_a_map_is_refused() -> None:
    with pytest.raises(StudyError, match="single pixel"):
        check(run_of("conv_pair", "instance", options={"pooling": "none"}), 100, 12)
    run = run_of("conv_pair", "batch", options={"pooling": "none"}, batch_size=33)
    with pytest.raises(StudyError, match="last batch of one"):
        check(run, 100, 12)
    check(run_of("conv_pair", "instance"), 100, 12)


def test_groups_and_layers_of_one_value_are_refused() -> None:
    with pytest.raises(StudyError, match=r"norm\.groups to one of 1, 2, 4, 5"):
        check(run_of("mlp", {"name": "group", "groups": 100}), 100)
    check(run_of("three_convs", {"name": "group", "groups": 16}), 100)
    with pytest.raises(StudyError, match=r"options\.width"):
        check(run_of("mlp", "layer", options={"width": 1}), 100)
    with pytest.raises(StudyError, match="choose another norm"):
        check(run_of("mlp", {"name": "group", "groups": 1}, options={"width": 1}), 100)


def test_the_check_draws_nothing() -> None:
    before = torch.get_rng_state()
    check(run_of("lenet", "spectral", dropout=0.5), 17000)
    assert torch.equal(torch.get_rng_state(), before)
