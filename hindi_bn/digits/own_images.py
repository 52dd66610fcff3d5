"""One's own images, made into what the networks were trained on: 32 x 32, white on black.

The data set's images were cut out at the strokes' box and stretched to fill 28 x 28 pixels inside
an empty margin of two, whatever the proportions of the handwriting: in all 3,000 test images the
strokes are 27 or 28 pixels wide and 26 to 28 high. An own image is prepared the same way.
"""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from hindi_bn.errors import DataError

SIDE, MARGIN = 32, 2
BOX = SIDE - 2 * MARGIN
OPAQUE = 255
LARGEST = 64_000_000  # pixels; more is no photograph of a digit
FAINT = 0.2  # share of the strongest ink that still counts as paper
LEAST_CONTRAST = 8 / 255  # below this an image is taken for empty paper


def prepare(path: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """Read an image of one digit and prepare it like the data set's.

    Any size; grey, colour, palette or transparent; dark on light or light on dark (known by
    the border). The strokes' box is stretched to 28 x 28 and stands inside two empty pixels. An
    image that looks like the data set's already is left as it is. DataError when the file cannot be
    read as an image, or shows nothing.

    Returns:
        The image, uint8 (32, 32), white strokes on black; and what was done, a sentence per step.
    """
    grey, done = _read_grey(path)
    if _is_prepared(grey):
        done.append("taken as it is: 32 x 32, white on black")
        return (grey * 255).round().astype(np.uint8), done
    ink, steps = _ink(path, grey)
    rows, columns = np.flatnonzero(ink.max(axis=1)), np.flatnonzero(ink.max(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    done += [*steps, f"cropped to the strokes' box, {box.shape[1]} x {box.shape[0]} pixels"]
    enlarged = min(box.shape) < BOX  # interpolated; averaged over pixels when shrunk
    resampling = Image.Resampling.BICUBIC if enlarged else Image.Resampling.BOX
    scaled = Image.fromarray(box.astype(np.float32)).resize((BOX, BOX), resampling)
    strokes = np.asarray(scaled, dtype=np.float64).clip(0.0, 1.0)
    done.append(
        f"stretched to {BOX} x {BOX} inside a margin of {MARGIN} pixels, as the data set is"
    )
    prepared = np.zeros((SIDE, SIDE), dtype=np.uint8)
    inner = slice(MARGIN, MARGIN + BOX)
    prepared[inner, inner] = (strokes / strokes.max() * 255).round().astype(np.uint8)
    return prepared, done


def _read_grey(path: Path) -> tuple[NDArray[np.float64], list[str]]:
    """Grey values 0..1 (height, width), upright, with transparency laid on a plain ground."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.width * opened.height > LARGEST:
                    raise DataError(
                        f"{path} is too large: {opened.width} x {opened.height} pixels.",
                        f"At most {LARGEST:,} pixels are read.",
                        "crop the digit out of it, or scale it down",
                    )
                opened.load()
                image = ImageOps.exif_transpose(opened)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise _unreadable(path, str(error)) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from error
    done = [f"read {image.width} x {image.height}, mode {image.mode}"]
    if image.has_transparency_data:
        image, ground = _flatten(image.convert("RGBA"))
        done.append(f"transparent parts laid on {ground}")
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        low, high = values.min(), values.max()
        return (values - low) / max(high - low, 1e-12), [*done, "grey values brought to 0..1"]
    return np.asarray(image.convert("L"), dtype=np.float64) / 255, done


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} cannot be read as an image.", why, "give a PNG, JPEG or other image of one digit"
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


def _ink(path: Path, grey: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Strength of the strokes, 0..1 (height, width); the paper, known by the border, is 0."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper, low, high = float(np.median(border)), float(grey.min()), float(grey.max())
    inverted = paper > (low + high) / 2
    ink = (paper - grey if inverted else grey - paper).clip(0.0, None)
    if ink.max() < LEAST_CONTRAST:
        raise DataError(
            f"{path} shows no strokes.",
            f"Its grey values differ by {100 * float(ink.max()):.1f} % at most from its border.",
            "give an image of one digit on plain ground, with some ground around it",
        )
    ink /= ink.max()
    ink[ink < FAINT] = 0.0
    done = ["inverted (dark on light)"] if inverted else ["kept as light on dark"]
    return ink, [*done, f"paper (fainter than {100 * FAINT:.0f} % of the strongest ink) made black"]
