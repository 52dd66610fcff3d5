"""What a processor computes, held against float64: right as it is, and named when it is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional
from typer.testing import CliRunner

from hindi_bn.cli import app
from hindi_bn.networks.build import build_run
from hindi_bn.training import arithmetic
from hindi_bn.training.arithmetic import BATCH, KNOWN, SEED, STEPS, TRAINED, batches


def test_the_known_losses_are_those_of_plain_steps_in_float64() -> None:
    """Without the package's loop, optimiser and learners; with torch's convolution in float64."""
    torch.manual_seed(SEED)
    network = build_run(TRAINED).double().train()
    assert (TRAINED.momentum, TRAINED.optimizer) == (0, "sgd")
    optimizer = torch.optim.SGD(network.parameters(), lr=TRAINED.lr)
    for (images, labels), known in zip(batches(STEPS), KNOWN, strict=True):
        assert images.shape == (BATCH, 1, 32, 32)
        loss = functional.cross_entropy(network(images.double()), labels)
        assert loss.item() == pytest.approx(known, abs=1e-6)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_the_convolutions_are_those_of_the_networks() -> None:
    found = {
        (c.in_channels, c.out_channels, c.kernel_size, s) for c, s in arithmetic.convolutions()
    }
    assert {(1, 16, (3, 3), 32), (16, 16, (3, 3), 32), (6, 16, (5, 5), 14)} <= found


@pytest.mark.slow
def test_a_wrong_gradient_is_named_with_what_avoids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A convolution of 16 channels whose gradient lacks a row where channels lie together."""
    right = functional.conv2d

    def wrong(maps: torch.Tensor, weight: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        together = maps.is_contiguous(memory_format=torch.channels_last)
        if together and maps.dtype == torch.float32 and weight.shape[:2] == (16, 16):
            weight = torch.cat([weight[:1].detach(), weight[1:]])
        return right(maps, weight, *given, **named)

    some = [each for each in arithmetic.convolutions() if each[0].in_channels == 16]
    monkeypatch.setattr(arithmetic, "convolutions", lambda: some)
    monkeypatch.setattr(arithmetic, "_runs", lambda: [TRAINED])
    good = CliRunner().invoke(app, ["doctor", "--numerics"])
    assert good.exit_code == 0, good.output
    monkeypatch.setattr(torch.nn.functional, "conv2d", wrong)
    bad = CliRunner().invoke(app, ["doctor", "--numerics"])
    assert bad.exit_code == 1
    assert "computations are not what they should be" in bad.stderr
    assert "Conv2d(16, 16, kernel_size=(3, 3)" in bad.stderr
    assert "(fast)" in bad.stderr
    assert "(exact)" not in bad.stderr
    assert "Next: hindi-bn train --set numerics=e" in bad.stderr  # the engine, or exact


@pytest.mark.slow
def test_this_processor_computes_what_it_should() -> None:
    result = CliRunner().invoke(app, ["doctor", "--numerics"])
    assert result.exit_code == 0, result.output
    assert "engine" in result.output
