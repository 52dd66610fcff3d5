"""The drawn stand-in: the same from the same seed, placed like the real digits, and useful."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from hindi_bn.digits.stand_in import draw, forms
from hindi_bn.digits.strokes import FORMS
from hindi_bn.figures.digits import contact_sheet

FEW = 120  # images a class: more than one block of 100


@pytest.fixture(scope="module")
def few() -> np.ndarray:
    return draw(train_per_class=FEW, test_per_class=0)[0]


@pytest.fixture(scope="module")
def few_tests() -> np.ndarray:
    return draw(train_per_class=0, test_per_class=FEW)[1]


@pytest.fixture(scope="module")
def all_of_them() -> tuple[np.ndarray, np.ndarray]:
    return draw()


@pytest.mark.slow
@pytest.mark.xdist_group("stand-in")
def test_the_default_is_as_large_as_the_real_data_set(
    all_of_them: tuple[np.ndarray, np.ndarray],
) -> None:
    train, test = all_of_them
    assert train.shape == (17000, 32, 32)
    assert test.shape == (3000, 32, 32)
    assert train.dtype == test.dtype == np.uint8
    assert 0.20 < train.mean() / 255 < 0.28  # the real training images: 0.242


def test_equal_seeds_give_equal_bytes_and_others_differ(few: np.ndarray) -> None:
    again = draw(train_per_class=FEW, test_per_class=0)[0]
    other = draw(seed=1, train_per_class=FEW, test_per_class=0)[0]
    assert again.tobytes() == few.tobytes()
    assert (other != few).any(axis=(1, 2)).all()


def test_no_two_images_are_equal_within_or_across_splits(
    few: np.ndarray, few_tests: np.ndarray
) -> None:
    images = np.concatenate([few, few_tests]).reshape(20 * FEW, -1)
    assert len(np.unique(images, axis=0)) == 20 * FEW


def test_fewer_images_are_the_first_of_each_class(few: np.ndarray, few_tests: np.ndarray) -> None:
    train, test = draw(train_per_class=3, test_per_class=2)
    by_class = few.reshape(10, FEW, 32, 32)
    assert (train.reshape(10, 3, 32, 32) == by_class[:, :3]).all()
    assert (test.reshape(10, 2, 32, 32) == few_tests.reshape(10, FEW, 32, 32)[:, :2]).all()


def test_nothing_can_be_asked_for() -> None:
    train, test = draw(train_per_class=0, test_per_class=0)
    assert train.shape == test.shape == (0, 32, 32)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"train_per_class": -1}, {"test_per_class": -1}])
def test_negative_numbers_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        draw(**wrong)


def test_the_outer_two_pixels_are_empty_and_the_strokes_reach_them(few: np.ndarray) -> None:
    inner = few[:, 2:-2, 2:-2]
    assert inner.sum(dtype=np.int64) == few.sum(dtype=np.int64)
    for side in (inner[:, -1], inner[:, :, 0], inner[:, :, -1]):  # bottom, left, right
        assert (side.max(axis=1) > 0).all()
    assert (inner[:, :3].max(axis=(1, 2)) > 0).all()  # the top has a little room


def test_strokes_are_white_and_anti_aliased_on_black(few: np.ndarray) -> None:
    assert few.mean(axis=(1, 2)).max() < 0.65 * 255
    assert (np.median(few, axis=(1, 2)) < 128).mean() > 0.98
    assert (few.max(axis=(1, 2)) >= 128).all()
    assert (few == 255).mean() > 0.05
    assert 0.1 < ((few > 0) & (few < 255)).mean() < 0.4


def test_classes_can_be_told_apart_by_their_mean_image(few: np.ndarray) -> None:
    train = few.reshape(10, FEW, -1).astype(float)
    means = train[:, : FEW // 2].mean(axis=1)  # (10, 1024)
    rest = train[:, FEW // 2 :].reshape(-1, 1024)
    nearest = np.square(rest[:, None] - means).sum(axis=2).argmin(axis=1)
    truth = np.repeat(np.arange(10), FEW // 2)
    assert (nearest == truth).mean() > 0.5  # by chance: 0.1


def test_every_numeral_has_many_forms_and_all_are_different() -> None:
    assert len(FORMS) == 10
    assert min(len(texts) for texts in FORMS) >= 10
    every = [text for texts in FORMS for text in texts]
    assert len(set(every)) == len(every)


def test_a_form_passes_its_control_points_and_turns_at_corners() -> None:
    for digit in range(10):
        for form in forms(digit):
            path = form.curve @ form.control
            gaps = np.linalg.norm(path[:, None] - form.control, axis=2).min(axis=0)
            assert path.shape == (160, 2)
            assert gaps.max() < 4.0  # the path has a point every 2 to 3 units
            assert np.allclose(form.curve.sum(axis=1), 1.0)  # a moved form is the form, moved


def test_contact_sheet_has_a_row_a_class() -> None:
    images = np.zeros((5, 4, 3), dtype=np.uint8)
    images[:] = np.array([10, 20, 30, 40, 50])[:, None, None]
    ax = Figure().add_subplot()
    assert contact_sheet(images, np.array([7, 2, 7, 2, 7]), 2, ax) is ax
    sheet = np.asarray(ax.images[0].get_array())
    assert sheet.shape == (2 * (4 + 2) + 2, 2 * (3 + 2) + 2)
    assert sheet[2:6, 2:5].tolist() == [[20] * 3] * 4
    assert sheet[2:6, 7:10].tolist() == [[40] * 3] * 4
    assert sheet[8:12, 2:5].tolist() == [[10] * 3] * 4
    assert sheet[8:12, 7:10].tolist() == [[30] * 3] * 4
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2", "7"]
    assert ax.get_yticks().tolist() == [3.5, 9.5]
    assert ax.get_ylabel() == "Digit"


def test_contact_sheet_leaves_room_where_a_class_has_too_few() -> None:
    ax = Figure().add_subplot()
    contact_sheet(np.full((1, 4, 3), 9, dtype=np.uint8), np.array([0]), 2, ax)
    sheet = np.asarray(ax.images[0].get_array())
    assert (sheet[:, 6:] == sheet[0, 0]).all()


@pytest.mark.parametrize(("count", "labels", "per_class"), [(2, 1, 1), (0, 0, 1), (1, 1, 0)])
def test_contact_sheet_refuses_what_it_cannot_draw(count: int, labels: int, per_class: int) -> None:
    images = np.zeros((count, 4, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="contact sheet"):
        contact_sheet(images, np.zeros(labels, dtype=int), per_class, Figure().add_subplot())


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.xdist_group("stand-in")
def test_a_network_that_saw_only_drawn_digits_reads_the_real_ones(
    all_of_them: tuple[np.ndarray, np.ndarray], real_data_dir: Path
) -> None:
    import torch
    from tiny import tiny_study

    from hindi_bn.digits import load
    from hindi_bn.networks import build_run
    from hindi_bn.training.loop import learner_of, make_optimizer

    torch.manual_seed(5842)
    torch.set_num_threads(1)
    images = torch.from_numpy(all_of_them[0]).float().div(255)[:, None]
    labels = torch.arange(10).repeat_interleave(1700)
    run = tiny_study(batch_size=64, test_batch_size=500).run("bn")
    network = build_run(run)
    for lr in torch.linspace(0.02, 0.0, 7).tolist()[:-1]:  # an epoch each
        slower = run.model_copy(update={"lr": lr})
        learner = learner_of(slower, network, make_optimizer(slower, network), numerics="engine")
        learner.layers.train()
        for batch in torch.randperm(17000).split(64):
            learner.step(images[batch], labels[batch])
    digits = load(real_data_dir)
    real = digits.test_images.float().div(255)[:, None]
    _, accuracy = learner.evaluate(real, digits.test_labels, 500)
    assert accuracy >= 0.95
