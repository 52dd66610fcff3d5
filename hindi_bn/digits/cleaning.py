"""From a photo of handwriting to its strokes: light evened out, rules, edges and specks removed.

Everything is measured on the photo itself; sizes are shares of its own sides or of its strokes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.integer[Any]]

FAINT = 0.25  # share of the strongest ink that still counts as paper, before its level is known
LEVEL = 80  # percentile of the strokes' ink that is made full white
EDGE = 0.4  # of the level: where a stroke ends
UNEVEN = 0.1  # difference of the paper's grey values that is spoken of
DARK = 0.1  # grey value: a share of darker paper would be noise
GRAIN = 6  # times the paper's noise: below it is no ink
LEAST_CONTRAST = 8 / 255  # below this an image is taken for empty paper
TURN = 20  # degrees: rules at a steeper angle are not looked for
ACROSS = 0.7  # share of the photo's width that a rule crosses
SMALLEST = 64  # pixels of the shorter side of an image in which rules are looked for
THIN = 0.03  # share of the photo's height that a rule is thick at most
SPECK = 0.2, 0.05  # extent and area, as shares of the largest piece's
HUGS = 0.5  # share of a side that an edge or a shadow touches
GRAINS = 0.03  # share of the photo's longer side: smaller pieces are the paper's grain
INNER = 0.2  # share of the photo's side that a stroke away from the edges has at least


@dataclass(frozen=True)
class Strokes:
    """Strength of the strokes, 0..1 (height, width), paper 0, and what was done to find them.

    `pieces` numbers the connected pieces of ink from 1, 0 is paper.
    """

    ink: Floats
    pieces: Numbers
    steps: tuple[str, ...]


def find_strokes(grey: Floats) -> Strokes | None:
    """Find the strokes in grey values 0..1 (height, width); None when there are none."""
    paper, steps = _on_light(grey)
    background = _background(paper)
    ink = (background - paper) / np.maximum(background, DARK)
    noise = float(np.diff(np.percentile(ink, [5, 25]))[0])  # a standard deviation, if normal
    ink = ink.clip(0.0, 1.0)
    least = max(FAINT * float(ink.max()), GRAIN * noise)
    if ink.max() < LEAST_CONTRAST:
        return None
    if float(np.ptp(background)) > UNEVEN:
        steps.append("uneven light evened out")
    turn = 0.0
    for name in ("lines", "upright lines"):
        found = _rules(ink > least / 2, ink > least)
        if found is not None:
            ink = np.where(found[0], 0.0, ink)
            turn = turn or (found[1] if name == "lines" else -found[1])
            steps.append(f"{name} of the paper removed, which are made straight")
        ink = ink.T
    mask = ink > least
    for _ in range(2):  # the second time with the level of the strokes alone
        pieces, removed = _pieces(mask)
        if not pieces.any():
            return None
        level = float(np.percentile(ink[pieces > 0], LEVEL))
        mask = ink > max(EDGE * level, GRAIN * noise)
    if removed:
        steps.append(f"{removed} specks and edges removed")
    near = ndimage.binary_dilation(pieces > 0, iterations=2)
    ink = np.where(near & (ink > FAINT * level / 2), ink / level, 0.0).clip(0.0, 1.0)
    if turn:
        ink = ndimage.rotate(ink, turn, order=1)
        pieces = ndimage.label(ink > EDGE, np.ones((3, 3)))[0]
    return Strokes(ink, pieces, tuple(steps))


def _on_light(grey: Floats) -> tuple[Floats, list[str]]:
    """Grey values with dark strokes on light paper, which is known by the border."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if float(np.median(border)) > (float(grey.min()) + float(grey.max())) / 2:
        return grey, ["inverted (dark on light)"]
    return 1 - grey, ["kept as light on dark"]


def _background(paper: Floats) -> Floats:
    """The paper as it would be without strokes: what half of the photo's side can cover."""
    size = max(min(paper.shape) // 2, 3)
    smooth = ndimage.gaussian_filter(paper, min(paper.shape) / 150)
    closed: Floats = ndimage.grey_closing(smooth, (size, size), mode="nearest")
    filled: Floats = ndimage.uniform_filter(closed, size // 4 + 1, mode="nearest")
    return filled


def _rules(mask: Mask, strong: Mask) -> tuple[Mask, float] | None:
    """Straight thin lines from side to side, less what strong ink crosses, and their angle."""
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    if min(height, width) < SMALLEST or not len(rows):
        return None
    best, angle = -1.0, 0.0
    for degrees in np.linspace(-TURN, TURN, 8 * TURN + 1):
        count = np.bincount(_distance(rows, columns, degrees, width))
        score = float((count.astype(np.float64) ** 2).sum())
        if score > best:
            best, angle = score, float(degrees)
    at = _distance(rows, columns, angle, width)
    everywhere = np.indices(mask.shape).reshape(2, -1)
    every = _distance(everywhere[0], everywhere[1], angle, width)
    crossed = np.bincount(at, minlength=every.max() + 1) / np.maximum(np.bincount(every), 1)
    lines, _ = ndimage.label((crossed > ACROSS) & (np.bincount(every) > width / 3))
    thick = np.bincount(lines)
    thin = (thick <= max(THIN * height, 3)) & (np.arange(len(thick)) > 0)
    if not thin.any():
        return None
    on = ndimage.binary_dilation(thin[lines], iterations=1)[every].reshape(mask.shape)
    rest = strong & ~on
    reach = 2 * int(thick[1:][thin[1:]].max()) + 5
    crossing = ndimage.binary_dilation(rest, np.ones((reach, 1), dtype=bool))
    return mask & on & ~crossing, angle


def _distance(rows: Numbers, columns: Numbers, degrees: float, width: int) -> Numbers:
    """Distance of pixels from a line through the corner, at an angle, in whole pixels from 0."""
    turn = np.deg2rad(degrees)
    reach = width * np.sin(np.deg2rad(TURN))
    distance: Floats = rows * np.cos(turn) - columns * np.sin(turn) + reach + 1
    return np.rint(distance).astype(np.int64)


def _pieces(mask: Mask) -> tuple[Numbers, int]:
    """Number the connected pieces of ink; specks and what the photo's edge shows are left out."""
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    if not count:
        return pieces, 0
    area = np.bincount(pieces.ravel(), minlength=count + 1)
    boxes = ndimage.find_objects(pieces)
    extent = np.array([0, *(max(side.stop - side.start for side in box) for box in boxes)])
    sides = [
        np.bincount(side, minlength=count + 1) / len(side)
        for side in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1])
    ]
    touches = np.max(sides, axis=0)
    inner = int(np.where(touches > 0, 0, extent).max())
    edge = (touches > HUGS) | ((touches > 0) & (extent < inner))
    if inner < INNER * min(mask.shape):  # cut out closely: the strokes themselves touch the edge
        edge[:] = False
    largest = np.where(edge, 0, extent).argmax()
    if extent[largest] < GRAINS * max(mask.shape):
        return np.zeros_like(pieces), 0
    speck = (extent < SPECK[0] * extent[largest]) & (area < SPECK[1] * area[largest])
    kept = ~(edge | speck)
    kept[0] = False
    return np.where(kept[pieces], pieces, 0), count - int(kept[1:].sum())
