"""The engine against torch: every gradient and the logits, and whole epochs on the real digits."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from engine.drivers import batches, learner_of, network_of, run_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from hindi_bn import load_digits, load_study, train

BAR = 5e-6  # of a tensor's largest value; docs/engine.md
NEAR = 1.5e-6  # nearer to a bend than this, float32 may take the other side of it

NORMS: list[Any] = [
    "none", "batch", "layer", "instance", {"name": "group", "groups": 2},
    {"name": "group", "groups": 8, "eps": 0.01}, {"name": "batch", "affine": False},
    {"name": "batch", "eps": 0.1, "gamma_beta": "normal"}, {"name": "layer", "affine": False},
]  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Settings, the side of the images, their number, and a seed."""
    norm, side = draw(st.sampled_from(NORMS)), draw(st.sampled_from([16, 16, 18, 28, 32]))
    return {
        "run": {
            "norm": norm,
            "placement": draw(st.sampled_from(["before", "after"])) if norm != "none" else "before",
            "options__convolutions": draw(st.integers(1, 4)),
            "options__pooling": draw(st.sampled_from(["max", "avg"])),
        },
        "side": side,
        "images": draw(st.sampled_from([1, 2, 3, 8, 11] if side < 20 else [1, 2])),
        "seed": draw(st.integers(0, 10_000)),
    }


@torch.no_grad()
def far_from_bends(network: nn.Sequential, images: torch.Tensor) -> bool:
    """Whether no ReLU and no choice of a pooling is so close that rounding could decide it."""
    x = images
    for layer in network:
        if isinstance(layer, nn.ReLU) and float((x.abs() / x.abs().max()).min()) < NEAR:
            return False
        if isinstance(layer, nn.MaxPool2d):
            windows = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
            first, second = windows.topk(2, dim=-1)[0].unbind(-1)
            gap = torch.where(first > 0, (first - second) / x.abs().max(), torch.ones(()))
            alike = (first == second) & (first == 0)
            if bool(((gap < NEAR) & ~alike).any()):
                return False
        x = layer(x)
    return True


def apart(ours: torch.Tensor, theirs: torch.Tensor, scale: float = 0.0) -> float:
    """Largest difference, as a share of the largest value of what is right (or of `scale`)."""
    ours, theirs = ours.detach(), theirs.detach()
    return float((ours - theirs).abs().max() / max(float(theirs.abs().max()), scale, 1e-12))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_every_gradient_and_the_logits_agree_with_torch_in_float64(case: dict[str, Any]) -> None:
    run, side = run_of(**case["run"]), case["side"]
    network = network_of(run, case["seed"], side)
    ((images, labels),) = batches([case["images"]], side, case["seed"])
    exact = copy.deepcopy(network).double()
    exact.train()
    assume(far_from_bends(copy.deepcopy(exact), images.double()))
    answers = exact(images.double())
    loss = functional.cross_entropy(answers, labels)
    loss.backward()

    learner = learner_of(run, network)
    network.train()
    ours, right = learner.step(images, labels)  # lr 0.001: gradients are those before the step
    assert ours == pytest.approx(float(loss.detach()), rel=BAR)
    assert right == int((answers.argmax(1) == labels).sum())
    # a bias before a norm that takes each channel's mean away: its gradient is rounding alone
    largest = max(float(p.grad.abs().max()) for p in exact.parameters() if p.grad is not None)
    for (name, mine), theirs in zip(network.named_parameters(), exact.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        vanishing = float(theirs.grad.abs().max()) < 1e-9 * largest
        error = apart(mine.grad, theirs.grad, largest if vanishing else 0.0)
        assert error < BAR, (name, error)
        moved = theirs.detach() - run.lr * theirs.grad
        assert vanishing or apart(mine, moved) < BAR, name
    for mine, theirs in zip(network.buffers(), exact.buffers(), strict=True):
        assert apart(mine, theirs) < BAR

    exact.eval()
    exact.load_state_dict({k: v.double() for k, v in network.state_dict().items()})
    wanted = exact(images.double())
    loss, accuracy = learner.evaluate(images, labels, 32)
    assert loss == pytest.approx(float(functional.cross_entropy(wanted, labels).detach()), rel=BAR)
    assert accuracy == pytest.approx(float((wanted.argmax(1) == labels).double().mean()))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_are_those_of_torchs_sgd(momentum: float) -> None:
    run = run_of(norm="batch", lr=0.05, momentum=momentum)
    network = network_of(run)
    theirs = copy.deepcopy(network)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=momentum)
    learner = learner_of(run, network)
    for images, labels in batches([4, 4, 4]):
        optimizer.zero_grad()
        for parameter, gradient in zip(
            theirs.parameters(), gradients_after(learner, images, labels), strict=True
        ):
            parameter.grad = gradient
        optimizer.step()
        for mine, other in zip(network.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-8)


def gradients_after(learner: Any, images: torch.Tensor, labels: torch.Tensor) -> list[Any]:
    learner.step(images, labels)
    return [parameter.grad.clone() for parameter in learner.layers.parameters()]


def histories(data_dir: Path, out: Path, numerics: str) -> dict[str, pd.DataFrame]:
    changes = {"epochs": 2, "numerics": numerics, "threads": 1}
    study, digits = load_study("article", changes), load_digits(data_dir)
    return {record.run.name: record.history for record in train(study, digits=digits, out=out)}


@pytest.mark.real
@pytest.mark.slow
def test_two_epochs_on_the_real_digits_agree_with_exact(
    real_data_dir: Path, tmp_path: Path
) -> None:
    exact = histories(real_data_dir, tmp_path / "exact", "exact")
    engine = histories(real_data_dir, tmp_path / "engine", "engine")
    for run, bar in (("no-bn", 1e-5), ("bn", 1e-4)):
        apart = (exact[run] - engine[run]).abs().max()
        print(run, apart.to_dict())
        assert apart["train_loss"] < bar
        assert apart["test_loss"] < bar
        assert apart["train_accuracy"] * 17_000 < 3.5
        assert apart["test_accuracy"] * 3_000 < 1.5
