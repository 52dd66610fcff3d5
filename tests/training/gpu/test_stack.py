"""Stacked networks on the CPU: every member against its own single run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import tiny_digits
from torch import nn

from hindi_bn.networks import build, build_run, run_of
from hindi_bn.study import Capture, Run
from hindi_bn.training.gpu.graphs import Engine, eager, warm_up
from hindi_bn.training.gpu.program import Program, SingleLearner
from hindi_bn.training.gpu.stack import Stack, StackLearner
from hindi_bn.training.gpu.stacked_forward import GroupedForward, UnfoldedForward, VmapForward
from hindi_bn.training.loop import make_optimizer
from hindi_bn.training.tensors import Tensors, to_tensors

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def assert_members_agree(
    run: Run, forward: Any, dtype: torch.dtype, loss_tolerance: float, weight_tolerance: float
) -> None:
    """Train three networks stacked and one by one for two epochs and compare everything."""
    networks = []
    for seed in range(3):
        torch.manual_seed(seed)
        networks.append(build_run(run).to(dtype))
    single = to_tensors(tiny_digits(), run.scaling, CPU)
    data = Tensors(
        single.train_images.to(dtype), single.train_labels,
        single.test_images.to(dtype), single.test_labels,
    )  # fmt: skip
    stack = Stack(networks)
    together = Program(StackLearner(run, stack, forward), data, run)
    alone = [
        Program(SingleLearner(run, network, make_optimizer(run, network)), data, run)
        for network in networks
    ]
    for _ in range(2):
        orders = torch.stack([torch.randperm(70) for _ in networks])
        results, expected = (
            launched(together, orders),
            [launched(program, order)[0] for program, order in zip(alone, orders, strict=True)],
        )
        for ours, theirs in zip(results, expected, strict=True):
            torch.testing.assert_close(ours.losses, theirs.losses, rtol=0, atol=loss_tolerance)
            assert ours.test_loss == pytest.approx(theirs.test_loss, abs=loss_tolerance)
            assert (ours.wx, ours.wy) == pytest.approx((theirs.wx, theirs.wy), abs=1e-7)
            assert ours.train_accuracy == theirs.train_accuracy
            assert ours.test_accuracy == theirs.test_accuracy
    for place, network in enumerate(networks):
        member = stack.member(place)
        assert list(member) == list(network.state_dict())
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(member[name], tensor, rtol=0, atol=weight_tolerance)


def launched(program: Program, order: torch.Tensor) -> Any:
    engine = Engine(program, eager(program))
    list(engine.epoch(order))
    return engine.results()[0]


def run_for(network: str, norm: str, **settings: Any) -> Run:
    linear = network in {"mlp", "fully_connected"}
    capture = (
        Capture(layer="1", wx=(1, 2), wy=(2, 3))
        if linear
        else Capture(wx=(0, 0, 0, 0), wy=(1, 0, 0, 0))
    )
    run = run_of(network, norm, **settings)
    return run.model_copy(update={"lr": 0.02, "capture": capture})


GROUPED = [
    ("conv_pair", "none"), ("conv_pair", "batch"),
    ("conv_pair", "group"), ("conv_pair", "layer"), ("conv_pair", "instance"),
    ("lenet", "batch"), ("lenet", "layer"), ("mlp", "none"), ("mlp", "batch"),
    ("fully_connected", "group"), ("mlp", "layer"),
]  # fmt: skip


@pytest.mark.parametrize(("network", "norm"), GROUPED)
def test_grouped_members_agree_with_their_single_runs_to_rounding(network: str, norm: str) -> None:
    run = run_for(network, norm)
    assert GroupedForward.supports(build_run(run))
    assert_members_agree(run, GroupedForward, torch.float64, 1e-13, 1e-13)
    assert_members_agree(run, GroupedForward, torch.float32, 5e-6, 5e-6)


@pytest.mark.parametrize(
    ("norm", "settings"),
    [
        ("batch", {}),
        ("batch", {"placement": "after", "options": {"activation": "tanh", "pooling": "avg"}}),
        ("batch-by-hand", {}),
        ("batch-renorm", {"dropout": 0.3}),
        ("batch-l1", {}),
        ({"name": "batch", "affine": False}, {}),
    ],
    ids=str,
)
def test_vmapped_members_agree_with_their_single_runs_to_rounding(
    norm: Any, settings: dict[str, Any]
) -> None:
    run = run_for("conv_pair", norm, **settings)
    assert_members_agree(run, VmapForward, torch.float64, 1e-13, 1e-13)


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        ("three_convs", {"options": {"width": 4}}),
        ("conv_pair", {"options": {"pooling": "none"}}),  # a convolution of stride 2
        ("lenet", {}),
    ],
)
def test_unfolded_convolutions_agree_with_their_single_runs_to_rounding(
    network: str, settings: dict[str, Any]
) -> None:
    run = run_for(network, "batch", **settings)
    assert_members_agree(run, UnfoldedForward, torch.float64, 1e-13, 1e-13)


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "layer"])
def test_grouped_layers_without_gamma_and_beta_agree(norm: str) -> None:
    run = run_for("conv_pair", {"name": norm, "affine": False})
    assert_members_agree(run, GroupedForward, torch.float64, 1e-13, 1e-13)


def test_momentum_is_each_members_own() -> None:
    run = run_for("conv_pair", "batch").model_copy(update={"momentum": 0.9, "lr": 0.005})
    assert_members_agree(run, GroupedForward, torch.float64, 1e-12, 1e-12)


def test_one_members_gradient_does_not_reach_another() -> None:
    stack = Stack([build("conv_pair", "batch") for _ in range(3)])
    images = torch.rand(3, 4, 1, 32, 32)
    for forward in (GroupedForward(stack), VmapForward(stack)):
        for parameter in stack.parameters.values():
            parameter.grad = None
        forward(images)[1].square().sum().backward()
        for parameter in stack.parameters.values():
            assert parameter.grad is not None
            assert not parameter.grad[0].any()
            assert not parameter.grad[2].any()
        last = stack.parameters["9.weight"].grad
        assert last is not None
        assert last[1].any()


def test_pooling_before_the_last_relu_changes_no_bit() -> None:
    torch.manual_seed(0)
    maps = torch.randn(4, 8, 10, 10).round(decimals=1)  # with ties
    gradients, values = [], []
    for layers in ((nn.ReLU(), nn.MaxPool2d(2)), (nn.MaxPool2d(2), nn.ReLU())):
        x = maps.clone().requires_grad_()
        y = nn.Sequential(*layers)(x)
        (y * torch.arange(y.numel()).view(y.shape)).sum().backward()
        values.append(y.detach())
        gradients.append(x.grad)
    assert torch.equal(*values)
    assert gradients[0] is not None
    assert gradients[1] is not None
    assert torch.equal(gradients[0], gradients[1])


@pytest.mark.parametrize("forward", [GroupedForward, VmapForward])
def test_warming_up_leaves_no_trace_in_any_member(forward: Any) -> None:
    run = run_for("conv_pair", "batch").model_copy(update={"momentum": 0.9})
    networks = [build_run(run) for _ in range(2)]
    stack = Stack(networks)
    learner = StackLearner(run, stack, forward)
    warm_up(Program(learner, to_tensors(tiny_digits(), run.scaling, CPU), run))
    for place, network in enumerate(networks):
        for name, tensor in network.state_dict().items():
            assert torch.equal(stack.member(place)[name], tensor), name
    for state in learner.optimizer.state.values():
        assert not state["momentum_buffer"].any()
