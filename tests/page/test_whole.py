"""The whole page in Chromium: quiet, without requests, at every width, by keyboard, accessible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from page.conftest import Page
from tiny import tiny_digits, tiny_study

import hindi_bn

pytestmark = pytest.mark.browser

WIDTHS = (320, 380, 900, 1600, 2000)


def resize(page: Page, width: int, scheme: str = "light") -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def requests(page: Page) -> list[str]:
    """The addresses that were asked for since the last call."""
    messages = (json.loads(entry["message"]) for entry in page.driver.get_log("performance"))
    sent = (each["message"] for each in messages)
    return [
        each["params"]["request"]["url"]
        for each in sent
        if each["method"] == "Network.requestWillBeSent"
    ]


def test_it_asks_nothing_of_a_network_and_cannot(page: Page) -> None:
    requests(page)
    page.open()
    page.ask("await page.weights(page.runs[0], 1); await page.engine;")
    assert {url.partition(":")[0] for url in requests(page)} <= {"file", "about", "blob", "data"}
    assert page.ask(
        "try { await fetch('https://example.org/'); return 'sent'; } catch (e) { return 'no'; }"
    ) == "no"  # fmt: skip
    assert all("Content Security Policy" in words for words in page.said())


@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_needs_scrolling_sideways(page: Page, width: int) -> None:
    resize(page, width)
    page.open()
    page.ask("await new Promise((done) => setTimeout(done, 600));")
    wide = page.ask("return [document.documentElement.scrollWidth, innerWidth];")
    outside = page.ask(
        "return [...document.querySelectorAll('main *')].filter((each) => !each.closest('.scroll')"
        " && each.getBoundingClientRect().right > innerWidth + 1"
        " && getComputedStyle(each).position !== 'absolute')"
        ".map((each) => `${each.closest('section').id} ${each.tagName} ${each.className}`);"
    )
    resize(page, 900)
    assert wide[0] <= wide[1], outside
    assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, scheme: str) -> None:
    from axe_core_python.base import AXE_FILE_PATH

    resize(page, 900, scheme)
    page.open()
    page.ask("await new Promise((done) => setTimeout(done, 1000));")
    page.driver.execute_script(Path(AXE_FILE_PATH).read_text(encoding="utf-8"))
    found = page.driver.execute_async_script("""
        const done = arguments[0];
        axe.run().then((found) => done(found.violations.map((each) => [
          each.impact, each.id,
          each.nodes.slice(0, 3).map((node) => node.html + node.failureSummary),
        ])));
    """)
    resize(page, 900)
    assert [each for each in found if each[0] in {"serious", "critical"}] == []


def test_the_keyboard_reaches_every_control(page: Page) -> None:
    page.ask("await new Promise((done) => setTimeout(done, 600));")
    unreached = page.ask("""
        const controls = "canvas, button, input, select, summary".split(", ");
        return [...document.querySelectorAll(controls.map((each) => `main ${each}`).join(", "))]
          .filter((each) => each.checkVisibility() && !each.disabled && each.tabIndex < 0)
          .filter((each) => !each.closest("[tabindex='0'], [role=radiogroup], [aria-hidden=true]"))
          .filter((each) => each.getAttribute("role") !== "img")
          .map((each) => each.outerHTML.slice(0, 120));
    """)
    assert unreached == []
    unnamed = page.ask(
        "return [...document.querySelectorAll('main canvas')].filter((each) =>"
        " !each.getAttribute('aria-label') && !each.closest('[aria-hidden=true], [aria-label]'))"
        ".map((each) => each.outerHTML.slice(0, 120));"
    )
    assert unnamed == []


def test_an_epoch_in_the_address_is_the_one_that_is_shown(page: Page) -> None:
    page.open("epoch=1")
    assert page.ask("return page.get('epoch');") == 1
    page.ask("page.set({epoch: 0}); await new Promise((done) => setTimeout(done, 400));")
    assert page.driver.current_url.endswith("#epoch=0")
    page.open("epoch=99")
    assert page.ask("return page.get('epoch');") == 2


def test_hostile_names_are_shown_as_text(page: Page, tmp_path: Path) -> None:
    hostile: Any = "<img src=x onerror=document.title='broken'>"
    study = tiny_study(description=hostile, epochs=1, numerics="engine")
    records = hindi_bn.train(study, digits=tiny_digits(), out=tmp_path)
    labelled = [hindi_bn.read_run(each, "&lt;b&gt; alert(1)") for each in records[:1]]
    file = hindi_bn.build_page(
        [*labelled, records[1]], tmp_path / "p.html", train=10, test=10, command=hostile
    )
    Page(page.driver, file)
    page.ask("await new Promise((done) => setTimeout(done, 400));")
    assert page.driver.title == "article: with and without batch normalisation"
    assert page.ask("return document.querySelectorAll('main img, footer img').length;") == 0
    assert "<img src=x" in page.find("footer").text
    assert "&lt;b&gt; alert(1)" in page.find("main").text
