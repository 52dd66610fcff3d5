"""The drawn stand-in: 20,000 images of the ten numerals, drawn from stroke paths by this module.

It lets every command run with no network and no account. It is not the article's data: records,
tables and figures made from it say so, and its numbers are never compared with the article's.

How an image is made: one of its numeral's written forms (`hindi_bn.digits.strokes`) is chosen, its
control points are moved a little, a smooth curve is laid through them, the curve is bent
elastically, slanted and turned, stretched to the 28 x 28 box, and inked with a pen of random width,
shape and softness. Everything is vectorised over blocks of images; every block has a random
generator of its own, so an image depends on the seed, its split, its class and its place in it,
and on nothing else.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from hindi_bn.digits.strokes import FORMS

SIZE = 32
"""Height and width of an image in pixels."""

MARGIN = 2
"""Empty pixels on every side of an image."""

_INNER = SIZE - 2 * MARGIN
_BLOCK = 100  # images that share a random generator
_POINTS = 160  # points along a numeral's whole path: about one every 0.7 pixels
_MODES = 6  # waves of the elastic distortion
_TRAIN, _TEST = 0, 1

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]


def draw(
    seed: int = 5842, train_per_class: int = 1700, test_per_class: int = 300
) -> tuple[Images, Images]:
    """Draw the stand-in's training and test images.

    Args:
        seed: Start of the random streams, 0 or more; equal seeds give equal bytes. Asking for fewer
            images gives the first ones of each class, unchanged.
        train_per_class, test_per_class: Images of each class, 0 or more.

    Returns:
        uint8 arrays `(10 * train_per_class, 32, 32)` and `(10 * test_per_class, 32, 32)`, ordered
        by class 0 to 9 as `torchvision.datasets.ImageFolder` orders them: white strokes (255) on
        black (0), the outer two pixels empty.

    Raises:
        ValueError: When the seed or a count is negative.
    """
    if min(seed, train_per_class, test_per_class) < 0:
        raise ValueError("the seed and the numbers of images must be 0 or more")
    return _split(seed, _TRAIN, train_per_class), _split(seed, _TEST, test_per_class)


def _split(seed: int, split: int, per_class: int) -> Images:
    """Return `(10 * per_class, 32, 32)` images of one split."""
    images = np.zeros((len(FORMS), per_class, SIZE, SIZE), dtype=np.uint8)
    inner = slice(MARGIN, SIZE - MARGIN)
    for digit in range(len(FORMS)):
        for start in range(0, per_class, _BLOCK):
            stop = min(start + _BLOCK, per_class)
            key = (split, digit, start // _BLOCK)
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
            block = _ink(rng, _write(rng, digit))
            images[digit, start:stop, inner, inner] = block[: stop - start]
    return images.reshape(-1, SIZE, SIZE)


# --- the path of the pen -------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """A written form: control points, and the linear map from them to points along the curve.

    Attributes:
        control: `(n, 2)` control points x, y in the form's box of 100 x 100.
        curve: `(160, n)`: `curve @ control` are points evenly spaced along the path. The map stays
            the same when the control points move a little, which is what makes drawing fast.
    """

    control: Floats
    curve: Floats


@cache
def forms(digit: int) -> tuple[Form, ...]:
    """Return the written forms of `digit` (0 to 9), parsed and ready to be drawn."""
    return tuple(_parse(text) for text in FORMS[digit])


def _parse(text: str) -> Form:
    """Read one form of `strokes.FORMS`."""
    control: list[tuple[float, float]] = []
    pieces: list[list[int]] = []  # indices of control points, a smooth piece each
    for stroke in text.split("|"):
        pieces.append([])
        for word in stroke.split():
            x, y = word.rstrip("!").split(",")
            control.append((float(x), float(y)))
            pieces[-1].append(len(control) - 1)
            if word.endswith("!"):
                pieces.append([len(control) - 1])
    points = np.array(control)
    smooth = [piece for piece in pieces if len(piece) > 1]
    lengths = np.array([np.hypot(*np.diff(points[piece], axis=0).T).sum() for piece in smooth])
    ends = np.round(np.cumsum(lengths) / lengths.sum() * _POINTS).astype(int)
    counts = np.diff(ends, prepend=0)
    rows = [_piece_map(points, piece, count) for piece, count in zip(smooth, counts, strict=True)]
    return Form(points, np.concatenate(rows))


def _piece_map(points: Floats, piece: list[int], count: int) -> Floats:
    """Return the map `(count, n)` from all control points to points along one smooth piece."""
    chords = np.hypot(*np.diff(points[piece], axis=0).T)
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(chords))])  # centripetal: no overshooting
    spline = CubicSpline(knots, np.eye(len(piece)), bc_type="natural")
    fine = np.linspace(0.0, knots[-1], 20 * len(piece))
    travelled = np.hypot(*np.diff(spline(fine) @ points[piece], axis=0).T).cumsum()
    even = np.linspace(0.0, travelled[-1], count)
    columns = np.zeros((count, len(points)))
    columns[:, piece] = spline(np.interp(even, np.concatenate([[0.0], travelled]), fine))
    return columns


def _write(rng: np.random.Generator, digit: int) -> Floats:
    """Return the paths `(100, 160, 2)` of one block's images, in units of the forms' box."""
    choices = forms(digit)
    weights = np.linspace(3.0, 1.0, len(choices))  # the forms stand from common to rare
    chosen = rng.choice(len(choices), size=_BLOCK, p=weights / weights.sum())
    longest = max(len(form.control) for form in choices)
    wobble = rng.normal(0.0, 1.0, (_BLOCK, longest, 2)) * rng.uniform(0.5, 2.5, (_BLOCK, 1, 1))
    paths = np.empty((_BLOCK, _POINTS, 2))
    for index, form in enumerate(choices):
        mine = np.flatnonzero(chosen == index)
        control = form.control + wobble[mine, : len(form.control)]
        paths[mine] = np.einsum("pn,bnd->bpd", form.curve, control)
    return _turn(rng, _bend(rng, paths))


def _bend(rng: np.random.Generator, paths: Floats) -> Floats:
    """Distort the plane of each path elastically, by a few long waves of random heading."""
    heading = rng.uniform(0.0, 2 * np.pi, (_BLOCK, _MODES))
    length = rng.uniform(90.0, 300.0, (_BLOCK, _MODES, 1))
    wave = 2 * np.pi / length * np.stack([np.cos(heading), np.sin(heading)], axis=2)
    phase = rng.uniform(0.0, 2 * np.pi, (_BLOCK, 1, _MODES))
    shift = rng.normal(0.0, 1.0, (_BLOCK, _MODES, 2)) * rng.uniform(1.0, 9.0, (_BLOCK, 1, 1))
    waves = np.sin(np.einsum("bpd,bmd->bpm", paths, wave) + phase)
    bent: Floats = paths + np.einsum("bpm,bmd->bpd", waves, shift)
    return bent


def _turn(rng: np.random.Generator, paths: Floats) -> Floats:
    """Slant and rotate each path about the middle of its box."""
    angle = rng.normal(0.0, np.deg2rad(7.0), _BLOCK)
    slant = rng.normal(0.0, 0.15, _BLOCK)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])  # (2, 2, 100)
    shear = np.array([[np.ones(_BLOCK), -slant], [np.zeros(_BLOCK), np.ones(_BLOCK)]])
    matrix = np.einsum("ijb,jkb->bik", turn, shear)
    turned: Floats = np.einsum("bpd,bid->bpi", paths - 50.0, matrix)
    return turned


# --- ink -----------------------------------------------------------------------------------------


def _ink(rng: np.random.Generator, paths: Floats) -> Images:
    """Place paths `(100, 160, 2)` in the box and ink them: uint8 images `(100, 28, 28)`."""
    radius = np.clip(rng.lognormal(np.log(1.55), 0.38, (_BLOCK, 1)), 0.6, 3.2)  # pixels
    nib = np.exp(rng.normal(0.0, 0.12, (_BLOCK, 1)))  # width of the pen over its height, root
    placed = _place(rng, paths, np.concatenate([radius * nib, radius / nib], axis=1))
    widths = radius * _profile(rng)
    x, y = placed[..., 0] / nib, placed[..., 1] * nib
    pixels = np.arange(_INNER, dtype=np.float64)
    across = np.square(pixels / nib - x.T[..., None]) - np.square(widths.T)[..., None]
    down = np.square(pixels * nib - y.T[..., None])
    distance = _nearest(across.astype(np.float32), down.astype(np.float32))
    radius = radius[..., None]
    inside = radius - np.sqrt(np.maximum(distance + np.square(radius), 0.0))
    level = _soften(rng, inside)
    peak = np.minimum(rng.uniform(0.8, 1.6, (_BLOCK, 1, 1)) + 0.25 * (radius - 1.0), 1.0)
    return np.round(255.0 * level * peak).astype(np.uint8)


def _soften(rng: np.random.Generator, inside: Floats) -> Floats:
    """Return grey levels 0 to 1 of pixels that lie `inside` pixels within the stroke's edge.

    The edge has a half-width of its own inwards and outwards: scans have a long faint rim.
    """
    inwards = rng.uniform(0.3, 1.2, (_BLOCK, 1, 1))
    outwards = inwards * rng.uniform(1.0, 2.0, (_BLOCK, 1, 1))
    level = np.clip(inside / np.where(inside > 0, inwards, outwards) / 2.0 + 0.5, 0.0, 1.0)
    smooth: Floats = level * level * (3.0 - 2.0 * level)
    return smooth


def _place(rng: np.random.Generator, paths: Floats, reach: Floats) -> Floats:
    """Stretch each path so that its ink fills the box of 28 x 28 pixels.

    `reach` `(100, 2)` is how far the pen reaches beyond the path in x and y. As in the real images
    the sides and the bottom cut a little into the ink, while the top leaves a little room.
    """
    low, high = paths.min(axis=1), paths.max(axis=1)
    first = reach - 0.5 + rng.uniform(-0.8, 0.2, (_BLOCK, 2))
    first[:, 1] += rng.uniform(0.0, 1.0, _BLOCK)
    last = _INNER - 0.5 - reach + rng.uniform(-0.2, 0.8, (_BLOCK, 2))
    scale = (last - first) / (high - low)
    placed: Floats = (paths - low[:, None]) * scale[:, None] + first[:, None]
    return placed


def _profile(rng: np.random.Generator) -> Floats:
    """Return the pen's width along each path, relative to its mean: `(100, 160)`."""
    along = np.linspace(0.0, 2 * np.pi, _POINTS)
    waves = rng.uniform(0.5, 3.0, (_BLOCK, 1))
    swing = rng.uniform(0.0, 0.15, (_BLOCK, 1))
    profile: Floats = 1.0 + swing * np.sin(waves * along + rng.uniform(0, 2 * np.pi, (_BLOCK, 1)))
    return profile


def _nearest(across: NDArray[np.float32], down: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the least of `down[p, :, i] + across[p, :, j]` over points p: `(100, 28, 28)`.

    Both are `(160, 100, 28)`: squared distances in y and in x (less the squared pen radius).
    """
    nearest = np.full((across.shape[1], _INNER, _INNER), np.inf, dtype=np.float32)
    candidate = np.empty_like(nearest)
    for x_part, y_part in zip(across, down, strict=True):
        np.add(y_part[:, :, None], x_part[:, None, :], out=candidate)
        np.minimum(nearest, candidate, out=nearest)
    return nearest
