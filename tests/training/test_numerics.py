"""The numerics of the CPU: `exact` against a loop written out plainly, `fast` against it."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from scripts import importing
from tiny import epochs, tiny_digits, tiny_study
from torch import nn
from torch.nn import functional

from hindi_bn.errors import RunError
from hindi_bn.networks import build, build_run
from hindi_bn.records import RunFolder
from hindi_bn.study import Run, norm_names
from hindi_bn.study.files import load_study
from hindi_bn.training.loop import make_optimizer
from hindi_bn.training.numerics import (
    ContiguousMaxPool2d,
    RowwiseBatchNorm2d,
    arrange,
    pooled_first,
)
from hindi_bn.training.run import train_run
from hindi_bn.training.sgd import PlainSGD
from hindi_bn.training.tensors import Tensors, to_tensors

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data() -> Tensors:
    return to_tensors(tiny_digits(train=48, test=20), "half", CPU)


def run_with(**settings: Any) -> Run:
    """One run of the tiny study, with a learning rate at which a few steps change everything."""
    return tiny_study(**{"recordings": [], "lr": 0.05, "batch_size": 32, **settings}).runs[0]


def plain(run: Run, data: Tensors) -> tuple[nn.Sequential, list[float]]:
    """Train with torch's optimiser, layer by layer as written; the network and every loss."""
    torch.manual_seed(3)
    network, losses = build_run(run), []
    optimizer = torch.optim.SGD(network.parameters(), lr=run.lr, momentum=run.momentum)
    for _ in range(run.epochs):
        torch.empty((), dtype=torch.int64).random_()
        shuffle = torch.Generator()
        shuffle.manual_seed(int(torch.empty((), dtype=torch.int64).random_()))
        network.train()
        batches = []
        for batch in torch.randperm(len(data.train_labels), generator=shuffle).split(32):
            optimizer.zero_grad()
            loss = functional.cross_entropy(
                network(data.train_images[batch]), data.train_labels[batch]
            )
            loss.backward()
            optimizer.step()
            batches.append(loss.item())
        losses.append(sum(batches) / len(batches))
        torch.empty((), dtype=torch.int64).random_()
        network.eval()
        with torch.no_grad():
            tested = [
                functional.cross_entropy(network(images), labels).item()
                for images, labels in zip(
                    data.test_images.split(32), data.test_labels.split(32), strict=True
                )
            ]
        losses.append(sum(tested) / len(tested))
    return network, losses


def ours(run: Run, data: Tensors, numerics: Any) -> tuple[nn.Sequential, list[float]]:
    torch.manual_seed(3)
    network, losses = build_run(run), []
    optimizer = make_optimizer(run, network)
    for row in epochs(run, network, optimizer, data, numerics=numerics):
        losses += [row.train_loss, row.test_loss]
    return network, losses


def same_bits(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


CASES = [
    *({"norm": norm} for norm in norm_names()),
    {"norm": "batch", "placement": "after"},
    {"network": "lenet", "norm": "batch"},
    {"network": "conv_pair", "momentum": 0.9},
    {"network": "mlp", "recordings": []},
    {"options__activation": "tanh"},
    {"options__pooling": "avg"},
    {"options__pooling": "none"},
    {"options__padding": "border", "norm": "batch"},
    {"options__padding": "mean", "norm": "batch"},
    {"dropout_place": "norms", "dropout": 0.3, "norm": "batch"},
    {"transformer": True, "norm": "batch"},
    {"network": "locally_connected", "halved": True, "norm": "batch"},
]  # fmt: skip


@pytest.mark.parametrize(
    "settings", CASES, ids=lambda case: "-".join(map(str, list(case.values())[:2]))
)
def test_exact_gives_the_bits_of_the_plain_loop_and_fast_nearly(
    settings: dict[str, Any], data: Tensors
) -> None:
    run = run_with(**settings)
    network, losses = plain(run, data)
    exact, exact_losses = ours(run, data, "exact")
    assert same_bits(network, exact)
    assert exact_losses == pytest.approx(losses, rel=1e-12)  # means are added up in another order
    slow = run.model_copy(update={"lr": 0.002})  # where rounding does not grow step by step
    _, exact_losses = ours(slow, data, "exact")
    fast, fast_losses = ours(slow, data, "fast")
    assert fast_losses == pytest.approx(exact_losses, rel=5e-3)
    assert fast.state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize("settings", CASES[:14], ids=lambda case: "-".join(map(str, case.values())))
def test_fast_computes_the_same_function(settings: dict[str, Any], data: Tensors) -> None:
    outputs, gradients = [], []
    for numerics in ("exact", "fast"):
        torch.manual_seed(3)
        network = build_run(run_with(**settings))
        logits = arrange(network, numerics)(data.train_images[:16])  # type: ignore[arg-type]
        functional.cross_entropy(logits, data.train_labels[:16]).backward()
        outputs.append(logits)
        gradients.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("with_convolution", [True, False])
def test_the_fast_batch_norm_is_torchs_in_float64(batch: int, with_convolution: bool) -> None:
    """Output, gradients and running averages over three steps, then in eval mode."""
    torch.manual_seed(batch)
    layers = [nn.Conv2d(3, 5, 3, padding=1)] if with_convolution else []
    layers.append(nn.BatchNorm2d(5, momentum=0.3))  # type: ignore[arg-type]
    reference = nn.Sequential(*copy.deepcopy(layers)).double()
    ours = RowwiseBatchNorm2d(*reversed(layers))  # type: ignore[arg-type]
    channels = 3 if with_convolution else 5
    for _ in range(3):
        images = (1 + torch.rand(batch, channels, 8, 6)).contiguous(
            memory_format=torch.channels_last
        )
        mine, theirs = images.clone().requires_grad_(), images.double().requires_grad_()
        weights = torch.randn(batch, 5, 8, 6)
        out, expected = ours(mine), reference(theirs)
        torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-5)
        (out * weights).sum().backward()
        (expected * weights).sum().backward()
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=1e-4, atol=1e-5)
    for layer, double in zip(layers, reference, strict=True):
        for (name, value), their in zip(layer.named_parameters(), double.parameters(), strict=True):
            assert value.grad is not None
            assert their.grad is not None
            torch.testing.assert_close(value.grad.double(), their.grad, rtol=1e-4, atol=1e-4)
            if name == "bias" and isinstance(layer, nn.Conv2d):
                assert (value.grad == 0).all()
    for key, average in layers[-1].state_dict().items():
        expected = reference[-1].state_dict()[key]
        torch.testing.assert_close(average.to(expected), expected, rtol=1e-5, atol=1e-6)
    images = torch.rand(batch, channels, 8, 6)
    evaluated = ours.eval()(images).double()
    torch.testing.assert_close(evaluated, reference.eval()(images.double()), rtol=1e-4, atol=1e-5)


