"""Stacked networks on the CPU: every member against its own single run."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tiny import tiny_digits
from torch import nn

from hindi_bn.networks import build, build_run, run_of
from hindi_bn.study import Run
from hindi_bn.training.gpu.graphs import GraphTrainer, eager, warm_up
from hindi_bn.training.gpu.program import Program
from hindi_bn.training.gpu.stack import Stack
from hindi_bn.training.loop import TorchLearner, make_optimizer
from hindi_bn.training.tensors import Tensors, to_tensors

pytestmark = pytest.mark.slow  # many small networks, side by side and alone

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def assert_members_agree(
    run: Run, dtype: torch.dtype, loss_tolerance: float, weight_tolerance: float
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
    singles = [copy.deepcopy(network) for network in networks]
    stack = Stack(networks)
    together = Program(TorchLearner(stack, make_optimizer(run, stack), lead=(3,)), data, run)
    alone = [
        Program(TorchLearner(network, make_optimizer(run, network)), data, run)
        for network in singles
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
            assert ours.train_accuracy == theirs.train_accuracy
            assert ours.test_accuracy == theirs.test_accuracy
    for trained, network in zip(stack.networks, singles, strict=True):
        member = trained.state_dict()
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(member[name], tensor, rtol=0, atol=weight_tolerance)


def launched(program: Program, order: torch.Tensor) -> Any:
    trainer = GraphTrainer(program, eager(program))
    trainer.train(order, 0, lambda done, steps: None)
    return trainer.results()[0]


def run_for(network: str, norm: Any, **settings: Any) -> Run:
    return run_of(network, norm, **settings).model_copy(update={"lr": 0.02})


@pytest.mark.parametrize(
    ("network", "norm"),
    [
        ("conv_pair", "none"), ("conv_pair", "batch"), ("conv_pair", "group"),
        ("conv_pair", "layer"), ("conv_pair", "instance"), ("lenet", "batch"),
        ("mlp", "batch"), ("mlp", "layer"), ("fully_connected", "group"),
    ],
)  # fmt: skip
def test_members_agree_with_their_single_runs_to_rounding(network: str, norm: str) -> None:
    run = run_for(network, norm)
    assert Stack.supports(build_run(run))
    assert_members_agree(run, torch.float64, 1e-13, 1e-13)
    if norm in ("none", "batch"):
        assert_members_agree(run, torch.float32, 5e-6, 5e-6)


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
def test_members_of_other_layers_agree_with_their_single_runs(
    norm: Any, settings: dict[str, Any]
) -> None:
    run = run_for("conv_pair", norm, **settings)
    assert_members_agree(run, torch.float64, 1e-13, 1e-13)


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        ("mlp", {"transformer": True, "halved": True}),
        ("conv_pair", {"options": {"padding": "mean"}, "norm": "batch"}),
        ("conv_pair", {"options": {"padding": "border"}}),
        ("mlp", {"dropout": 0.3, "dropout_place": "norms", "norm": "batch"}),
        ("locally_connected", {"options": {"width": 2}, "norm": "batch", "halved": True}),
    ],
    ids=str,
)
def test_members_of_varied_networks_agree_with_their_single_runs(
    network: str, settings: dict[str, Any]
) -> None:
    norm = settings.get("norm", "none")
    run = run_for(network, norm, **{k: v for k, v in settings.items() if k != "norm"})
    assert_members_agree(run, torch.float64, 1e-11, 1e-11)


def test_momentum_is_each_members_own() -> None:
    run = run_for("conv_pair", "batch").model_copy(update={"momentum": 0.9, "lr": 0.005})
    assert_members_agree(run, torch.float64, 1e-12, 1e-12)


def test_one_members_gradient_does_not_reach_another() -> None:
    stack = Stack([build("conv_pair", "batch") for _ in range(3)])
    stack(torch.rand(3, 4, 1, 32, 32))[1].square().sum().backward()
    for parameter in stack.parameters():
        assert parameter.grad is not None
        assert not parameter.grad[0].any()
        assert not parameter.grad[2].any()
    last = list(stack.parameters())[-2].grad
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


def test_warming_up_leaves_no_trace_in_any_member() -> None:
    run = run_for("conv_pair", "batch").model_copy(update={"momentum": 0.9})
    networks = [build_run(run) for _ in range(2)]
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    stack = Stack(networks)
    learner = TorchLearner(stack, make_optimizer(run, stack), lead=(2,))
    warm_up(Program(learner, to_tensors(tiny_digits(), run.scaling, CPU), run))
    for member, state in zip(stack.networks, before, strict=True):
        for name, tensor in member.state_dict().items():
            assert torch.equal(tensor, state[name]), name
    for state in learner.optimizer.state.values():
        assert not state["momentum_buffer"].any()
