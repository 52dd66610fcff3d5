"""How well a network fits its training images: networks compared at equal fit, and trained out."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Series = NDArray[np.float64]

LEVELS = {"0_3": 0.3, "0_1": 0.1, "0_03": 0.03}
"""Training losses at which networks are compared, by their part of a metric's name."""

LEAST = 2.0**-24
"""Losses below it, where rounding alone is left, count as this: their logarithm is finite."""

FLAT_EPOCHS = 10
FLAT_FALL = 0.05
FLAT_LOSS = 1e-3
GUESSING = math.log(10)  # loss of a network that gives each of ten classes a tenth


def at_level(loss: Series, values: Series, level: float) -> float:
    """Return a value at the point where the loss first falls to a level.

    `loss` and `values` (points,) belong together; between the last point above the level and the
    next one the value is interpolated along the loss's logarithm. NaN where the loss begins at or
    below the level, or never gets there.
    """
    reached = np.flatnonzero(loss <= level)
    if not reached.size or reached[0] == 0:
        return float("nan")
    pair = slice(reached[0] - 1, reached[0] + 1)
    above, below = np.log(np.maximum(loss[pair], LEAST))
    share = (above - math.log(level)) / (above - below)
    before, after = values[pair]
    return float(before + share * (after - before))


def without_spikes(values: Series) -> Series:
    """Return running medians of three (points,), which leave a single spike out; ends stay."""
    triples = np.stack([values[:-2], values[1:-1], values[2:]])
    return np.concatenate([values[:1], np.median(triples, axis=0), values[1:][-1:]])


def at_epochs_ends(losses: Series) -> Series:
    """Estimate the training loss at the ends of all epochs but the last (epochs - 1,).

    An epoch's loss is a mean over its steps, and so belongs to its middle: at its end the geometric
    mean of its own and the next epoch's loss is taken.
    """
    known = np.maximum(losses, LEAST)
    ends: Series = np.sqrt(known[:-1] * known[1:])
    return ends


def flat_at(losses: Series) -> int | None:
    """Return the first epoch, counted from 0, at whose end the training loss is flat; None if none.

    Flat: the median of the last ten epochs' losses is not more than 5 % below that of the ten
    before, or below 0.001. A loss above half of what guessing costs is no end, but a start.
    """
    medians = pd.Series(losses).rolling(FLAT_EPOCHS).median()
    slow = medians >= (1 - FLAT_FALL) * medians.shift(FLAT_EPOCHS)
    flat = (slow & (medians < GUESSING / 2)) | (medians < FLAT_LOSS)
    return int(flat.argmax()) if flat.any() else None
