"""The engine's loss in train mode without a step, against torch's layers and its own step."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch.nn import functional

from hindi_bn.engine import EngineLearner
from hindi_bn.networks import build_run
from hindi_bn.training.loop import make_optimizer
from hindi_bn.training.tensors import to_tensors


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_look_is_the_loss_of_train_mode_and_changes_nothing(norm: str, threads: int) -> None:
    torch.manual_seed(3)
    run = tiny_study(norm=norm).run("bn").model_copy(update={"batch_size": 40})
    network = build_run(run)
    learner = EngineLearner(run, network, make_optimizer(run, network), threads=threads)
    data = to_tensors(tiny_digits(), "unit", torch.device("cpu"))
    images, labels = data.train_images[:40], data.train_labels[:40]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    looks = [learner.look(images, labels), learner.look(images, labels, read=False)]
    assert looks[0] == looks[1]
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(not parameter.grad.any() for parameter in network.parameters())
    loss, right = learner.step(images, labels)  # the same bits as the step's own loss
    assert looks[0] == (loss, right)
    again = build_run(run).train()
    again.load_state_dict(before)
    logits = again.double()(images.double())
    assert loss == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-6)
    assert right == int((logits.argmax(1) == labels).sum())