def test_batch_norms_without_running_averages_or_gamma_stay_torchs() -> None:
    for settings in ({"affine": False}, {"track_running_stats": False}, {"momentum": None}):
        layer = nn.BatchNorm2d(4, **settings)  # type: ignore[arg-type]
        arranged = arrange(nn.Sequential(nn.Conv2d(1, 4, 3), layer), "fast")
        assert list(arranged.children())[1] is layer
    mixed = RowwiseBatchNorm2d(nn.BatchNorm2d(4), nn.Conv2d(1, 4, 3))
    with torch.autocast("cpu", torch.bfloat16):
        assert mixed(torch.rand(2, 1, 8, 8)).dtype == torch.bfloat16


def test_fast_stores_channels_together_and_exact_does_not() -> None:
    images = torch.rand(4, 1, 32, 32)
    for numerics, together in (("fast", True), ("exact", False)):
        network = build("three_convs", "batch")
        layers = arrange(network, numerics)  # type: ignore[arg-type]
        assert isinstance(layers, nn.Sequential)
        maps = layers[:6](images)
        assert maps.is_contiguous(memory_format=torch.channels_last) is together
        assert {id(p) for p in layers.parameters()} == {id(p) for p in network.parameters()}


def test_relu_comes_after_max_pooling_and_nothing_else_moves() -> None:
    relu, pool, tanh, average = nn.ReLU(), nn.MaxPool2d(2), nn.Tanh(), nn.AvgPool2d(2)
    assert pooled_first([relu, pool, tanh, relu, pool]) == [pool, relu, tanh, pool, relu]
    untouched = [tanh, pool, relu, average, pool]
    assert pooled_first(untouched) == untouched


