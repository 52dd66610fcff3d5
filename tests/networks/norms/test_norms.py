"""Normalisation layers by name: their formulas, their parameters, and their life in a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import epochs, tiny_digits, tiny_study
from torch import nn
from torch.nn.utils import parametrize

from hindi_bn.errors import StudyError
from hindi_bn.networks import build, layer_table, parameter_count, run_of, weight_of
from hindi_bn.networks.norms import Norm
from hindi_bn.networks.norms.batch_renorm import BatchRenorm, BatchRenormalisation
from hindi_bn.study.files import load_study
from hindi_bn.study.model import norm_called, norm_names
from hindi_bn.training.checkpoint import restore, snapshot
from hindi_bn.training.loop import evaluate, make_optimizer
from hindi_bn.training.run import load_network, train_run
from hindi_bn.training.tensors import Tensors, to_tensors

NAMES = norm_names()
WITH_AFFINE = [name for name in NAMES if "affine" in norm_called(name).model_fields]


def data(train: int = 70) -> Tensors:
    return to_tensors(tiny_digits(train=train), "unit", torch.device("cpu"))


def values(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64) * 3 + 1


def called(name: str, **settings: Any) -> Norm:
    norm = norm_called(name)(**settings)
    assert isinstance(norm, Norm)
    return norm


def layer_of(name: str, channels: int, **settings: Any) -> nn.Module:
    layer = called(name, **settings).maps(channels)
    assert layer is not None
    return layer


def test_all_names_of_the_laboratory_are_there() -> None:
    assert set(NAMES) >= {
        "none", "batch", "batch-by-hand", "batch-renorm", "layer", "instance", "group", "weight",
        "spectral", "batch-l1", "batch-l2", "batch-linf", "batch-noisy",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("norm", "of_maps", "of_features"),
    [
        ("none", "NoneType", "NoneType"),
        ("batch", "BatchNorm2d", "BatchNorm1d"),
        ("batch-by-hand", "HandwrittenBatchNorm", "HandwrittenBatchNorm"),
        ("batch-renorm", "BatchRenormalisation", "BatchRenormalisation"),
        ("batch-noisy", "NoisyBatchNormalisation", "NoisyBatchNormalisation"),
        ("layer", "GroupNorm", "LayerNorm"),
        ("group", "GroupNorm", "GroupNorm"),
        ("weight", "NoneType", "NoneType"),
        ("spectral", "NoneType", "NoneType"),
        ("batch-l1", "LpBatchNorm", "LpBatchNorm"),
    ],
)
def test_each_name_gives_its_layer(norm: str, of_maps: str, of_features: str) -> None:
    settings = called(norm)
    assert type(settings.maps(8)).__name__ == of_maps
    assert type(settings.features(8)).__name__ == of_features


@pytest.mark.parametrize("norm", [*WITH_AFFINE, "weight", "spectral"])
@pytest.mark.parametrize("parameters", [{}, {"eps": 0.5, "affine": False}])
def test_parameters_reach_the_layer(norm: str, parameters: dict[str, Any]) -> None:
    if norm in {"weight", "spectral"} and parameters:
        with pytest.raises(StudyError, match="Unknown key"):
            run_of("three_convs", {"name": norm, **parameters})
        return
    network = build("three_convs", {"name": norm, **parameters})
    for row in layer_table(network):
        if row.kind == "normalisation":
            layer = network[int(row.name)]
            eps = layer.eps if hasattr(layer, "eps") else layer.settings.eps
            assert eps == parameters.get("eps", 1e-5)
            assert row.parameters == (32 if parameters.get("affine", True) else 0)


def test_momentum_of_batch_norm_is_torchs() -> None:
    network = build("mlp", {"name": "batch", "momentum": 0.25})
    assert network[2].momentum == 0.25


def test_layer_norm_of_maps_has_the_statistics_of_torchs_layer_norm() -> None:
    layer = layer_of("layer", 6)
    x = values((4, 6, 5, 3))
    torch.testing.assert_close(
        layer.double()(x), nn.LayerNorm((6, 5, 3), elementwise_affine=False).double()(x)
    )
    assert layer.weight.shape == (6,)


@pytest.mark.parametrize("one_d", [False, True])
def test_group_norm_normalises_each_group_of_each_image(one_d: bool) -> None:
    layer = layer_of("group", 6, groups=3, eps=1e-3)
    x = values((4, 6) if one_d else (4, 6, 5, 3))
    groups = x.reshape(4, 3, -1).numpy()
    expected = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(
        groups.var(-1, keepdims=True) + 1e-3
    )
    np.testing.assert_allclose(
        layer.double()(x).detach().numpy().reshape(expected.shape), expected, rtol=1e-9
    )


def independent_renorm(
    batches: list[np.ndarray[Any, Any]], eps: float, weight_of_new: float, **schedule: float
) -> tuple[list[np.ndarray[Any, Any]], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Batch renormalisation of (batch, channels) in float64 NumPy, without gamma and beta."""
    running_mean, running_std = np.zeros(batches[0].shape[1]), np.ones(batches[0].shape[1])
    outputs = []
    for step, x in enumerate(batches):
        after = max(step - schedule["warm_up"], 0)
        r_limit = 1 + (schedule["r_max"] - 1) * min(after / schedule["r_ramp"], 1)
        d_limit = schedule["d_max"] * min(after / schedule["d_ramp"], 1)
        mean, std = x.mean(0), np.sqrt(x.var(0) + eps)
        r = np.clip(std / running_std, 1 / r_limit, r_limit)
        d = np.clip((mean - running_mean) / running_std, -d_limit, d_limit)
        outputs.append((x - mean) / std * r + d)
        running_mean += weight_of_new * (mean - running_mean)
        running_std += weight_of_new * (std - running_std)
    return outputs, running_mean, running_std


