"""Pieces of ink put together to digits, and made what the networks were trained on: 32 x 32.

The data set's images were cut out at the strokes' box and stretched to fill 28 x 28 pixels inside
an empty margin of two, whatever the proportions of the handwriting: in all 3,000 test images the
strokes are 27 or 28 pixels wide and 26 to 28 high. Digits of one's own are stretched the same way.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from hindi_bn.digits.cleaning import Floats, Numbers

SIDE, MARGIN = 32, 2
BOX = SIDE - 2 * MARGIN
PEN = 1.3, 6.5  # pixels of the 28: strokes of 98 % of the training images
COMMON_PEN = 2.0, 5.0  # what thinner and thicker strokes are brought to
LONGEST = 3.0  # times as high as wide, or as wide as high: more is not stretched to a square
BLOB = 9.0  # pixels: thicker strokes have lost their shape
STRAIGHT = 0.92  # correlation of rows and columns; 0.88 at most in the training images
WIDE = 2.2  # times as wide as high: digits that touch
SMALL = 0.35  # of the tallest piece: less is no digit of its own
FINE = 8  # pixels of the grid on which a pen is changed, per pixel of the 28

Box = tuple[slice, ...]
INK = 0.5  # what is more counts as stroke where strokes are measured
SLOPE = 3  # rows or columns: with fewer there is no slope to measure


def boxes_of_digits(pieces: Numbers) -> list[tuple[Box, NDArray[np.bool_]]]:
    """Put numbered pieces (height, width) together to digits, line by line, left to right.

    Returns a box of rows and columns for each digit, and within it the mask of its ink.
    """
    found = [(box, [n + 1]) for n, box in enumerate(ndimage.find_objects(pieces)) if box]
    tallest = max(_extent(box) for box, _ in found)
    large = [one for one in found if _extent(one[0]) >= SMALL * tallest]
    lines = _joined(large, axis=0, apart=0.3)
    digits = [one for line in lines for one in _joined(_parts(large, line), axis=1, apart=-0.3)]
    for box, numbers in found:  # a dot or a broken stroke belongs to the digit that it stands in
        if _extent(box) < SMALL * tallest:
            for at, (of, members) in enumerate(digits):
                if _overlap(of, box, 0) > 0 and _overlap(of, box, 1) > 0:
                    digits[at] = (_union(of, box), members + numbers)
    return [(box, np.isin(pieces[box], numbers)) for box, numbers in digits]


def fitted(ink: Floats, degrees: float = 0.0) -> NDArray[np.uint8]:
    """Stretch the strokes' box to 28 x 28 within 32 x 32; a pen out of range is made a common one.

    Args:
        ink: Strength of the strokes, 0..1 (height, width), paper 0.
        degrees: By which they are turned first, against the clock.
    """
    box = cut_out(ndimage.rotate(ink, degrees, order=1) if degrees else ink)
    height, width = box.shape
    if max(box.shape) > LONGEST * min(box.shape):
        rows = max(round(width / LONGEST) - height, 0)
        columns = max(round(height / LONGEST) - width, 0)
        box = np.pad(box, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)))
    pen = pen_of(box)
    if PEN[0] <= pen <= PEN[1]:
        strokes = _resized(box, BOX)
    else:
        strokes = _with_pen(box, (COMMON_PEN[0] if pen < PEN[0] else COMMON_PEN[1]) - pen)
    image = np.zeros((SIDE, SIDE), dtype=np.uint8)
    inner = slice(MARGIN, MARGIN + BOX)
    image[inner, inner] = (strokes / max(strokes.max(), 1e-6) * 255).round().astype(np.uint8)
    return image


def cut_out(ink: Floats) -> Floats:
    """Cut the box of the strokes out."""
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0), np.flatnonzero(ink.max(axis=0) > 0)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def pen_of(box: Floats) -> float:
    """Mean thickness of the strokes in a box, in pixels of 28 x 28.

    Twice the area over the outline, which counts as many pixels' sides as 4/pi of its length.
    """
    mask = np.pad(box > INK, 1).astype(np.int8)
    outline = sum(np.abs(np.diff(mask, axis=axis)).sum() for axis in (0, 1))
    thickness = 2 * mask.sum(dtype=np.int64) / max(outline, 1) * 4 / np.pi
    return float(thickness * BOX / np.sqrt(box.shape[0] * box.shape[1]))


def doubts_about(box: Floats) -> list[str]:
    """Say why ink in a box (height, width), 0..1, is hardly one digit; nothing if it may be one."""
    height, width = box.shape
    rows, columns = np.nonzero(box > INK)
    doubts = []
    flat = min(len(np.unique(rows)), len(np.unique(columns))) < SLOPE
    flat = flat or abs(np.corrcoef(rows, columns)[0, 1]) > STRAIGHT
    if flat or height > 2 * LONGEST * width or width > 2 * LONGEST * height:
        doubts.append("a straight line")
    elif width > WIDE * height:
        doubts.append("wider than a digit: several that touch?")
    if pen_of(box) > BLOB:
        doubts.append("a blot")
    return doubts


def _with_pen(box: Floats, change: float) -> Floats:
    """Stretch to 28 x 28 with strokes thicker by `change` pixels, by the distance from their edge.

    The box is made smaller first by as much as the strokes will grow.
    """
    size = max(round((BOX - change) * FINE), FINE)
    mask = _resized(box, size, Image.Resampling.BILINEAR) > INK
    grown = (BOX * FINE - size) // 2 + FINE * BOX
    mask = np.pad(mask, grown)
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(mask)
    strokes = outside - inside < change / 2 * FINE
    middle = len(strokes) // 2 - BOX * FINE // 2
    strokes = strokes[middle : middle + BOX * FINE, middle : middle + BOX * FINE]
    means: Floats = strokes.reshape(BOX, FINE, BOX, FINE).mean(axis=(1, 3))
    return means


def _resized(box: Floats, side: int, resampling: Image.Resampling | None = None) -> Floats:
    if resampling is None:  # interpolated; averaged over pixels when shrunk
        enlarged = min(box.shape) < side
        resampling = Image.Resampling.BICUBIC if enlarged else Image.Resampling.BOX
    scaled = Image.fromarray(box.astype(np.float32)).resize((side, side), resampling)
    return np.asarray(scaled, dtype=np.float64).clip(0.0, 1.0)


Found = tuple[Box, list[int]]


def _joined(found: list[Found], axis: int, apart: float) -> list[Found]:
    """Join pieces along an axis, in order; those with a gap of `apart` of the smaller are apart.

    A negative gap is an overlap.
    """
    joined: list[Found] = []
    for box, numbers in sorted(found, key=lambda one: one[0][axis].start):
        if joined:
            last, members = joined[-1]
            smaller = min(side[axis].stop - side[axis].start for side in (last, box))
            if -_overlap(last, box, axis) < apart * smaller:
                joined[-1] = (_union(last, box), members + numbers)
                continue
        joined.append((box, numbers))
    return joined


def _parts(found: list[Found], of: Found) -> list[Found]:
    return [one for one in found if one[1][0] in of[1]]


def _overlap(one: Box, other: Box, axis: int) -> int:
    return int(min(one[axis].stop, other[axis].stop) - max(one[axis].start, other[axis].start))


def _union(one: Box, other: Box) -> Box:
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )


def _extent(box: Box) -> int:
    return int(max(side.stop - side.start for side in box))
