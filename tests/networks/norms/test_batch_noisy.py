"""Batch norm with noise after it: what is added, where it comes from, and a resume."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks import build, check, layer_table, run_of
from hindi_bn.networks.norms.batch_noisy import NoisyBatchNorm, NoisyBatchNormalisation
from hindi_bn.study.model import Study
from hindi_bn.training.run import Reporter, RunInterrupted, train_run

NOISY = {"runs__bn__norm__name": "batch-noisy"}


def noisy(channels: int = 3, **settings: float) -> NoisyBatchNormalisation:
    torch.manual_seed(1)
    return NoisyBatchNormalisation(channels, NoisyBatchNorm.model_validate(settings))


def batch(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 2 + 5


def test_without_noise_it_is_torchs_batch_norm_to_the_bit() -> None:
    layer, torchs = noisy(noise_shift=0, noise_scale=1, noise_spread=0), nn.BatchNorm2d(3)
    for _ in range(3):
        assert torch.equal(layer(batch(8, 3, 4, 4)), torchs(batch(8, 3, 4, 4)))
    layer.eval(), torchs.eval()
    assert torch.equal(layer(batch(2, 3, 4, 4)), torchs(batch(2, 3, 4, 4)))
    for name in ("running_mean", "running_var", "num_batches_tracked", "weight", "bias"):
        assert torch.equal(layer.state_dict()[name], torchs.state_dict()[name])


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 4, 4)])
def test_each_image_is_scaled_and_shifted_as_noise_says(shape: tuple[int, ...]) -> None:
    layer, plain = noisy(), nn.BatchNorm1d(3) if len(shape) == 2 else nn.BatchNorm2d(3)
    x = batch(*shape)
    shift, scale = layer.noise(8)
    normalised, out = plain(x), layer(x)
    for image in range(8):
        for channel in range(3):
            expected = normalised[image, channel] * scale[image, channel] + shift[image, channel]
            torch.testing.assert_close(out[image, channel], expected)


def test_noise_has_the_stated_distributions() -> None:
    layer = noisy(2000, noise_shift=0.5, noise_scale=1.25, noise_spread=0)
    shift, scale = layer.noise(2)
    assert torch.equal(shift[0], shift[1])  # without spread, an image is shifted as its unit is
    assert shift.abs().max() <= 0.5
    assert shift.mean().abs() < 4 * 0.5 / math.sqrt(3 * 2000)  # 4 standard errors of the mean
    assert shift[0].std() == pytest.approx(0.5 / math.sqrt(3), rel=0.05)
    assert scale.min() >= 1
    assert scale.max() <= 1.25
    assert scale.mean() == pytest.approx(1.125, abs=4 * 0.125 / math.sqrt(3 * 2000))

    shift, scale = noisy(2000, noise_shift=0, noise_scale=1, noise_spread=0.1).noise(10)
    assert shift.abs().max() <= 0.1
    assert shift.std() == pytest.approx(0.1 / math.sqrt(3), rel=0.03)
    assert scale.mean() == pytest.approx(1, abs=4 * 0.1 / math.sqrt(20_000))
    assert scale.std() == pytest.approx(0.1, rel=0.03)


def test_noise_changes_with_step_seed_and_layer_and_spares_the_random_stream() -> None:
    layer, state = noisy(), torch.get_rng_state()
    first = layer.noise(4)[0]
    assert torch.equal(first, layer.noise(4)[0])
    layer(batch(4, 3))
    second = layer.noise(4)[0]
    assert not torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())

    torch.manual_seed(1)
    network = build("three_convs", "batch-noisy")
    layers = [layer for layer in network if isinstance(layer, NoisyBatchNormalisation)]
    torch.manual_seed(2)
    other = build("three_convs", "batch-noisy")[1]
    assert isinstance(other, NoisyBatchNormalisation)
    noises = [layer.noise(4)[0] for layer in (*layers, other)]
    assert len({tuple(noise.flatten().tolist()) for noise in noises}) == 4


def test_evaluation_has_no_noise() -> None:
    layer = noisy().eval()
    x = batch(4, 3)
    torch.testing.assert_close(layer(x), x / math.sqrt(1 + 1e-5))


def test_it_stands_in_networks_and_refuses_one_value() -> None:
    for layer in (NoisyBatchNorm().features(4), NoisyBatchNorm().maps(4)):
        assert type(layer) is NoisyBatchNormalisation
    rows = [row for row in layer_table(build("mlp", "batch-noisy")) if row.kind == "normalisation"]
    assert [row.description for row in rows] == ["Batch norm with noise 100"]
    single = run_of("mlp", "batch-noisy", batch_size=1)
    with pytest.raises(StudyError, match="one value"):
        check(single, 70)


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    study = Study.model_validate(tiny_study(**NOISY).model_dump() | {"stream": "paired"})
    whole = train_run(study, "bn", tiny_digits(), tmp_path / "whole")

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(RunInterrupted):
        train_run(study, "bn", tiny_digits(), tmp_path / "cut", reporter=Reporter(epoch=stop))
    cut = train_run(study, "bn", tiny_digits(), tmp_path / "cut", resume=True)
    weights = "weights.safetensors"
    assert (whole.folder / weights).read_bytes() == (cut.folder / weights).read_bytes()
    assert whole.history.drop(columns="seconds").equals(cut.history.drop(columns="seconds"))
