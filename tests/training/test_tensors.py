"""Training on a part of the training images: which ones, and that everything counts them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from older import with_older_state
from tiny import members_of, tiny_digits, tiny_study

from hindi_bn.bench.benchmark import benchmark
from hindi_bn.errors import StudyError
from hindi_bn.networks import run_of
from hindi_bn.study import Study
from hindi_bn.study.files import load_study
from hindi_bn.training.gpu.ensemble import train_ensemble
from hindi_bn.training.run import Reporter, RunInterrupted, train_run
from hindi_bn.training.tensors import run_constants, scaling_constants, training_digits


def rows(*turns: int) -> list[int]:
    """Places of the tiny digits' images in these turns: their labels count 0 to 9 seven times."""
    return [10 * turn + digit for turn in turns for digit in range(10)]


def test_images_of_each_digit_are_evenly_spread_and_in_order() -> None:
    digits = tiny_digits()
    part = training_digits(digits, run_of("mlp", train_images=30))
    assert torch.equal(part.train_images, digits.train_images[rows(0, 2, 4)])
    assert torch.equal(part.train_labels, digits.train_labels[:30])
    assert part.test_images is digits.test_images
    for count in (None, 70):
        assert training_digits(digits, run_of("mlp", train_images=count)) is digits


def test_images_sorted_by_digit_are_taken_from_each() -> None:
    digits = tiny_digits()
    order = digits.train_labels.argsort(stable=True)
    digits.train_labels.copy_(digits.train_labels[order])
    digits.train_images.copy_(digits.train_images[order])
    part = training_digits(digits, run_of("mlp", train_images=20))
    places = [place for digit in range(10) for place in (7 * digit, 7 * digit + 3)]
    assert torch.equal(part.train_images, digits.train_images[places])


@pytest.mark.parametrize("count", [5, 33, 80])
def test_what_cannot_be_shared_equally_is_refused(count: int) -> None:
    with pytest.raises(StudyError, match="multiple of 10 up to 70"):
        training_digits(tiny_digits(), run_of("mlp", train_images=count))


def test_wrong_numbers_are_refused() -> None:
    for wrong in (0, True):
        with pytest.raises(StudyError, match="train_images"):
            run_of("mlp", train_images=wrong)


def test_standard_scaling_is_that_of_the_images_used() -> None:
    digits, run = tiny_digits(), run_of("mlp", train_images=10, scaling="standard")
    pixels = digits.train_images[:10].double() / 255
    expected = (float(pixels.mean()), float(pixels.std(correction=0)))
    assert run_constants(digits, run) == pytest.approx(expected)
    assert run_constants(digits, run) != scaling_constants(digits.train_images, "standard")


def test_a_run_trains_on_its_part_alone_and_in_an_ensemble(tmp_path: Path) -> None:
    study = Study.model_validate(tiny_study(train_images=40).model_dump() | {"stream": "paired"})
    steps = []
    reporter = Reporter(step=lambda done, all_steps: steps.append((done, all_steps)))
    record = train_run(study, "bn", tiny_digits(), tmp_path, reporter=reporter)
    assert steps == [(1, 2), (2, 2)] * 2  # 40 images in batches of 32
    every, kept = tiny_digits(), rows(0, 1, 3, 5)
    few = replace(
        every, train_images=every.train_images[kept], train_labels=every.train_labels[kept]
    )
    alone = train_run(tiny_study(stream="paired"), "bn", few, tmp_path / "all")
    assert list(record.history["train_loss"]) == list(alone.history["train_loss"])

    whole = Study.model_validate(study.model_dump() | {"name": "whole"})
    runs = [run.model_copy(update={"train_images": None}) for run in whole.runs]
    whole = whole.model_copy(update={"runs": tuple(runs)})
    members = [*members_of(study, ["bn"], [study.seed]), *members_of(whole, ["bn"], [study.seed])]
    trained, other = train_ensemble(members, tiny_digits())
    assert [row.train_loss for row in trained.rows] == pytest.approx(
        list(record.history["train_loss"]), rel=1e-5
    )
    assert other.rows[0].train_loss != trained.rows[0].train_loss


def test_a_last_batch_of_one_is_seen() -> None:
    members = members_of(load_study("mlp", {"train_images": 40, "batch_size": 39}), ["bn"], [1])
    with pytest.raises(StudyError, match="40 training images in batches of 39"):
        train_ensemble(members, tiny_digits())


def test_a_checkpoint_from_before_these_settings_is_resumed(tmp_path: Path) -> None:
    def stop(row: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(RunInterrupted):
        train_run(tiny_study(), "bn", tiny_digits(), tmp_path, reporter=Reporter(epoch=stop))

    def forget(state: dict[str, Any]) -> None:
        for key in ("train_images", "augment"):
            del state["settings"]["run"][key]

    with_older_state(tmp_path / "article" / "bn", forget)
    assert len(train_run(tiny_study(), "bn", tiny_digits(), tmp_path, resume=True).history) == 2


@pytest.mark.parametrize("setting", [{"train_images": 40}, {"augment": "crop"}])
def test_the_benchmark_refuses_what_the_notebook_cannot(
    setting: dict[str, object], tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match="notebook"):
        benchmark(tiny_study(**setting), tmp_path)
