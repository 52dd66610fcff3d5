"""The curvature of a run as a measure: against torch's own Hessian of the same small network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch.func import functional_call
from torch.nn import functional

from hindi_bn.measures import measure
from hindi_bn.networks import build_run
from hindi_bn.records import Record, RunFolder
from hindi_bn.training.run import load_network, train_run

DIGITS = tiny_digits(40)
SMALL = {"network": "mlp", "options.width": 2, "halved": True, "lr": 0.1, "stream": "paired"}


def largest_by_torch(record: Record, network: torch.nn.Module, *, train: bool) -> float:
    """The largest eigenvalue of the whole matrix, from batches of the training size."""
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    x, y = DIGITS.train_images[order, None].double() / 255, DIGITS.train_labels[order]
    network = network.double().train(train)
    shapes = {name: p.shape for name, p in network.named_parameters()}
    parts = [torch.arange(32), torch.arange(32, 40)] if train else [torch.arange(40)]

    def loss(vector: torch.Tensor) -> torch.Tensor:
        cut = vector.split([shape.numel() for shape in shapes.values()])
        values = {n: v.view(s) for (n, s), v in zip(shapes.items(), cut, strict=True)}
        values |= {name: each.clone() for name, each in network.named_buffers()}
        losses = [
            functional.cross_entropy(functional_call(network, values, (x[p],)), y[p]) for p in parts
        ]
        shares = [len(p) / 40 for p in parts]
        return torch.stack([a * b for a, b in zip(losses, shares, strict=True)]).sum()

    vector = torch.cat([p.detach().flatten() for p in network.parameters()])
    hessian = torch.autograd.functional.hessian(loss, vector)
    return float(np.linalg.eigvalsh(hessian.numpy())[-1])


@pytest.mark.slow
def test_it_is_that_of_the_whole_matrix(tmp_path: Path) -> None:
    study = tiny_study(**{key.replace(".", "__"): value for key, value in SMALL.items()})
    record = train_run(study, "bn", DIGITS, tmp_path)
    values = measure(RunFolder(record.folder), "curvature", DIGITS)
    trained = load_network(record)
    assert values["largest"] == pytest.approx(
        largest_by_torch(record, trained, train=True), rel=2e-3
    )
    running = largest_by_torch(record, load_network(record), train=False)
    assert values["largest_running"] == pytest.approx(running, rel=2e-3)
    torch.manual_seed(study.seed)
    untrained = largest_by_torch(record, build_run(record.run), train=True)
    assert values["start_largest"] == pytest.approx(untrained, rel=2e-3)
    assert values["outlier_ratio"] > 1
    assert 0 < values["gradient_share"] <= 1
