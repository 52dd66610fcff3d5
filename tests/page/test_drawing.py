"""A digit drawn or chosen in the browser, and what all networks make of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from at_half import digits_aboard, network_at, pixels_of

from hindi_bn.records import Record

pytestmark = pytest.mark.browser

BARS = """
  const tables = [...document.querySelectorAll("#draw table.bars")];
  const shares = (table) => [...table.querySelectorAll(".share")].map((cell) => cell.dataset.share);
  return tables.map((table) => shares(table).map(Number));
"""
SHOWN = """
  for (let i = 0; i < 200 && page.reading.shown?.place !== args[0]; i++)
    await new Promise((r) => setTimeout(r, 10));
  return [page.reading.shown.place, [...page.reading.shown.image]];
"""


def shown(page: Any, place: str) -> list[int]:
    """Wait until the networks have read the digit of this place; return its image."""
    found, image = page.ask(SHOWN, place)
    assert found == place
    pixels: list[int] = image
    return pixels


def drawn(page: Any, *strokes: list[tuple[int, int]]) -> None:
    """Press, move and lift the pointer along strokes, in pixels from the pad's middle."""
    from selenium.webdriver import ActionChains

    pad = page.find("canvas.pad")
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", pad)
    for first, *rest in strokes:
        moves = ActionChains(page.driver, duration=0).move_to_element_with_offset(pad, *first)
        moves.click_and_hold()
        for (x, y), (to_x, to_y) in zip([first, *rest], rest, strict=False):
            moves.move_by_offset(to_x - x, to_y - y)
        moves.release().perform()


FOUR = [(-60, -70), (-10, -10), (30, 40), (0, 70), (-30, 40), (10, -10), (60, -70)]


def expected(runs: list[Record], pixels: torch.Tensor, epoch: int = 2) -> list[torch.Tensor]:
    with torch.no_grad():
        return [network_at(record, epoch)(pixels).softmax(1)[0] for record in runs]


def check_bars(page: Any, runs: list[Record], pixels: torch.Tensor, epoch: int = 2) -> None:
    found = page.ask(BARS)
    assert len(found) == len(runs) == 2
    for bars, shares in zip(found, expected(runs, pixels, epoch), strict=True):
        assert bars == pytest.approx(shares.tolist(), abs=1e-4)


def test_a_drawn_digit_is_read_as_torch_reads_it(page: Any, runs: list[Record]) -> None:
    drawn(page, FOUR, [(-80, -80), (80, -80)])
    image = shown(page, "drawn")
    check_bars(page, runs, pixels_of(image))
    ink = torch.tensor(image).reshape(32, 32) > 127
    rows, columns = ink.any(1).nonzero().flatten(), ink.any(0).nonzero().flatten()
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (2, 29, 2, 29)  # 28 x 28, margin of two
    largest = page.find("#draw table.bars .largest th").text
    shares = expected(runs, pixels_of(image))[0]
    assert largest.split()[1][0] == str(int(shares.argmax()))


def test_a_drawing_is_in_the_address_and_can_be_undone(page: Any) -> None:
    drawn(page, FOUR, [(-80, -80), (80, -80)])
    image = shown(page, "drawn")
    page.open(page.ask("return page.link()").partition("#")[2])
    assert shown(page, "drawn") == image
    page.find("#draw button").click()  # Undo
    assert page.ask("return page.strokes(page.get('draw.strokes')).length") == 1
    page.driver.find_elements("css selector", "#draw button")[1].click()  # Clear
    assert page.ask("return page.get('draw.strokes')") == ""
    shown(page, page.ask("return String(page.aboard.digits.hard[0])"))


@pytest.mark.parametrize(
    "address", ["digit=999", "digit=drawn", "digit=drawn&draw.strokes=<b>", "epoch=-4&digit="]
)
def test_an_address_that_names_no_digit_shows_the_first(page: Any, address: str) -> None:
    page.open(address)
    image = shown(page, page.ask("return String(page.aboard.digits.hard[0])"))
    assert any(image)


def test_the_bars_follow_the_epoch_slider(page: Any, runs: list[Record]) -> None:
    from selenium.webdriver import Keys

    pixels, _ = digits_aboard()
    page.open("digit=7")
    shown(page, "7")
    check_bars(page, runs, pixels[7:8])
    page.find(".epoch input[type=range]").send_keys(Keys.HOME)
    page.ask("await new Promise((resolve) => setTimeout(resolve, 300))")
    check_bars(page, runs, pixels[7:8], epoch=0)


def test_digits_are_chosen_by_keys_alone(page: Any, runs: list[Record]) -> None:
    from selenium.webdriver import ActionChains, Keys

    pixels, labels = digits_aboard()
    order = page.ask("return page.aboard.digits.hard.map(String)")
    keys = ActionChains(page.driver)
    for _ in range(60):
        keys.send_keys(Keys.TAB).perform()
        if page.driver.switch_to.active_element.get_attribute("role") == "listbox":
            break
    keys.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    shown(page, order[2])
    check_bars(page, runs, pixels[int(order[2])][None])
    wanted = 6
    keys.reset_actions()
    keys.send_keys(str(wanted)).perform()
    place = page.ask("await new Promise((r) => setTimeout(r, 200)); return page.get('digit')")
    assert labels[int(place)] == wanted
    chosen = page.find('#draw [aria-selected="true"]')
    assert chosen.get_attribute("id") == f"digit-{place}"


def test_the_strip_says_who_misreads_a_digit(page: Any, runs: list[Record]) -> None:
    pixels, labels = digits_aboard()
    names = ("without BN", "with BN")
    page.ask(
        "while (!document.querySelector('#draw [role=option][aria-label]'))"
        " await new Promise((r) => setTimeout(r, 20))"
    )
    page.ask("await new Promise((r) => setTimeout(r, 200))")
    said = page.ask(
        "return [...document.querySelectorAll('#draw [role=option][aria-label]')]"
        ".map((node) => [node.id, node.getAttribute('aria-label')])"
    )
    with torch.no_grad():
        answers = [network_at(record)(pixels).argmax(1).tolist() for record in runs]
    assert len(said) == len(labels)
    for place, words in said:
        at = int(place.removeprefix("digit-"))
        for name, of_run in zip(names, answers, strict=True):
            assert (f", {name} reads" in words) == (of_run[at] != labels[at])
