"""Precision by name: what is refused, what is recorded, and what torch is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import tiny_digits, tiny_study
from torch import nn
from torch.nn import functional

from hindi_bn.errors import RunError, StudyError
from hindi_bn.records import RunFolder
from hindi_bn.training import device as devices
from hindi_bn.training.device import autocast, check_precision, prepare
from hindi_bn.training.loop import evaluate
from hindi_bn.training.run import train_run

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("precision", "device", "capability", "allowed"),
    [
        ("float32", "cpu", None, True),
        ("float32", "mps", None, True),
        ("bf16", "cpu", None, True),
        ("bf16", "mps", None, False),
        ("tf32", "cpu", None, False),
        ("tf32", "mps", None, False),
        ("tf32", "cuda", (9, 0), True),
        ("bf16", "cuda", (8, 0), True),
        ("tf32", "cuda", (7, 5), False),
        ("bf16", "cuda", (7, 5), False),
    ],
)
def test_a_precision_that_the_device_has_not_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    precision: Any,
    device: str,
    capability: tuple[int, int] | None,
    allowed: bool,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    context = contextlib.nullcontext() if allowed else pytest.raises(StudyError)
    with context as caught:
        check_precision(precision, torch.device(device))
    if caught is not None:
        assert f"{precision!r} cannot be used on {device!r}" in str(caught.value)
        assert "set precision: float32" in str(caught.value)


def test_tf32_on_a_cpu_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="'tf32' cannot be used on 'cpu'"):
        train_run(tiny_study(precision="tf32"), "bn", tiny_digits(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_has_the_precision_of_its_run() -> None:
    torch.manual_seed(0)
    network, images = nn.Sequential(nn.Flatten(), nn.Linear(9, 10)), torch.rand(6, 1, 3, 3)
    labels = torch.arange(6)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = functional.cross_entropy(network(images), labels).item()
    assert evaluate(network, images, labels, 6, "bf16")[0] == expected
    assert evaluate(network, images, labels, 6)[0] != expected


@pytest.mark.slow
def test_bf16_is_recorded_changes_the_numbers_a_little_and_keeps_float32_weights(
    tmp_path: Path,
) -> None:
    losses = {}
    for precision in ("float32", "bf16"):
        study = tiny_study(precision=precision, lr=0.01)
        record = train_run(study, "bn", tiny_digits(), tmp_path / precision)
        assert record.study.precision == precision
        losses[precision] = record.history["train_loss"]
    difference = (losses["bf16"] - losses["float32"]).abs()
    assert 0 < difference.max() < 0.05
    assert f"precision: {precision}" in (record.folder / "run.yaml").read_text()
    weights = RunFolder(record.folder).read_weights()
    assert weights["0.weight"].dtype == torch.float32


def test_a_run_is_not_resumed_in_another_precision(tmp_path: Path) -> None:
    train_run(tiny_study(), "bn", tiny_digits(), tmp_path)
    with pytest.raises(RunError, match="precision was 'float32', now 'bf16'"):
        train_run(tiny_study(precision="bf16"), "bn", tiny_digits(), tmp_path, resume=True)


def test_float32_has_no_autocast_and_bf16_casts_products() -> None:
    image = torch.rand(1, 4)
    layer = nn.Linear(4, 2)
    with autocast("float32", CPU):
        assert layer(image).dtype == torch.float32
    with autocast("bf16", CPU):
        assert layer(image).dtype == torch.bfloat16


@pytest.fixture
def _settings_put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    operations = [matmul, cudnn.conv, cudnn.rnn]  # type: ignore[attr-defined]
    kept = [operation.fp32_precision for operation in operations]
    flags = cudnn.deterministic, cudnn.benchmark
    deterministic: Any = torch.utils.deterministic
    filling = deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(False)
    deterministic.fill_uninitialized_memory = filling
    cudnn.deterministic, cudnn.benchmark = flags
    for operation, value in zip(operations, kept, strict=True):
        operation.fp32_precision = value


@pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="torch before 2.9"
)
@pytest.mark.usefixtures("_settings_put_back")
def test_cuda_is_deterministic_and_uses_tf32_only_when_it_is_asked_for() -> None:
    cudnn: Any = torch.backends.cudnn
    for precision, named in (("tf32", "tf32"), ("bf16", "ieee"), ("float32", "ieee")):
        prepare(None, torch.device("cuda"), precision)  # type: ignore[arg-type]
        assert torch.are_deterministic_algorithms_enabled()
        assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
        assert torch.backends.cuda.matmul.fp32_precision == named
        assert cudnn.conv.fp32_precision == named


def test_an_older_torch_is_told_by_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    backends = SimpleNamespace(
        cuda=SimpleNamespace(matmul=SimpleNamespace()), cudnn=SimpleNamespace()
    )
    monkeypatch.setattr(torch, "backends", backends)
    devices._allow_tf32(True)
    assert backends.cuda.matmul.allow_tf32 is True
    devices._allow_tf32(False)
    assert backends.cudnn.allow_tf32 is False
