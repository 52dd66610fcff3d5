"""The page's engine beside the native one of four lanes and torch, on one thread each, in turns."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest
import torch
from engine.drivers import Batch, batches, learner_of, network_of, run_of
from page.conftest import Page
from torch.nn import functional

from hindi_bn.training.loop import make_optimizer

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timed]

STEPS, ROUNDS = 20, 9
IN_THE_PAGE = """
    const [place, steps] = args, run = page.runs[place];
    window.timed ??= {};
    window.timed[place] ??= await page.networks.make(run, {images: 32, tested: 64});
    const network = window.timed[place], {images, labels} = await page.training();
    network.set(await page.weights(run, 0));
    const pixels = page.pixels(images.subarray(0, 32 * 1024), run), began = performance.now();
    for (let step = 0; step < steps; step++) network.step(pixels, labels.subarray(0, 32), 0.001, 0);
    return (performance.now() - began) / steps;
"""
ANSWER = """
    const {images} = await page.test(), times = [], run = page.runs[1];
    const networks = await Promise.all(page.runs.map(async (run) => {
      const network = await page.networks.make(run, {images: 1, tested: 1});
      network.set(await page.weights(run, 1));
      return network;
    }));
    for (let i = 0; i < 30; i++) {
      const began = performance.now();
      for (const network of networks) network.evaluate(page.pixels(images.subarray(0, 1024), run));
      times.push(performance.now() - began);
    }
    return times;
"""


def native(norm: str) -> Any:
    run = run_of(norm=norm, network="three_convs")
    learner = learner_of(run, network_of(run), threads=1, lanes=4)
    return lambda batch: learner.step(*batch)


def by_torch(norm: str) -> Any:
    run = run_of(norm=norm, network="three_convs")
    network = network_of(run).train()
    optimizer = make_optimizer(run, network)

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        functional.cross_entropy(network(batch[0]), batch[1]).backward()
        optimizer.step()

    return step


def milliseconds(step: Any, batch: Batch) -> float:
    began = time.perf_counter()
    for _ in range(STEPS):
        step(batch)
    return 1000 * (time.perf_counter() - began) / STEPS


@pytest.mark.parametrize(("place", "norm"), [(0, "none"), (1, "batch")])
def test_a_step_takes_little_longer_than_the_native_engine_of_four_lanes(
    page: Page, place: int, norm: str
) -> None:
    torch.set_num_threads(1)
    batch, ours, plain = batches([32])[0], native(norm), by_torch(norm)
    times: dict[str, list[float]] = {"page": [], "engine": [], "torch": []}
    for _ in range(ROUNDS):
        times["page"].append(page.ask(IN_THE_PAGE, place, STEPS))
        times["engine"].append(milliseconds(ours, batch))
        times["torch"].append(milliseconds(plain, batch))
    middle = {name: statistics.median(each[1:]) for name, each in times.items()}
    to_engine = middle["page"] / middle["engine"]
    print(
        f"{norm}: a step of 32 images: page {middle['page']:.1f} ms, engine (4 lanes) "
        f"{middle['engine']:.1f}, torch {middle['torch']:.1f}; page / engine {to_engine:.2f}, "
        f"page / torch {middle['page'] / middle['torch']:.2f}; images a second in the page "
        f"{32000 / middle['page']:,.0f}"
    )
    assert to_engine <= 1.3


def test_both_networks_answer_within_thirty_milliseconds(page: Page) -> None:
    times = page.ask(ANSWER)
    print(f"both answers: median {statistics.median(times):.1f} ms, longest {max(times):.1f}")
    assert statistics.median(times) <= 30
