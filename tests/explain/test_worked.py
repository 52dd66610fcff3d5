"""Batch norm worked through: the article's numbers, and each step against torch."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_digits
from torch import nn

from hindi_bn.errors import DataError, HindiBnError
from hindi_bn.explain import arithmetic, torch_layers
from hindi_bn.explain.batches import RealBatch, batch_of_digit, spread
from hindi_bn.explain.document import Array, Check, Explanation, Step, Values, compare
from hindi_bn.explain.real_batch import explain_batch
from hindi_bn.explain.worked import explain_worked, worked_batch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def numbers(explanation: Explanation, name: str) -> Array:
    found = [v.numbers for step in explanation.steps for v in step.values if v.name == name]
    assert len(found) == 1, name
    return found[0]


def test_the_article_s_batch_is_drawn_without_touching_the_default_generator() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5842)
        expected = torch.stack(
            [
                torch.stack([torch.randint(*ends, (3, 3)) for ends in ((0, 9), (20, 40), (80, 99))])
                for _ in range(2)
            ]
        )
        before = torch.random.get_rng_state()
        batch = worked_batch("2d")
        assert torch.equal(torch.random.get_rng_state(), before)
    assert (torch.from_numpy(batch) == expected).all()
    assert batch.shape == (2, 3, 3, 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean μ", [4.3333, 28.6667, 88.6667]),
        ("variance σ²", [7.4444, 27.5556, 30.0]),
        ("running mean r", [0.4333, 2.8667, 8.8667]),
        ("mean of x̂", [0, 0, 0]),
        ("std of x̂", [1, 1, 1]),
    ],
)
def test_the_article_s_figures(name: str, expected: list[float]) -> None:
    assert numbers(explain_worked(), name) == pytest.approx(expected, abs=5e-5)


def test_the_article_s_normalised_values() -> None:
    first_row = explain_worked().arrays["after"][0, 0, 0]
    assert first_row == pytest.approx([-1.5882, -0.1222, 1.3439], abs=5e-5)


def test_the_article_s_batch_equals_torch_s_layer() -> None:
    explanation = explain_worked()
    x = torch.from_numpy(worked_batch("2d"))
    layer = nn.BatchNorm2d(3, dtype=torch.float64)
    in_train = layer(x).detach().numpy()
    np.testing.assert_allclose(explanation.arrays["after"], in_train, atol=1e-12)
    in_eval = layer.eval()(x).detach().numpy()
    np.testing.assert_allclose(explanation.arrays["inference"], in_eval, atol=1e-12)
    assert layer.running_var is not None
    np.testing.assert_allclose(
        numbers(explanation, "running variance v"), layer.running_var.numpy(), atol=1e-12
    )


@pytest.mark.parametrize(
    ("layer", "size"), [("2d", None), ("2d", 1), ("2d", 7), ("1d", None), ("1d", 1), ("1d", 2)]
)
def test_every_check_agrees_with_torch(layer: Any, size: int | None) -> None:
    explanation = explain_worked(layer, size)
    assert explanation.agrees
    assert sum(len(step.checks) for step in explanation.steps) >= 4
    assert explanation.layer == f"BatchNorm{layer}"


def test_the_fully_connected_example_by_hand() -> None:
    explanation = explain_worked("1d")
    assert (worked_batch("1d") == np.arange(15).reshape(5, 3)).all()
    assert numbers(explanation, "mean μ").tolist() == [6, 7, 8]
    assert numbers(explanation, "variance σ²").tolist() == [18, 18, 18]
    assert numbers(explanation, "unbiased variance").tolist() == [22.5, 22.5, 22.5]
    steps = np.array([-2.0, -1, 0, 1, 2]) / math.sqrt(2)  # 6 / sqrt(18) = sqrt(2)
    for channel in range(3):
        assert explanation.arrays["after"][:, channel] == pytest.approx(steps, abs=1e-6)
    assert numbers(explanation, "r for k = 2") == pytest.approx([1.14, 1.33, 1.52])
    assert explanation.arrays["before_mean"].tolist() == [6, 7, 8]
    assert explanation.arrays["before_std"] == pytest.approx([math.sqrt(18)] * 3)
    assert explanation.arrays["after_mean"] == pytest.approx([0] * 3)


def test_nothing_can_be_learned_from_a_fully_connected_batch_of_one() -> None:
    explanation = explain_worked("1d", 1)
    assert numbers(explanation, "variance σ²").tolist() == [0, 0, 0]
    assert numbers(explanation, "normalised x̂").tolist() == [[0, 0, 0]]
    assert numbers(explanation, "its normalised x̂").tolist() == [[0, 0, 0]]
    assert numbers(explanation, "gradient of x").tolist() == [0, 0, 0]
    assert numbers(explanation, "gradient of β").tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="Expected more than 1 value") as refused:
        nn.BatchNorm1d(3)(torch.zeros(1, 3))
    assert str(refused.value) in explanation.steps[-1].text


def test_a_single_image_works_because_it_has_pixels() -> None:
    explanation = explain_worked("2d", 1)
    assert (worked_batch("2d", 1) == worked_batch("2d")[:1]).all()
    assert explanation.arrays["after"].std(axis=(0, 2, 3)) == pytest.approx([1, 1, 1], abs=1e-5)
    assert "works here" in explanation.steps[-1].title
    assert "torch.Size([1, 3, 1, 1])" in explanation.steps[-1].text


def test_the_document_holds_every_number_and_is_json() -> None:
    explanation = explain_worked()
    document = json.loads(json.dumps(explanation.document(), allow_nan=False))
    assert document["agrees_with_torch"] is True
    assert [step["number"] for step in document["steps"]] == list(range(1, 10))
    normalised = document["steps"][3]
    assert normalised["values"][0]["shape"] == [2, 3, 3, 3]
    assert normalised["values"][0]["numbers"] == explanation.arrays["after"].tolist()
    assert normalised["checks"][0]["largest_difference"] < normalised["checks"][0]["tolerance"]
    assert normalised["formula"][0].startswith("x̂ =")


def test_numbers_that_do_not_exist_are_null() -> None:
    step = Step("nothing", values=(Values("a", np.array([1.0, math.nan])),))
    document = Explanation("t", "d", "BatchNorm1d", (step,)).document()
    assert document["steps"][0]["values"][0]["numbers"] == [1.0, None]
    assert np.isnan(arithmetic.unbiased_variance(np.ones((1, 2)))).all()


def test_a_difference_is_told() -> None:
    check = compare("torch", np.array([1.0, 2.0]), [1.0, 2.5])
    assert check == Check("torch", 0.5, pytest.approx(2.5e-5))
    assert not check.agrees
    assert not Explanation("t", "d", "BatchNorm1d", (Step("s", checks=(check,)),)).agrees
    with pytest.raises(ValueError, match="cannot be compared"):
        compare("torch", np.zeros(2), np.zeros((2, 1)))


def test_what_torch_does_is_asked_and_not_assumed() -> None:
    with pytest.raises(RuntimeError, match=r"trains batch norm on shape \(2, 3\)"):
        torch_layers.refusal(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="keeps no running averages"):
        torch_layers.running(nn.BatchNorm1d(2, track_running_stats=False))


def network(*, affine: bool = True, track: bool = True) -> nn.Sequential:
    """A small network whose running averages come from other images than the batch's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4, affine=affine, track_running_stats=track),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(4096, 10),
        )
        if affine:
            nn.init.uniform_(layers[1].weight, 0.5, 2)
            nn.init.uniform_(layers[1].bias, -1, 1)
        for _ in range(5):
            layers(torch.rand(8, 1, 32, 32))
    return layers.eval()


