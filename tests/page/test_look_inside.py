"""A layer looked into: maps, products, norms, against torch's own layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from at_half import digits_aboard, network_at
from tiny import tiny_digits, tiny_study
from torch import nn

import hindi_bn
from hindi_bn.records import Record

pytestmark = pytest.mark.browser

READ = """
  const section = document.getElementById("inside");
  section.scrollIntoView();
  const shown = () => [...section.querySelectorAll(".sums")].every((sums) => sums.dataset.sum);
  for (let i = 0; i < 200 && !shown(); i++)
    await new Promise((r) => setTimeout(r, 20));
  await new Promise((r) => setTimeout(r, 100));
  const numbers = (node) => Object.entries(node.dataset).map(([k, v]) => [k, Number(v)]);
  return [...section.querySelectorAll(".layer")].map((column) => ({
    products: [...column.querySelectorAll(".taps td")].map((cell) => Number(cell.dataset.product)),
    ...Object.fromEntries(numbers(column.querySelector(".sums"))),
    text: column.querySelector(".sums").textContent,
    numbers: column.querySelectorAll("canvas.wide")[1].getAttribute("aria-label"),
    field: column.querySelector("canvas.field-of").getAttribute("aria-label"),
  }));
"""


def layers_of(network: nn.Sequential, pixels: torch.Tensor, layer: int) -> tuple[torch.Tensor, ...]:
    """What a convolution (1, 2, ...) gives, and what is handed on after norm and ReLU."""
    given, seen = torch.empty(0), 0
    with torch.no_grad():
        for module in network:
            pixels = module(pixels)
            if isinstance(module, nn.Conv2d):
                seen += 1
                given = pixels
            if isinstance(module, nn.ReLU) and seen == layer:
                return given[0], pixels[0]
    raise AssertionError(layer)


@pytest.mark.parametrize(("layer", "c", "y", "x"), [(1, 3, 12, 16), (2, 0, 0, 31), (3, 15, 20, 8)])
def test_nine_products_add_up_to_the_maps_value(
    page: Any, runs: list[Record], layer: int, c: int, y: int, x: int
) -> None:
    page.open(f"digit=5&inside.layer={layer}&inside.pixel={c}.{y}.{x}")
    pixels, _ = digits_aboard()
    columns = page.ask(READ)
    assert len(columns) == len(runs)
    for column, record in zip(columns, runs, strict=True):
        given, passed = layers_of(network_at(record), pixels[5:6], layer)
        assert len(column["products"]) == 9
        whole = sum(column["products"]) + column["bias"]
        assert whole == pytest.approx(float(given[c, y, x]), abs=1e-5)
        assert column["sum"] == pytest.approx(whole)
        assert column["given"] == pytest.approx(float(given[c, y, x]), abs=1e-5)
        assert column["map"] == pytest.approx(float(passed[c, y, x]), abs=1e-5)
        assert column["value"] == pytest.approx(column["map"], abs=1e-5)
        assert f"{2 * layer + 1} × {2 * layer + 1} pixels" in column["text"]
        if y == 0:
            assert column["products"][:3] == [0, 0, 0]  # the border


def test_the_numbers_of_a_norm_are_the_layers_own(page: Any, runs: list[Record]) -> None:
    page.open("inside.layer=2&epoch=1")
    without, with_norm = page.ask(READ)
    assert without["numbers"] == "Numbers of the norm"  # hidden: there is none
    norm = [layer for layer in network_at(runs[1], 1) if isinstance(layer, nn.BatchNorm2d)][1]
    for name, values in (
        ("gamma", norm.weight), ("beta", norm.bias), ("running mean", norm.running_mean),
        ("running variance", norm.running_var),
    ):  # fmt: skip
        said = with_norm["numbers"].split(f"{name} of channels 1 to 16: ")[1].split(". ")[0]
        found = [float(value.replace("−", "-")) for value in said.split(", ")]
        assert found == pytest.approx(values.tolist(), rel=1e-3, abs=1e-6)


def test_a_pixel_is_reached_by_keys_and_by_pointing(page: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    page.open("inside.pixel=2.31.4")
    page.ask(READ)
    maps = page.find("#inside .pointed")
    maps.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.PAGE_DOWN)
    assert page.ask("return page.get('inside.pixel')") == "3.31.5"
    assert "Map 4, row 32, column 6" in page.ask(READ)[1]["text"]
    side = page.ask("return document.querySelector('#inside .maps').clientWidth")
    unit = side / 133  # four maps of 32 pixels, with lines between
    at = [round((1 + place + 0.5 - 66.5) * unit) for place in (33 + 8, 66 + 20)]  # map 10
    ActionChains(page.driver).move_to_element_with_offset(maps, *at).perform()
    assert all("Map 10, row 21, column 9" in column["text"] for column in page.ask(READ))
    assert page.ask("return page.get('inside.pixel')") == "3.31.5"
    ActionChains(page.driver).click().perform()
    assert page.ask("return page.get('inside.pixel')") == "9.20.8"


def test_norms_over_an_image_and_after_the_relu_add_up_too(page: Any, tmp_path: Path) -> None:
    settings = {
        "numerics": "engine", "epochs": 1, "scaling": "half", "recordings": [],
        "runs__no-bn__norm": "layer", "runs__bn__norm": {"name": "group", "groups": 4},
        "runs__bn__placement": "after",
    }  # fmt: skip
    records = hindi_bn.train(tiny_study(**settings), digits=tiny_digits(), out=tmp_path)
    page.file = hindi_bn.build_page(records, tmp_path / "page.html", train=10, test=10)
    page.open("inside.layer=2&inside.pixel=9.20.8")
    for column in page.ask(READ):
        assert column["value"] == pytest.approx(column["map"], abs=1e-5)
        assert column["sum"] != column["value"]
