"""One's own images: read, cleaned and made what the networks were trained on, a digit each."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from hindi_bn.digits.cleaning import find_strokes
from hindi_bn.digits.shapes import BOX, MARGIN, SIDE, boxes_of_digits, cut_out, doubts_about, fitted
from hindi_bn.errors import DataError
from hindi_bn.files import refuse_special

OPAQUE = 255
LARGEST = 64_000_000  # pixels; more is no photograph of a digit
WORK = 640  # pixels of the longer side on which strokes are looked for
TURNS = 0, -8, 8  # degrees: the views of a digit that answer together
MANY = 40  # digits; more pieces are no handwriting

Source = Path | BinaryIO
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Written:
    """A digit found in an image.

    Attributes:
        views: uint8 (views, 32, 32), white strokes on black: as it stands, and turned a little
            either way; one view of an image that looks like the data set's already.
        steps: What was done, a sentence per step.
        doubts: Why it may be no digit.
    """

    views: Images
    steps: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def read_digits(source: Source, name: str = "") -> list[Written]:
    """Read an image, and find the digits written in it, line by line, left to right.

    Any size; grey, colour, palette or transparent; dark on light or light on dark. Uneven light,
    the paper's lines, specks and edges are removed. DataError when it cannot be read as an image,
    or shows nothing.
    """
    name = name or str(source)
    grey, done = _read_grey(source, name)
    if _is_prepared(grey):
        steps = (*done, "taken as it is: 32 x 32, white on black")
        return [Written((grey * 255).round().astype(np.uint8)[np.newaxis], steps)]
    strokes = find_strokes(grey)
    digits = [] if strokes is None else boxes_of_digits(strokes.pieces)
    if strokes is None or len(digits) > MANY:
        raise DataError(
            f"{name} shows no strokes." if not digits else f"{name} shows no digits.",
            f"{len(digits)} separate pieces stand out from the paper.",
            "give an image of dark strokes on plain ground, with some ground around them",
        )
    found = []
    for place, (box, mask) in enumerate(digits, start=1):
        ink = np.zeros_like(strokes.pieces, dtype=bool)
        ink[box] = mask
        cut = cut_out(np.where(ndimage.binary_dilation(ink, iterations=2), strokes.ink, 0.0))
        which = f"digit {place} of {len(digits)}, " if len(digits) > 1 else ""
        steps = (
            *done, *strokes.steps,
            f"{which}cropped to the strokes' box, {cut.shape[1]} x {cut.shape[0]} pixels",
            f"stretched to {BOX} x {BOX} inside a margin of {MARGIN} pixels, as the data set is",
        )  # fmt: skip
        views = np.stack([fitted(cut, degrees) for degrees in TURNS])
        found.append(Written(views, steps, tuple(doubts_about(cut))))
    return found


def prepare(path: Path) -> tuple[Images, list[str]]:
    """Read an image of one digit: uint8 (32, 32) as it stands, and what was done.

    DataError when it cannot be read, shows nothing, or shows several digits.
    """
    digits = read_digits(path)
    if len(digits) > 1:
        raise DataError(
            f"{path} shows {len(digits)} digits.", "One is needed here.", "cut one of them out"
        )
    return digits[0].views[0], list(digits[0].steps)


def _read_grey(source: Source, name: str) -> tuple[NDArray[np.float64], list[str]]:
    """Grey values 0..1 (height, width), upright, with transparency laid on a plain ground."""
    try:
        if isinstance(source, Path):
            refuse_special(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source) as opened:
                if opened.width * opened.height > LARGEST:
                    raise DataError(
                        f"{name} is too large: {opened.width} x {opened.height} pixels.",
                        f"At most {LARGEST:,} pixels are read.",
                        "crop the digit out of it, or scale it down",
                    )
                opened.load()
                image = ImageOps.exif_transpose(opened)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise _unreadable(name, str(error)) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise _unreadable(name, getattr(error, "strerror", None) or str(error)) from error
    done = [f"read {image.width} x {image.height}, mode {image.mode}"]
    if image.has_transparency_data:
        image, ground = _flatten(image.convert("RGBA"))
        done.append(f"transparent parts laid on {ground}")
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        if not np.isfinite(values).all():
            raise _unreadable(name, "some of its grey values are infinite or not a number")
        low, high = values.min(), values.max()
        done.append("grey values brought to 0..1")
        image = Image.fromarray(((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8))
    image = image.convert("L")
    if max(image.size) > WORK:
        share = WORK / max(image.size)
        width, height = (max(round(side * share), 1) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BOX)
        done.append(f"reduced to {image.width} x {image.height}")
    return np.asarray(image, dtype=np.float64) / 255, done


def _unreadable(name: str, why: str) -> DataError:
    return DataError(
        f"{name} cannot be read as an image.", why, "give a PNG, JPEG or other image of one digit"
    )


def _flatten(image: Image.Image) -> tuple[Image.Image, str]:
    """Lay an RGBA image on white if its visible part is dark, and on black otherwise."""
    alpha = np.asarray(image.getchannel("A"), dtype=np.float64) / OPAQUE
    grey = np.asarray(image.convert("RGB").convert("L"), dtype=np.float64) / 255
    dark = float((alpha * grey).sum()) < 0.5 * float(alpha.sum())
    ground = "white" if dark else "black"
    plain = Image.new("RGBA", image.size, ground)
    return Image.alpha_composite(plain, image).convert("RGB"), ground


def _is_prepared(grey: NDArray[np.float64]) -> bool:
    if grey.shape != (SIDE, SIDE):
        return False
    inner = grey[MARGIN:-MARGIN, MARGIN:-MARGIN]
    rows, columns = inner.max(axis=1) > 0, inner.max(axis=0) > 0
    empty_margin = np.count_nonzero(grey) == np.count_nonzero(inner)
    return bool(empty_margin and _extent(rows) >= BOX - 2 and _extent(columns) >= BOX - 2)


def _extent(marked: NDArray[np.bool_]) -> int:
    places = np.flatnonzero(marked)
    return int(places[-1] - places[0] + 1) if len(places) else 0