def batch(size: int = 6) -> RealBatch:
    return batch_of_digit(tiny_digits(), 3, 1, size)


def scaled(real: RealBatch) -> torch.Tensor:
    return real.images[:, None].float() / 255


def test_a_batch_of_a_digit_begins_with_it_and_mixes_classes() -> None:
    digits, real = tiny_digits(), batch()
    assert (real.images[0] == digits.test_images[13]).all()  # labels count 0..9 again and again
    assert real.labels[0] == 3
    assert len({image.numpy().tobytes() for image in real.images}) == 6
    assert "test image 1 of digit 3 and 5 test images" in real.description
    assert "alone" in batch(1).description
    assert "1 test image spread" in batch(2).description


def test_spread_places_differ_and_leave_one_out() -> None:
    assert spread(10, 5) == [1, 3, 5, 7, 9]
    assert spread(10, 9, without=4) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert spread(10, 0) == []
    with pytest.raises(DataError, match="batch of 11 images is too large"):
        spread(10, 10, without=4)


def test_a_digit_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="no test image 4 of digit 3"):
        batch_of_digit(tiny_digits(), 3, 4, 2)


@pytest.mark.parametrize("affine", [True, False])
def test_a_real_batch_by_hand_equals_the_layer_in_both_modes(affine: bool) -> None:
    trained, real = network(affine=affine), batch()
    explanation = explain_batch(trained, scaled(real), real, "title")
    assert explanation.agrees
    entering = trained[0](scaled(real)).detach()
    in_eval = trained[1](entering).detach()
    np.testing.assert_allclose(explanation.arrays["eval"], in_eval, atol=1e-5)
    in_train = nn.functional.batch_norm(
        entering, None, None, trained[1].weight, trained[1].bias, training=True
    ).detach()
    np.testing.assert_allclose(explanation.arrays["train"], in_train, atol=1e-5)
    offset = (trained[1].running_mean - entering.mean((0, 2, 3))) / trained[1].running_var.sqrt()
    np.testing.assert_allclose(numbers(explanation, "offset"), offset, atol=1e-3)
    ratio = (entering.var((0, 2, 3), correction=0) / trained[1].running_var).sqrt()
    np.testing.assert_allclose(numbers(explanation, "ratio"), ratio, atol=1e-3)


