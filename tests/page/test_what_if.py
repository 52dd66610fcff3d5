"""Other statistics, another gamma, another variance: as torch computes it on the same batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from at_half import TEST, digits_aboard, network_at
from torch import nn

from hindi_bn.records import Record

pytestmark = pytest.mark.browser

READ = """
  document.getElementById("whatif").scrollIntoView();
  const said = document.querySelector("#whatif .accuracy");
  const own = () => (said.dataset.key ? JSON.parse(said.dataset.key)[1] : {});
  const there = () => Object.entries(args[0]).every(([name, value]) => own()[name] === value);
  for (let i = 0; i < 500 && !there(); i++) await new Promise((r) => setTimeout(r, 10));
  if (!there()) throw new Error(`read with ${said.dataset.key}`);
  await new Promise((r) => setTimeout(r, 100));
  const table = document.querySelectorAll("#whatif table.bars")[1];
  return {right: Number(said.dataset.right), text: said.textContent,
    bars: [...table.querySelectorAll(".share")].map((cell) => Number(cell.dataset.share))};
"""


def read(page: Any, **choices: Any) -> dict[str, Any]:
    """Wait until the accuracy is that of these choices; return it and the digit's bars."""
    own = {"look": False, "size": 32, "share": 0, "gamma": False, "variance": None}
    found: dict[str, Any] = page.ask(READ, own | choices)
    return found


def in_turn(waiting: list[list[int]], count: int, first: int) -> tuple[list[int], int]:
    """Take `count` digits, or all, from the classes in turn; say whose turn is next."""
    taken: list[int] = []
    while len(taken) < count and any(waiting):
        if waiting[first]:
            taken.append(waiting[first].pop(0))
        first = (first + 1) % 10
    return taken, first


def classes(labels: list[int]) -> list[list[int]]:
    return [[place for place, of in enumerate(labels) if of == digit] for digit in range(10)]


def in_batches(labels: list[int], size: int, share: float) -> list[list[int]]:
    """All digits: in each batch a share of the class with most left, and the others in turn."""
    waiting, turn, found = classes(labels), 0, []
    while any(waiting):
        lead = max(waiting, key=len)
        batch = [lead.pop(0) for _ in range(min(int(share * size + 0.5), len(lead)))]
        others, turn = in_turn(waiting, size - len(batch), turn)
        found.append(batch + others)
    return found


def right(network: nn.Module, batches: list[list[int]]) -> int:
    pixels, labels = digits_aboard()
    with torch.no_grad():
        answers = [(places, network(pixels[places]).argmax(1).tolist()) for places in batches]
    return sum(
        labels[place] == answer
        for places, of in answers
        for place, answer in zip(places, of, strict=True)
    )


@pytest.mark.parametrize(("size", "mix"), [(1, 0), (7, 0), (7, 50), (2, 100), (64, 30)])
def test_batch_statistics_read_as_torch_in_training(
    page: Any, runs: list[Record], size: int, mix: int
) -> None:
    page.open(f"digit=9&whatif.statistics=batch&whatif.batch={size}&whatif.mix={mix}")
    found = read(page, look=True, size=size, share=mix / 100)
    pixels, labels = digits_aboard()
    network = network_at(runs[1]).train()
    batches = in_batches(labels, size, mix / 100)
    assert sorted(place for places in batches for place in places) == list(range(TEST))
    assert found["right"] == right(network, batches)
    waiting = classes(labels)
    waiting[4].remove(9)
    same = waiting[4][: int(mix / 100 * (size - 1) + 0.5)]
    del waiting[4][: len(same)]
    others, _ = in_turn(waiting, size - 1 - len(same), 0)
    with torch.no_grad():
        shares = network(pixels[[9, *same, *others]]).softmax(1)[0]
    assert found["bars"] == pytest.approx(shares.tolist(), abs=1e-4)


def test_gamma_and_variance_are_swapped_as_in_torch(page: Any, runs: list[Record]) -> None:
    page.open("digit=3&whatif.gamma=true&whatif.variance=0")
    found = read(page, gamma=True, variance=0)
    network, first = network_at(runs[1]), network_at(runs[1], 0)
    with torch.no_grad():
        for layer, other in zip(network, first, strict=True):
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.fill_(1)
                layer.running_var.copy_(other.running_var)
        shares = network(digits_aboard()[0][3:4]).softmax(1)[0]
    assert found["bars"] == pytest.approx(shares.tolist(), abs=1e-4)
    assert found["right"] == right(network, [[place] for place in range(TEST)])


def test_choices_are_made_by_keys_and_stand_in_the_address(page: Any, runs: list[Record]) -> None:
    from selenium.webdriver import Keys

    before = read(page)
    assert before["right"] == right(network_at(runs[1]), [list(range(TEST))])
    radio = page.find('#whatif input[value="running"]')
    radio.send_keys(Keys.ARROW_DOWN)
    page.driver.find_element("id", "whatif.batch").send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    page.driver.find_element("id", "whatif.mix").send_keys(Keys.END)
    page.driver.find_element("id", "whatif.gamma").send_keys(Keys.SPACE)
    found = read(page, look=True, size=30, share=1, gamma=True)
    address = page.ask("return page.link()").partition("#")[2]
    page.open(address)
    assert read(page, look=True, size=30, share=1, gamma=True) == found
    for button in page.driver.find_elements("css selector", "#whatif button"):
        button.click()
    assert read(page)["right"] == before["right"]
    assert "#" not in page.ask("return page.link()")
