"""Whether this machine computes layers as they are defined: libraries have had silent faults.

oneDNN once gave wrong gradients of convolutions on some processors (its issue 6035). Here
each convolution of the networks, the gradients of whole networks and the losses of a short training
are held against float64, where a convolution is a product of matrices and no such library is asked.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import nn
from torch.nn import functional

from hindi_bn.engine.choice import NETWORKS, unknown
from hindi_bn.engine.library import why_not
from hindi_bn.networks.build import build_run, run_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Numerics, Run, Study, network_names
from hindi_bn.training.loop import learner_of, make_optimizer

LAYER, WHOLE, LOSS = 1e-4, 1e-2, 1e-3
"""Allowed, fixed before anything was measured: of the largest value of a layer's result or gradient
(float32 has 1e-7, sums of some 1e4 terms lose a thousandfold); of the length of a network's
gradient, where single ReLUs and poolings may choose otherwise; of a loss, absolutely.
"""

BATCH, STEPS, SEED = 32, 20, 6035
TRAINED = run_of("three_convs", "batch", lr=0.01)

KNOWN = (
    2.883187, 2.988862, 0.318077, 0.154127, 0.057238, 0.040366, 0.039788, 0.027998,
    0.025615, 0.025391, 0.021368, 0.017070, 0.016327, 0.015551, 0.015059, 0.012105,
    0.013025, 0.014679, 0.011250, 0.011592,
)  # fmt: skip
"""Losses of `STEPS` steps of `TRAINED`, in float64; every numerics gave them within 1e-6."""


@dataclass(frozen=True)
class Check:
    """How far a computation is from its reference, in the unit of what is allowed."""

    what: str
    numerics: Numerics
    error: float
    allowed: float

    @property
    def agrees(self) -> bool:
        """Whether it is near enough; NaN is not."""
        return self.error <= self.allowed


def checks() -> Iterator[Check]:
    """Check convolutions, networks and a training on the CPU, one after the other."""
    with preserved():
        for convolution, side in convolutions():
            for numerics in ("exact", "fast"):
                yield _layer(convolution, side, numerics)
        for run in _runs():
            for numerics in _numerics(run):
                yield _network(run, numerics)
        for numerics in _numerics(TRAINED):
            found = losses(numerics)
            error = max(abs(one - two) for one, two in zip(found, KNOWN, strict=True))
            yield Check(f"losses of {STEPS} steps of three_convs", numerics, error, LOSS)


def advice(wrong: list[Check], right: list[Check]) -> str:
    """Return the settings that avoid what is wrong."""
    bad = {check.numerics for check in wrong}
    good = [name for name in ("engine", "exact", "fast")
            if name not in bad and any(check.numerics == name for check in right)]  # fmt: skip
    if not good:
        return "let no number of this machine count; report this with `hindi-bn doctor`"
    text = f"hindi-bn train --set numerics={good[0]}"
    if good == ["engine"]:
        text += (
            f" (networks {' and '.join(NETWORKS)}); for others set ONEDNN_MAX_CPU_ISA=AVX2 or "
            "ATEN_CPU_CAPABILITY=default in the environment, and check again"
        )
    return text


def convolutions() -> list[tuple[nn.Conv2d, int]]:
    """Return a convolution for each shape in the networks as they are, with its input's side."""
    found: dict[str, tuple[nn.Conv2d, int]] = {}
    torch.manual_seed(SEED)
    for name in network_names():
        maps = torch.zeros(1, 1, 32, 32)
        for layer in build_run(run_of(name)):
            if isinstance(layer, nn.Conv2d):
                found.setdefault(f"{layer} {maps.shape[-1]}", (layer, maps.shape[-1]))
            maps = layer(maps)
    return list(found.values())