def test_a_real_batch_leaves_the_network_as_it_was() -> None:
    trained, real = network(), batch()
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    explain_batch(trained, scaled(real), real, "title")
    assert not any(module.training for module in trained.modules())
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())


def test_the_answer_in_both_modes() -> None:
    trained, real = network(), batch()
    explanation = explain_batch(trained, scaled(real), real, "title")
    expected = trained(scaled(real))[0].softmax(0).detach()
    np.testing.assert_allclose(numbers(explanation, "probability, eval mode"), expected, atol=1e-6)
    assert f"the first image is a {int(expected.argmax())} " in explanation.steps[-1].text
    assert "of the 6 images with a known digit" in explanation.steps[-1].text
    assert not np.allclose(numbers(explanation, "probability, train mode"), expected, atol=1e-6)


def test_without_running_averages_both_modes_are_the_batch_s() -> None:
    real = batch()
    explanation = explain_batch(network(track=False), scaled(real), real, "title")
    assert explanation.agrees
    np.testing.assert_array_equal(explanation.arrays["train"], explanation.arrays["eval"])


def test_a_long_batch_of_own_image_lists_its_labels_shortly() -> None:
    images = torch.zeros(50, 32, 32, dtype=torch.uint8)
    images[:, 5:20, 5:20] = 200
    real = RealBatch(images, (None, *[1] * 49), "mine", ("inverted",))
    text = explain_batch(network(), scaled(real), real, "title").steps[0].text
    assert "? 1 1" in text
    assert "and 10 more" in text
    assert "It was prepared: inverted." in text
    alone = RealBatch(images[:1], (None,), "mine")
    answer = explain_batch(network(), scaled(alone), alone, "title").steps[-1].text
    assert "known digit" not in answer


def test_a_network_without_batch_norm_is_refused() -> None:
    real = batch(2)
    bare = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
    with pytest.raises(HindiBnError, match="no batch-norm layer") as caught:
        explain_batch(bare, scaled(real), real, "title")
    assert "results/article/bn" in caught.value.next_step


def test_a_single_value_a_channel_is_refused() -> None:
    real = batch(1)
    flat = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1024), nn.Linear(1024, 10)).eval()
    with pytest.raises(HindiBnError, match="one value per channel"):
        explain_batch(flat, scaled(real), real, "title")


def test_where_torch_refuses_train_mode_deeper_down_it_is_quoted() -> None:
    real = batch(1)
    deep = nn.Sequential(
        nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1024, 10), nn.BatchNorm1d(10)
    ).eval()
    explanation = explain_batch(deep, scaled(real), real, "title")
    assert "torch refuses this batch: “Expected more than 1 value" in explanation.steps[-1].text
    assert len(explanation.steps[-1].values) == 1
