"""Each kernel of the engine by itself against torch in float64, for every number of lanes."""

from __future__ import annotations

import ctypes
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from hindi_bn.engine import build
from hindi_bn.engine.library import variants

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kernels")]  # compiling takes seconds

BAR = 5e-6  # of a tensor's largest value; docs/engine.md
WORST: dict[str, float] = {}
RANDOM = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
SIDES = st.integers(8, 16).map(lambda half: 2 * half)
SEEDS = st.integers(0, 10_000)


@pytest.fixture(scope="module", params=variants())
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ctypes.CDLL]:
    folder = tmp_path_factory.mktemp("kernels") / "source"
    shutil.copytree(build.SOURCE.parent, folder)
    shutil.copyfile(Path(__file__).with_name("kernels.c"), folder / "kernels.c")
    built = folder / "kernels.so"
    target = build.TARGETS[build.host()]
    flags = ["-Wno-unused-function"]
    build.compile_library(
        folder / "kernels.c", built, lanes=request.param, target=target, extra_flags=flags
    )
    library = ctypes.CDLL(str(built))
    for name in ("exponential", "logarithm"):
        getattr(library, f"test_{name}").restype = ctypes.c_double
        getattr(library, f"test_{name}").argtypes = [ctypes.c_double]
    yield library
    print({name: f"{worst:.1e}" for name, worst in sorted(WORST.items())})


def aligned(*shape: int) -> torch.Tensor:
    """Zeros that start at a multiple of 64."""
    room = torch.zeros(math.prod(shape) + 16)
    start = -room.data_ptr() % 64 // 4
    return room[start : start + math.prod(shape)].view(shape)


def framed(maps: torch.Tensor) -> torch.Tensor:
    """Channels first (C, side, side) to the engine's map."""
    map_ = aligned(maps.shape[1] + 2, maps.shape[2] + 2, maps.shape[0])
    map_[1:-1, 1:-1] = maps.permute(1, 2, 0)
    return map_


def channels_first(map_: torch.Tensor) -> torch.Tensor:
    """The inside of an engine's map as (C, side, side); its border has to be zero."""
    border = map_.clone()
    border[1:-1, 1:-1] = 0
    assert not border.any()
    return map_[1:-1, 1:-1].permute(2, 0, 1)


def call(function: Any, *given: Any) -> None:
    function(*(
        ctypes.c_void_p(x.data_ptr()) if isinstance(x, torch.Tensor) else ctypes.c_int(x)
        for x in given
    ))  # fmt: skip


def hold(name: str, ours: torch.Tensor, theirs: torch.Tensor) -> None:
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    WORST[name] = max(WORST.get(name, 0.0), error)
    assert error < BAR


def normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    values = aligned(*shape)
    return values.copy_(torch.randn(shape, generator=generator))


@RANDOM
@given(SIDES, SEEDS, st.booleans())
def test_a_convolution_and_its_slopes(
    library: ctypes.CDLL, side: int, seed: int, rectify: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps, slopes = normal(generator, 16, side, side), normal(generator, 16, side, side)
    weights, bias = normal(generator, 16, 16, 3, 3), normal(generator, 16)
    x, w = (t.double().requires_grad_() for t in (maps, weights))
    y = functional.conv2d(x[None], w, bias.double(), padding=1)[0]
    y.backward(slopes.double())
    assert x.grad is not None
    assert w.grad is not None
    out, turned = (aligned(side + 2, side + 2, 16) for _ in range(2))

    call(library.test_convolve, framed(maps), weights, bias, 0, rectify, side, out)
    hold("forward", channels_first(out), (y.relu() if rectify else y).detach())
    call(library.test_convolve, framed(slopes), weights, aligned(16), 1, 0, side, turned)
    hold("slopes of the input", channels_first(turned), x.grad)
    to = aligned(16, 16, 3, 3)
    call(library.test_slopes, framed(maps), framed(slopes), side, to)
    hold("slopes of the weights", to, w.grad)


@RANDOM
@given(SIDES, SEEDS)
def test_the_first_convolution_and_its_slopes(library: ctypes.CDLL, side: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    image, slopes = normal(generator, 1, side, side), normal(generator, 16, side, side)
    weights, bias = normal(generator, 16, 1, 3, 3), normal(generator, 16)
    w = weights.double().requires_grad_()
    y = functional.conv2d(image[None].double(), w, bias.double(), padding=1)[0]
    y.backward(slopes.double())
    assert w.grad is not None
    pixels, out, to = framed(image), aligned(side + 2, side + 2, 16), aligned(9, 16)
    taps = aligned(9, 16).copy_(weights.view(16, 9).T)
    call(library.test_first, pixels, taps, bias, side, out)
    hold("first convolution", channels_first(out), y.detach())
    call(library.test_first_slopes, pixels, framed(slopes), side, to)
    hold("first convolution's slopes", to.T.reshape(16, 1, 3, 3), w.grad)


def test_exp_and_log_are_those_of_the_c_library_to_two_units(library: ctypes.CDLL) -> None:
    random = np.random.default_rng(1)
    for x in [0.0, -1e-300, -699.0, *(-random.exponential(20, 2000))]:
        assert library.test_exponential(x) == pytest.approx(math.exp(x), rel=5e-16)
    assert library.test_exponential(-800.0) == 0
    assert library.test_exponential(-math.inf) == 0
    for x in [1.0, 2.0, 10.0, math.sqrt(2), *random.uniform(1, 10, 2000)]:
        assert library.test_logarithm(x) == pytest.approx(math.log(x), rel=5e-16, abs=2e-16)
    assert math.isnan(library.test_exponential(math.nan))
    assert math.isnan(library.test_logarithm(math.nan))


def test_the_larger_of_two_and_relu_pass_nan_on(library: ctypes.CDLL) -> None:
    values = [1.0, -1.0, 0.0, math.nan, math.inf, -math.inf]
    for x in values:
        for y in values:
            to = aligned(32)
            first, second = (aligned(16).fill_(value) for value in (x, y))
            call(library.test_larger, first, second, to)
            expected = math.nan if math.isnan(x) or math.isnan(y) else max(x, y)
            assert to[0].item() == pytest.approx(expected, nan_ok=True)
            relu = x if math.isnan(x) else max(x, 0.0)
            assert to[16].item() == pytest.approx(relu, nan_ok=True)
