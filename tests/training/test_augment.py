"""Augmented training images against torchvision's transforms, and as a run sees them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from tiny import epochs, graphed_epochs, members_of, tiny_digits, tiny_study
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as v2_functional

from hindi_bn.networks import build_run
from hindi_bn.records import Record
from hindi_bn.study import Augment, Study
from hindi_bn.training.augment import (
    Augmenter,
    draw_angles,
    draw_crops,
    draw_factors,
    resized_crops,
    rotations,
)
from hindi_bn.training.gpu.ensemble import train_ensemble
from hindi_bn.training.gpu.graphs import eager
from hindi_bn.training.loop import make_optimizer
from hindi_bn.training.rng import move_to_run
from hindi_bn.training.run import Reporter, RunInterrupted, train_run
from hindi_bn.training.tensors import Tensors, to_tensors, training_digits

CPU = torch.device("cpu")
BILINEAR = v2.InterpolationMode.BILINEAR


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=generator())


@pytest.mark.parametrize("side", [28, 32])
def test_crops_are_resized_as_torchvision_does(side: int) -> None:
    x, crops = images(50, side), draw_crops(50, side, generator())
    ours = resized_crops(x, crops)
    for image, (top, left, height, width), result in zip(x, crops.tolist(), ours, strict=True):
        theirs = v2_functional.resized_crop(image, top, left, height, width, [side, side])
        torch.testing.assert_close(result, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", [28, 32])
def test_rotations_are_torchvisions(side: int) -> None:
    x, degrees = images(50, side), draw_angles(50, generator())
    ours = rotations(x, degrees)
    for image, angle, result in zip(x, degrees.tolist(), ours, strict=True):
        theirs = v2_functional.rotate(image, angle, BILINEAR)
        torch.testing.assert_close(result, theirs, rtol=0, atol=1e-4)


def test_crops_and_angles_are_distributed_as_torchvisions() -> None:
    crops = draw_crops(20_000, 32, generator())
    assert (crops[:, :2] >= 0).all()
    assert (crops[:, :2] + crops[:, 2:] <= 32).all()
    torch.manual_seed(0)
    transform = v2.RandomResizedCrop(32, scale=(0.5, 1.0), ratio=(0.9, 1.1))
    drawn = [transform.make_params([images(1)[0]]) for _ in range(1000)]
    for column, key in enumerate(("top", "left", "height", "width")):
        theirs = torch.tensor([float(parameters[key]) for parameters in drawn])
        ours = crops[:, column].double()
        error = theirs.std() / 1000**0.5
        assert abs(ours.mean() - theirs.mean()) < 4 * error, key
        assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.1), key

    degrees = draw_angles(20_000, generator())
    assert degrees.abs().max() <= 30
    assert abs(degrees.mean()) < 4 * 30 / (3 * 20_000) ** 0.5
    assert float(degrees.std()) == pytest.approx(30 / 3**0.5, rel=0.03)


def test_a_crop_that_never_fits_is_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hindi_bn.training.augment.AREA", (4.0, 4.0))
    assert draw_crops(3, 32, generator()).tolist() == [[0, 0, 32, 32]] * 3


@pytest.mark.parametrize("scaling", ["unit", "half", "standard"])
def test_what_comes_from_outside_an_image_is_black(scaling: str) -> None:
    data = to_tensors(tiny_digits(), scaling, CPU)  # type: ignore[arg-type]
    black = torch.zeros_like(data.train_images) + data.background
    turned = Augmenter(Tensors(black, *rest(data), data.background), "crop-rotate", 3).images(0)
    torch.testing.assert_close(turned, black)


def rest(data: Tensors) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return data.train_labels, data.test_images, data.test_labels


def test_each_epoch_and_seed_has_its_own_images_whatever_the_random_stream_does() -> None:
    data = to_tensors(tiny_digits(), "unit", CPU)
    state = torch.get_rng_state()
    first = Augmenter(data, "crop", 3).images(0)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(1)
    assert torch.equal(first, Augmenter(data, "crop", 3).images(0))
    for other in (Augmenter(data, "crop", 3).images(1), Augmenter(data, "crop", 4).images(0)):
        assert not torch.equal(first, other)
    assert Augmenter(data, "none", 3).images(0) is data.train_images
    assert Augmenter(data, "none", 3).tensors(0) is data


def paired(**overrides: object) -> Study:
    changed = tiny_study(**overrides).model_dump() | {"stream": "paired"}
    return Study.model_validate(changed)


@pytest.mark.parametrize("augment", ["crop", "rotate", "crop-rotate", "enlarge-rotate"])
def test_an_epoch_trains_on_its_augmented_images(augment: Augment) -> None:
    study = paired(augment=augment, epochs=1, lr=1e-9)
    run = study.run("bn")
    data = to_tensors(tiny_digits(), run.scaling, CPU)
    move_to_run(study, "bn")
    network = build_run(run)
    (row,) = epochs(run, network, make_optimizer(run, network), data)

    plain = paired(epochs=1, lr=1e-9).run("bn")  # the same, on images augmented beforehand
    move_to_run(study, "bn")
    network = build_run(run)
    shown = Augmenter(data, augment, study.seed).tensors(0)
    (expected,) = epochs(plain, network, make_optimizer(plain, network), shown)
    assert (row.train_loss, row.train_accuracy) == (expected.train_loss, expected.train_accuracy)
    (unchanged,) = epochs(plain, network, make_optimizer(plain, network), data)
    assert unchanged.train_loss != row.train_loss


def without_time(record: Record) -> str:
    return str(record.history.drop(columns="seconds").to_csv())


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    study = paired(augment="crop-rotate")
    whole = train_run(study, "bn", tiny_digits(), tmp_path / "whole")

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(RunInterrupted):
        train_run(study, "bn", tiny_digits(), tmp_path / "cut", reporter=Reporter(epoch=stop))
    torch.manual_seed(99)
    cut = train_run(study, "bn", tiny_digits(), tmp_path / "cut", resume=True)
    weights = "weights.safetensors"
    assert (whole.folder / weights).read_bytes() == (cut.folder / weights).read_bytes()
    assert without_time(whole) == without_time(cut)


def test_programs_and_ensembles_show_the_same_images(tmp_path: Path) -> None:
    study = paired(augment="crop-rotate", train_images=50)
    record = train_run(study, "bn", tiny_digits(), tmp_path)
    losses = list(record.history["train_loss"])

    run = study.run("bn")
    data = to_tensors(training_digits(tiny_digits(), run), run.scaling, CPU)
    move_to_run(study, "bn")
    network = build_run(run)
    rows = graphed_epochs(run, network, make_optimizer(run, network), data, launch=eager)
    assert [row.train_loss for row in rows] == pytest.approx(losses, rel=1e-6)

    members = members_of(study, ["bn", "no-bn"], [study.seed])
    trained = train_ensemble(members, tiny_digits())
    assert [member.method for member in trained] == ["single", "single"]
    assert [row.train_loss for row in trained[0].rows] == pytest.approx(losses, rel=1e-6)


@pytest.mark.parametrize("side", [16, 28, 32])
def test_enlargements_are_torchvisions(side: int) -> None:
    """Both with black around the image, and the angle of `affine` clockwise."""
    x, drawn = images(50, side), generator()
    degrees, factors = draw_angles(50, drawn), draw_factors(50, drawn)
    for angles in (degrees, torch.zeros_like(degrees)):
        ours = rotations(x, angles, factors)
        for image, angle, factor, result in zip(x, angles, factors, ours, strict=True):
            theirs = v2_functional.affine(
                image, -float(angle), [0, 0], float(factor), [0.0, 0.0], interpolation=BILINEAR
            )
            torch.testing.assert_close(result, theirs, rtol=0, atol=2e-4)


def test_factors_are_uniform_over_their_range() -> None:
    factors = draw_factors(20_000, generator())
    assert 1 <= float(factors.min()) < 1.001
    assert 1.499 < float(factors.max()) <= 1.5
    assert abs(float(factors.mean()) - 1.25) < 4 * 0.5 / (12 * 20_000) ** 0.5


def test_enlarging_leaves_crops_and_rotations_as_they_are_drawn() -> None:
    """An epoch's rotations are those of `rotate`, whose bits are those from before `enlarge`."""
    data = to_tensors(tiny_digits(), "unit", CPU)
    digest = hashlib.sha256(b"augment 3 0").digest()
    drawn = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    shown = data.train_images
    crops, angles = draw_crops(70, 32, drawn), draw_angles(70, drawn)
    factors = draw_factors(70, drawn)
    expected = {
        "crop-rotate": rotations(resized_crops(shown, crops), angles),
        "rotate": rotations(shown, angles),
        "enlarge": rotations(shown, torch.zeros(70), factors),
        "enlarge-rotate": rotations(shown, angles, factors),
    }
    for augment, images_of_epoch in expected.items():
        assert torch.equal(Augmenter(data, augment, 3).images(0), images_of_epoch)  # type: ignore[arg-type]