@pytest.mark.parametrize("maps", [False, True])
def test_batch_renorm_against_an_independent_computation(maps: bool) -> None:
    schedule = {"r_max": 2.0, "d_max": 0.7, "warm_up": 2, "r_ramp": 4, "d_ramp": 3}
    layer = BatchRenormalisation(3, BatchRenorm(momentum=0.3, eps=1e-3, **schedule)).double()
    rng = np.random.default_rng(5)
    batches = [rng.normal(0.5 * step, 1 + 0.3 * step, (16, 3)) for step in range(9)]
    expected, mean, std = independent_renorm(batches, 1e-3, 0.3, **schedule)
    for x, wanted in zip(batches, expected, strict=True):
        if maps:  # the same values as (4, 3, 2, 2)
            maps_of_x = torch.from_numpy(x).reshape(4, 2, 2, 3).permute(0, 3, 1, 2)
            output = layer(maps_of_x).permute(0, 2, 3, 1).reshape(16, 3)
        else:
            output = layer(torch.from_numpy(x))
        np.testing.assert_allclose(output.detach().numpy(), wanted, rtol=1e-10, atol=1e-12)
    assert int(layer.steps) == 9
    x = rng.normal(1, 2, (5, 3))
    evaluated = layer.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(evaluated, (x - mean) / std, rtol=1e-10)


def test_batch_renorm_starts_as_batch_norm_and_takes_no_gradient_through_r_and_d() -> None:
    x = values((6, 3)).requires_grad_()
    plain = BatchRenormalisation(3, BatchRenorm(warm_up=1)).double()
    torch.testing.assert_close(plain(x), nn.BatchNorm1d(3).double()(x))

    layer = BatchRenormalisation(3, BatchRenorm(warm_up=0, r_ramp=0, d_ramp=0)).double()
    assert [float(limit) for limit in layer.limits()] == [3.0, 5.0]
    weights = values((6, 3), seed=1)
    (ours,) = torch.autograd.grad((layer(x) * weights).sum(), x)
    std = (x.var(0, unbiased=False) + 1e-5).sqrt().detach()
    r = std.clamp(1 / 3, 3)  # the running mean and deviation were 0 and 1
    (theirs,) = torch.autograd.grad((nn.BatchNorm1d(3).double()(x) * weights * r).sum(), x)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("steps", "r_limit", "d_limit"),
    [
        (0, 1, 0),
        (500, 1, 0),
        (1500, 1 + 2 * 1000 / 3500, 2.5),
        (2500, 1 + 2 * 2000 / 3500, 5),
        (4000, 3, 5),
        (9000, 3, 5),
    ],
)
def test_the_schedule_of_batch_renorm(steps: int, r_limit: float, d_limit: float) -> None:
    layer = BatchRenormalisation(1, BatchRenorm())
    layer.steps.fill_(steps)
    assert [float(limit) for limit in layer.limits()] == pytest.approx([r_limit, d_limit])