@pytest.mark.parametrize("values", [3, 1000])
def test_pooling_first_is_exactly_equal_in_value_and_gradient(values: int) -> None:
    """With few values nearly every window has ties, and some hold no positive value or a nan."""
    random = torch.Generator().manual_seed(values)
    maps = torch.randint(-values, values, (6, 5, 8, 8), generator=random).float() / values
    maps[0, 0, 0, 0], maps[1, 2, 3, 4] = torch.nan, -0.0
    gradient = torch.randn(6, 5, 4, 4, generator=random)
    pool = nn.MaxPool2d(2)
    results = []
    for layers in ([nn.ReLU(), pool], [ContiguousMaxPool2d(pool), nn.ReLU()]):
        leaf = maps.clone().requires_grad_()
        through = leaf * 1.0
        out = nn.Sequential(*layers)(through)
        out.backward(gradient)
        assert leaf.grad is not None
        assert leaf.grad.is_contiguous()
        results.append((out.detach(), leaf.grad))
    (value, grad), (our_value, our_grad) = results
    torch.testing.assert_close(our_value, value, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(our_grad, grad, rtol=0, atol=0, equal_nan=True)
    assert our_value.is_contiguous()


def test_other_devices_and_other_modules_are_left_as_they_are() -> None:
    elsewhere = build("three_convs").to("meta")
    assert arrange(elsewhere, "fast") is elsewhere
    alone = nn.Linear(2, 2)
    assert arrange(alone, "fast") is alone


def test_a_fast_run_resumes_to_the_same_bits_and_only_as_fast(tmp_path: Path) -> None:
    digits = tiny_digits()
    study = tiny_study(numerics="fast", epochs=3, momentum=0.9)
    whole = train_run(study, "bn", digits, tmp_path / "whole")
    assert whole.study.numerics == "fast"

    def stop(row: Any) -> None:
        raise KeyboardInterrupt

    from hindi_bn.training.run import Reporter

    with pytest.raises(KeyboardInterrupt):
        train_run(study, "bn", digits, tmp_path / "cut", reporter=Reporter(epoch=stop))
    exact = study.model_copy(update={"numerics": "exact"})
    with pytest.raises(RunError, match="numerics was 'fast', now 'exact'"):
        train_run(exact, "bn", digits, tmp_path / "cut", resume=True)
    resumed = train_run(study, "bn", digits, tmp_path / "cut", resume=True)
    columns = [column for column in whole.history if column != "seconds"]
    assert resumed.history[columns].equals(whole.history[columns])
    for name, value in RunFolder(whole.folder).read_weights().items():
        assert torch.equal(value, RunFolder(resumed.folder).read_weights()[name])


def parameters() -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(4, 3, generator=random)) for _ in range(3)]


def give_gradients(given: list[nn.Parameter], step: int) -> None:
    random = torch.Generator().manual_seed(step)
    for parameter in given[:2]:  # the third never takes part
        parameter.grad = torch.randn(4, 3, generator=random)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_plain_sgd_makes_torchs_updates_bit_for_bit(momentum: float) -> None:
    ours, torchs = parameters(), parameters()
    plain = PlainSGD(ours, lr=0.1, momentum=momentum)
    reference = torch.optim.SGD(torchs, lr=0.1, momentum=momentum)
    for step in range(4):
        for optimizer, given in ((plain, ours), (reference, torchs)):
            optimizer.zero_grad()
            give_gradients(given, step)
            optimizer.step()
        if step == 1:  # go on from what is written down
            state = plain.state_dict()
            plain = PlainSGD(ours, lr=0.1, momentum=momentum)
            plain.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(ours, torchs, strict=True))


def test_plain_sgd_has_the_form_of_torchs_optimisers() -> None:
    given = parameters()
    plain = PlainSGD(given, lr=0.1, momentum=0.5)
    give_gradients(given, 0)
    plain.zero_grad(set_to_none=False)
    assert given[0].grad is not None
    assert given[0].grad.abs().sum() == 0
    assert given[2].grad is None
    plain.zero_grad()
    assert given[0].grad is None
    give_gradients(given, 0)
    plain.step()
    state = plain.state_dict()
    assert set(state["state"]) == {0, 1}
    assert state["param_groups"] == [{"lr": 0.1, "momentum": 0.5, "params": [0, 1, 2]}]
    with pytest.raises(ValueError, match="other parameters"):
        PlainSGD(given[:1], lr=0.1).load_state_dict(state)


FIRST_STEP = """
import sys
import torch
from tiny import tiny_digits, tiny_study
from hindi_bn.training.run import Reporter, train_run
from pathlib import Path

def at_the_first_step(done, steps):
    heavy = "torchvision sklearn matplotlib seaborn pandas scipy torch._dynamo sympy".split()
    print([name for name in heavy if name in sys.modules])
    raise KeyboardInterrupt

import hindi_bn.cli.train, hindi_bn.cli.progress
reporter = Reporter(at_the_first_step)
train_run(tiny_study(), "bn", tiny_digits(), Path(sys.argv[1]), reporter=reporter)
"""


@pytest.mark.slow
def test_nothing_heavy_is_imported_before_the_first_step(tmp_path: Path) -> None:
    """torch's compiler alone costs more than a second and a hundred megabytes."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEP, str(tmp_path)],
        capture_output=True, text=True, check=False, env=importing(__file__),
    )  # fmt: skip
    assert done.stdout.strip() == "[]", done.stderr
    assert "there is nothing to save yet" in done.stderr


MEMORY = """
import sys
import torch
from hindi_bn.bench.arm import peak_memory
before = peak_memory()
from hindi_bn.cli import main
sys.argv = ["hindi-bn", "train", "--bn", "--epochs", "1", "--threads", "1", "-q", *sys.argv[1:]]
try:
    main()
except SystemExit:
    print(peak_memory() - before)
"""


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("numerics", ["exact", "fast"])
def test_training_needs_little_memory_beside_torch(
    numerics: str, real_data_dir: Path, tmp_path: Path
) -> None:
    options = ["--data-dir", str(real_data_dir), "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *options, "--set", f"numerics={numerics}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert float(done.stdout.splitlines()[-1]) <= 350, done.stderr  # MiB


def test_the_articles_study_is_exact() -> None:
    assert load_study("article").numerics == "exact"