def _layer(layer: nn.Conv2d, side: int, numerics: Numerics) -> Check:
    """Hold a convolution's result and its three gradients against a product of matrices."""
    maps = torch.randn(8, layer.in_channels, side, side)
    layout = torch.channels_last if numerics == "fast" else torch.contiguous_format
    single = copy.deepcopy(layer).to(memory_format=layout)
    double = copy.deepcopy(layer).double()
    given = maps.clone(memory_format=layout).requires_grad_()
    exact = maps.double().requires_grad_()
    out, wanted = single(given), plain_convolution(double, exact)
    slopes = torch.randn(out.shape)
    out.backward(slopes)
    wanted.backward(slopes.double())
    pairs: list[tuple[Any, Any]] = [(out, wanted), (given.grad, exact.grad)]
    pairs += [(one.grad, two.grad) for one, two in
              zip(single.parameters(), double.parameters(), strict=True)]  # fmt: skip
    error = max(float((a - b).detach().abs().max() / b.detach().abs().max()) for a, b in pairs)
    return Check(f"{layer} of {side} x {side}", numerics, error, LAYER)


def plain_convolution(layer: nn.Conv2d, maps: torch.Tensor) -> torch.Tensor:
    """Convolve maps (batch, channels, height, width) by a product of matrices, padded with 0."""
    (kernel, _), (stride, _) = layer.kernel_size, layer.stride
    padding = layer.padding[0]
    assert isinstance(padding, int)
    patches = functional.unfold(maps, kernel, padding=padding, stride=stride)
    out: torch.Tensor = layer.weight.flatten(1) @ patches  # (batch, channels, places)
    if layer.bias is not None:
        out = out + layer.bias[:, None]
    side = (maps.shape[-1] + 2 * padding - kernel) // stride + 1
    return out.view(*out.shape[:2], side, side)


def plainly(network: nn.Sequential, images: torch.Tensor) -> torch.Tensor:
    """Return a network's logits; its convolutions are products of matrices."""
    for layer in network:
        images = plain_convolution(layer, images) if isinstance(layer, nn.Conv2d) else layer(images)
    return images


def _runs() -> list[Run]:
    return [run_of(name, norm) for name in network_names() for norm in ("none", "batch")]


def _numerics(run: Run) -> list[Numerics]:
    study = Study(name="numerics", runs=[run], device="cpu")
    known = not (unknown(study, run) or why_not())
    return [name for name in get_args(Numerics) if name != "engine" or known]


def _network(run: Run, numerics: Numerics) -> Check:
    """Hold the gradient of a network's loss, in train mode, against float64."""
    torch.manual_seed(SEED)
    network = build_run(run)
    double = copy.deepcopy(network).double().train()
    images, labels = batches(1)[0]
    learner_of(run, network.train(), make_optimizer(run, network), "float32", numerics).step(
        images, labels
    )
    functional.cross_entropy(plainly(double, images.double()), labels).backward()
    pairs = zip(network.parameters(), double.parameters(), strict=True)
    grads = [(a.grad, b.grad) for a, b in pairs if a.grad is not None and b.grad is not None]
    far = torch.cat([(a - b).flatten() for a, b in grads]).norm()
    error = float(far / torch.cat([b.flatten() for _, b in grads]).norm())
    return Check(f"gradient of {run.network}, norm {run.norm.name}", numerics, error, WHOLE)


def losses(numerics: Numerics) -> list[float]:
    """Train `TRAINED` for `STEPS` steps from the weights of `SEED`; return the loss before each."""
    torch.manual_seed(SEED)
    network = build_run(TRAINED).train()
    learner = learner_of(TRAINED, network, make_optimizer(TRAINED, network), "float32", numerics)
    return [float(learner.step(images, labels)[0]) for images, labels in batches(STEPS)]


def batches(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches of noise with a bright bar whose place tells the class, and their labels."""
    generator = torch.Generator().manual_seed(SEED)
    pixels = torch.randint(0, 60, (count, BATCH, 1, 32, 32), generator=generator)
    labels = torch.randint(0, 10, (count, BATCH), generator=generator)
    rows = torch.arange(32)
    bar = (rows >= 3 * labels[..., None]) & (rows < 3 * labels[..., None] + 3)
    images = (pixels + 190 * bar[:, :, None, :, None]).float() / 255
    return list(zip(images, labels, strict=True))