@pytest.mark.parametrize(
    ("name", "scale"),
    [("batch-l1", 2.5), ("batch-l2", 7.5**0.5), ("batch-linf", 4.0)],
)
def test_lp_norms_by_hand(name: Any, scale: float) -> None:
    """A channel 1, 2, -3, 4: mean 1; mean |x| 2.5, mean x**2 7.5, max |x| 4."""
    layer = layer_of(name, 1, eps=1e-12, momentum=0.5).double()
    x = torch.tensor([1.0, 2.0, -3.0, 4.0], dtype=torch.float64)
    expected = (x - 1) / scale
    torch.testing.assert_close(layer(x.view(4, 1)).flatten(), expected)
    assert float(layer.running_mean) == pytest.approx(0.5)
    assert float(layer.running_scale) == pytest.approx((1 + scale) / 2)
    layer.eval()
    torch.testing.assert_close(layer(x.view(4, 1)).flatten(), (x - 0.5) / ((1 + scale) / 2))
    torch.testing.assert_close(layer.train()(x.view(2, 1, 1, 2)).flatten(), expected)


@pytest.mark.parametrize("name", ["batch-l1", "batch-l2", "batch-linf"])
def test_a_dead_channel_gives_finite_gradients(name: Any) -> None:
    layer = layer_of(name, 2)
    x = torch.zeros(4, 2, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_lp_norm_gradients_agree_with_finite_differences() -> None:
    for name in ("batch-l1", "batch-l2", "batch-linf"):
        layer = layer_of(name, 2).double()
        assert torch.autograd.gradcheck(layer, (values((3, 2, 2, 1)).requires_grad_(),))


def test_weight_norm_splits_a_filter_into_length_and_direction() -> None:
    plain, normed = (seeded(norm) for norm in ("none", "weight"))
    for name in ("0", "2", "4"):
        layer = normed.get_submodule(name)
        assert parametrize.is_parametrized(layer, "weight")
        original = plain.get_submodule(name).weight
        torch.testing.assert_close(layer.weight, original)
        lengths = layer.parametrizations.weight.original0.flatten()
        torch.testing.assert_close(lengths, original.flatten(1).norm(dim=1))
    assert not parametrize.is_parametrized(normed[-1])


def test_spectral_norm_divides_by_the_largest_singular_value() -> None:
    layer = build("three_convs", {"name": "spectral", "iterations": 50})[2]
    for _ in range(3):
        layer(torch.zeros(1, 16, 4, 4))
    weight = weight_of(layer)
    assert weight is not None
    assert float(torch.linalg.matrix_norm(weight.flatten(1), ord=2)) == pytest.approx(1, abs=1e-4)


def test_reading_a_spectral_weight_leaves_its_power_iteration_alone() -> None:
    layer = build("three_convs", "spectral")[0].train()
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    assert weight_of(layer) is not None
    assert layer.training
    assert all(torch.equal(before[name], now) for name, now in layer.state_dict().items())
    assert weight_of(nn.ReLU()) is None


def seeded(norm: Any, name: str = "three_convs", **settings: Any) -> nn.Sequential:
    torch.manual_seed(11)
    return build(name, norm, **settings)


@pytest.mark.parametrize("norm", [n for n in NAMES if n != "none"])
def test_every_norm_leaves_the_initial_weights_and_the_stream_as_they_are(norm: str) -> None:
    """Arms that differ in their norm share their first weights and all later draws."""
    plain = seeded("none")
    stream = torch.get_rng_state()
    normed = seeded(norm)
    assert torch.equal(torch.get_rng_state(), stream)
    convolutions = [layer for layer in normed if isinstance(layer, nn.Conv2d)]
    own = [layer for layer in plain if isinstance(layer, nn.Conv2d)]
    for ours, theirs in zip(convolutions, own, strict=True):
        if norm != "spectral":
            torch.testing.assert_close(ours.weight, theirs.weight)
        else:
            torch.testing.assert_close(ours.parametrizations.weight.original, theirs.weight)
    torch.testing.assert_close(normed[-1].weight, plain[-1].weight)


@pytest.mark.parametrize("norm", NAMES)
@pytest.mark.parametrize("name", ["conv_pair", "mlp"])
def test_every_norm_learns_and_its_state_survives_a_file(
    norm: str, name: str, tmp_path: Path
) -> None:
    if (name, norm) == ("mlp", "instance"):
        pytest.skip("instance normalisation is refused there")
    network = seeded(norm, name)
    images, labels = data().train_images, data().train_labels
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = build(name, norm)
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    torch.testing.assert_close(again.eval()(images), network.eval()(images), rtol=0, atol=0)


@pytest.mark.parametrize("norm", NAMES)
def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(norm: str) -> None:
    overrides = {"norm": norm, "epochs": 2, "dropout": 0.3, "recordings.pair.layer": "last-conv"}
    run = load_study("article", overrides).runs[0]

    def start() -> tuple[nn.Sequential, torch.optim.Optimizer]:
        network = seeded(norm, dropout=0.3)
        return network, make_optimizer(run, network)

    network, optimizer = start()
    rows = list(epochs(run, network, optimizer, data()))
    first, first_optimizer = start()
    half = epochs(run, first, first_optimizer, data())
    next(half)
    saved = {name: tensor.clone() for name, tensor in snapshot(first, first_optimizer).items()}
    second, second_optimizer = start()
    restore(saved, second, second_optimizer)
    rest = list(epochs(run, second, second_optimizer, data(), first=1))
    assert [row.train_loss for row in rest] == [row.train_loss for row in rows[1:]]
    for name, tensor in network.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name


@pytest.mark.parametrize("norm", NAMES)
def test_a_trained_run_read_back_gives_its_last_test_loss(norm: str, tmp_path: Path) -> None:
    study = tiny_study(norm=norm, network="conv_pair", dropout=0.2, recordings=[])
    record = train_run(study, "no-bn", tiny_digits(), tmp_path)
    tensors = data()
    loss, accuracy = evaluate(
        load_network(record),
        tensors.test_images,
        tensors.test_labels,
        study.runs[0].test_batch_size,
    )
    last = record.history.iloc[-1]
    assert (loss, accuracy) == (last["test_loss"], last["test_accuracy"])


def test_a_layer_that_cannot_work_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    study = tiny_study(network="mlp", norm="batch", batch_size=23)  # 70 = 3 * 23 + 1
    with pytest.raises(StudyError, match="last batch of one image"):
        train_run(study, "bn", tiny_digits(), tmp_path)
    assert not list(tmp_path.rglob("run.yaml"))


@pytest.mark.parametrize(
    ("norm", "said"),
    [
        ("btch", "Did you mean 'batch'"),
        ({"name": "group", "group": 2}, "Did you mean 'groups'"),
        ({"name": "layer", "momentum": 0.1}, "Unknown key of 'layer'"),
        ({"name": "batch", "momentum": 2}, "1 or less"),
        ({"name": "batch", "eps": 0}, "greater than 0"),
        ({"name": "batch-renorm", "r_max": 0.5}, "1 or greater"),
        ({"name": "batch", "affine": False, "gamma_beta": "normal"}, "no gamma to draw"),
        ({"eps": 1}, "mapping with the key 'name'"),
        (None, "must be a name"),
        ({"name": "group", "groups": 3}, "does not divide 16"),
    ],
)
def test_wrong_norms_are_refused_with_the_reason(norm: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        build("three_convs", norm)


def test_gamma_and_beta_from_a_standard_normal() -> None:
    network = seeded({"name": "batch", "gamma_beta": "normal"}, "mlp")
    gamma, beta = network[2].weight.detach(), network[2].bias.detach()
    for drawn in (gamma, beta):
        assert abs(float(drawn.mean())) < 0.35  # 3.5 standard errors of 100 values
        assert 0.75 < float(drawn.std()) < 1.25
    plain = seeded("batch", "mlp")
    torch.testing.assert_close(network[1].weight, plain[1].weight)
    assert torch.equal(plain[2].weight, torch.ones(100))
    assert parameter_count(network) == parameter_count(plain)


def test_placement_after_the_activation() -> None:
    kinds = [row.kind for row in layer_table(build("three_convs", "batch", placement="after"))]
    assert kinds[1:4] == ["convolution", "activation", "normalisation"]
    plain = layer_table(build("three_convs", "weight", placement="after"))
    assert plain == layer_table(build("three_convs", "weight"))
