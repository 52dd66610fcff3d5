"""Makes the pictures of docs/page.md from a page, in headless Chromium.

python docs/page_pictures.py results/article/page.html docs/images

Writes page.webp, the animation in README, and page-380.png, page-900.png and page-1600.png. Needs
Debian's chromium and chromium-driver, and hindi-bn's development packages.
"""

import base64
import io
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.interpolate import CubicSpline
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

WIDTH, HEIGHT = 860, 620  # of the animation, CSS pixels
FRAME = 110  # milliseconds
CORNERS = [
    (0.28, 0.14), (0.45, 0.10), (0.62, 0.14), (0.68, 0.26), (0.60, 0.36), (0.42, 0.42),
    (0.60, 0.44), (0.70, 0.55), (0.60, 0.67), (0.36, 0.66), (0.46, 0.74), (0.60, 0.84),
    (0.74, 0.90),
]  # fmt: skip
"""Points of a Devanagari three: parts of the pad's width and height."""
THREE = CubicSpline(range(len(CORNERS)), CORNERS)(np.linspace(0, len(CORNERS) - 1, 30))
PHONE = 500  # pixels; narrower windows are a phone's


def opened(page: Path, width: int, height: int) -> Any:
    """Open a page in a window of so many CSS pixels."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, Service(str(shutil.which("chromedriver"))))
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.resolve().as_uri())
    time.sleep(2)
    return driver


def shot(driver: Any, height: int = 0) -> Image.Image:
    """Take a picture of the window, or of the page's first `height` pixels."""
    asked: dict[str, Any] = {"format": "png"}
    if height:
        width = driver.execute_script("return innerWidth")
        asked["clip"] = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        asked["captureBeyondViewport"] = True
    found = driver.execute_cdp_cmd("Page.captureScreenshot", asked)
    return Image.open(io.BytesIO(base64.b64decode(found["data"]))).convert("RGB")


def to_part(driver: Any, selector: str, above: int = 60) -> None:
    """Scroll until an element stands so far below the window's upper edge."""
    driver.execute_script(
        "const at = document.querySelector(arguments[0]).getBoundingClientRect().top;"
        "scrollBy({top: at - arguments[1], behavior: 'instant'})", selector, above,
    )  # fmt: skip
    time.sleep(0.6)


def drawing(driver: Any) -> Iterator[Image.Image]:
    """Draw a three on the pad, a picture for every part of the stroke."""
    to_part(driver, "#draw")
    pad = driver.execute_script(
        "const r = document.querySelector('canvas.pad').getBoundingClientRect();"
        "return [r.left, r.top, r.width, r.height]"
    )
    points = [(pad[0] + x * pad[2], pad[1] + y * pad[3]) for x, y in THREE]
    kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
    for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
        driver.execute_cdp_cmd(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1},
        )
        time.sleep(0.1)
        yield shot(driver)


def epochs(driver: Any) -> Iterator[Image.Image]:
    """Move the slider through all epochs."""
    last = driver.execute_script("return page.last")
    for epoch in range(last + 1):
        driver.execute_script("page.set({epoch: arguments[0]})", epoch)
        time.sleep(0.15)
        yield shot(driver)


def training(driver: Any) -> Iterator[Image.Image]:
    """Train both networks in the page."""
    to_part(driver, "#train")
    to_part(driver, "#train-status")  # what was not drawn before has its height now
    driver.execute_script("document.querySelector('#train-start').click()")
    for _ in range(24):
        time.sleep(0.25)
        yield shot(driver)


def main(page: Path, to: Path) -> None:
    """Make all pictures of a page."""
    driver = opened(page, WIDTH, HEIGHT)
    frames = [*drawing(driver), *epochs(driver), *training(driver)]
    driver.quit()
    frames[0].save(
        to / "page.webp", save_all=True, append_images=frames[1:], duration=FRAME, loop=0,
        quality=70, method=4,
    )  # fmt: skip
    for width, height in ((380, 2600), (900, 1700), (1600, 1500)):
        driver = opened(page, width, height)
        picture = shot(driver, height).quantize(96, dither=Image.Dither.NONE)
        picture.save(to / f"page-{width}.png", optimize=True)
        driver.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
