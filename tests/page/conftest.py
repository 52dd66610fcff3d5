"""A page built from two tiny runs, and the browser that opens it: from disk, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_digits, tiny_study

import hindi_bn
from hindi_bn.page.aboard import with_weights
from hindi_bn.records import Record

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """The article's two networks, trained for two epochs on a few digits by the engine."""
    study = with_weights(tiny_study(stream="paired", numerics="engine", lr=0.01))
    out = tmp_path_factory.mktemp("runs")
    return hindi_bn.train(study, digits=tiny_digits(), out=out)


@pytest.fixture(scope="session")
def built(runs: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of these runs, with 40 and 20 drawn digits aboard."""
    folder = tmp_path_factory.mktemp("page")
    return hindi_bn.build_page(runs, folder / "page.html", train=40, test=20, out=folder)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium for which no name on the network exists."""
    if not (BROWSER and DRIVER):
        pytest.skip("there is no chromium with chromedriver (Debian: chromium, chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=900,1200",
        "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


class Page:
    """A page in the browser: scripts that run in it, and what it said and asked for."""

    def __init__(self, driver: Any, file: Path) -> None:
        self.driver, self.file = driver, file
        self.open()

    def open(self, address: str = "") -> None:
        """Open the file anew, at an address (`epoch=1&train.lr=0.3`)."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.file.as_uri()}#{address}" if address else self.file.as_uri())

    def ask(self, script: str, *arguments: Any) -> Any:
        """Run an async function's body, with `args`; give what it returns."""
        failed, found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1], args = [...arguments].slice(0, -1);"
            f"(async () => {{ {script} }})().then((x) => done([null, x]), "
            "(e) => done([String(e.stack), null]));",
            *arguments,
        )
        assert failed is None, failed
        return found

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def said(self) -> list[str]:
        """What it wrote to the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def page(browser: Any, built: Path) -> Iterator[Page]:
    """The built page, freshly opened; it must not have complained."""
    browser.get_log("browser")
    opened = Page(browser, built)
    yield opened
    assert opened.said() == []
