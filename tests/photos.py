"""Photos of digits, made from images of the data set: written on paper, then lit, turned, spoiled.

Each is drawn from a generator of its own, so that photo `i` of a kind is the same in every test.
Digits stand anywhere on the sheet and in any size; paper, ink, light and turn differ from photo
to photo.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Grey = NDArray[np.float64]
SIDE = 320  # pixels of a sheet
SPECKS = 6


def photo(image: NDArray[np.uint8], kind: str, seed: int) -> Image.Image:
    """A photo of one digit, uint8 (32, 32), white on black; see `KINDS`."""
    rng = np.random.default_rng(seed)
    return KINDS[kind](image, rng)


def sheet(images: list[NDArray[np.uint8]], rng: np.random.Generator) -> Grey:
    """Dark ink on light paper, 0 to 255: digits side by side, somewhere on the sheet."""
    side = int(rng.integers(96, 200))
    cover = np.zeros((SIDE, SIDE + (len(images) - 1) * side))
    top, left = rng.integers(20, SIDE - side - 20, 2)
    for place, image in enumerate(images):
        inner = Image.fromarray(image[2:30, 2:30]).resize((side, side), Image.Resampling.BICUBIC)
        start = left + place * int(1.25 * side) if place else left
        cover = np.pad(cover, ((0, 0), (0, max(0, start + side + 20 - cover.shape[1]))))
        cover[top : top + side, start : start + side] = np.asarray(inner) / 255
    paper, ink = rng.uniform(190, 245), rng.uniform(20, 90)
    return paper + (ink - paper) * cover


def turned(grey: Grey, rng: np.random.Generator) -> Grey:
    """Turned by up to 15 degrees either way; the paper goes on beyond its edge."""
    return ndimage.rotate(grey, rng.uniform(-15, 15), reshape=False, order=1, mode="nearest")


def shaded(grey: Grey, rng: np.random.Generator) -> Grey:
    """Light that falls off, evenly along some direction, to 0.6 at the far corner."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.indices(grey.shape)
    along = rows * np.sin(angle) + columns * np.cos(angle)
    along = (along - along.min()) / np.ptp(along)
    return grey * (1 - 0.4 * along)


def ruled(grey: Grey, rng: np.random.Generator) -> Grey:
    """Lines across the whole sheet, lighter than the ink."""
    lines, darkness = grey.copy(), rng.uniform(0.6, 0.8)
    gap, width = int(rng.integers(30, 60)), int(rng.integers(1, 4))
    for row in range(int(rng.integers(0, gap)), len(grey), gap):
        lines[row : row + width] *= darkness
    return lines


def specked(grey: Grey, rng: np.random.Generator) -> Grey:
    """Dark specks with a radius of one to four pixels, one of them in a corner."""
    spoiled = grey.copy()
    rows, columns = np.indices(grey.shape)
    places = [(4, 4), *rng.integers(0, min(grey.shape), (SPECKS - 1, 2))]
    for row, column in places:
        near = (rows - row) ** 2 + (columns - column) ** 2 <= rng.uniform(1, 4) ** 2
        spoiled[near] = rng.uniform(10, 60)
    return spoiled


def taken(grey: Grey, rng: np.random.Generator, quality: int = 90) -> Image.Image:
    """The camera's noise, and JPEG."""
    pixels = (grey + rng.normal(0, 2, grey.shape)).clip(0, 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return Image.open(file)


def _all(image: NDArray[np.uint8], rng: np.random.Generator) -> Image.Image:
    grey = ruled(sheet([image], rng), rng)
    return taken(shaded(specked(turned(grey, rng), rng), rng), rng, 40)


KINDS: dict[str, Callable[[NDArray[np.uint8], np.random.Generator], Image.Image]] = {
    "plain": lambda image, rng: taken(sheet([image], rng), rng),
    "light": lambda image, rng: taken(shaded(sheet([image], rng), rng), rng),
    "tilt": lambda image, rng: taken(turned(sheet([image], rng), rng), rng),
    "jpeg": lambda image, rng: taken(sheet([image], rng), rng, 40),
    "specks": lambda image, rng: taken(specked(sheet([image], rng), rng), rng),
    "ruled": lambda image, rng: taken(ruled(sheet([image], rng), rng), rng),
    "combined": _all,
}
