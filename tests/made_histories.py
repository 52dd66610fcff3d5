"""Histories made by hand for the tests of analysis and figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

IDENTICAL = "Hindi digits, identical to the article's 20,000 images"
STAND_IN = "drawn stand-in, not the article's data"

# The first two published epochs: train loss, wx, wy, test loss, train and test accuracy.
PUBLISHED_TWO = {
    "no-bn": [
        (2.118166, -0.038930, -0.047021, 1.292461, 0.406647, 0.816000),
        (0.513233, -0.038917, -0.047021, 0.317979, 0.878882, 0.900667),
    ],
    "bn": [
        (0.629183, -0.072049, 0.044871, 0.268866, 0.850529, 0.940333),
        (0.213117, -0.071051, 0.045519, 0.168181, 0.952824, 0.964000),
    ],
}


def published_history(run: str) -> pd.DataFrame:
    """A history of two epochs that has exactly the published numbers."""
    names = ["train_loss", "wx", "wy", "test_loss", "train_accuracy", "test_accuracy"]
    frame = pd.DataFrame(PUBLISHED_TWO[run], columns=names)
    frame.insert(0, "epoch", [0, 1])
    frame.insert(1, "seconds", [5.0, 10.0])
    return frame


def history(
    train_loss: Sequence[float],
    test_accuracy: Sequence[float] | None = None,
    wx: Sequence[float] | None = None,
    wy: Sequence[float] | None = None,
) -> pd.DataFrame:
    """A history with the given columns; what is not given climbs or falls evenly."""
    epochs = len(train_loss)
    steps = np.arange(epochs, dtype=float)
    return pd.DataFrame(
        {
            "epoch": range(epochs),
            "seconds": 4.0 * (steps + 1),
            "train_loss": train_loss,
            "train_accuracy": 0.5 + steps / (4 * epochs),
            "test_loss": train_loss,
            "test_accuracy": 0.6 + steps / (4 * epochs) if test_accuracy is None else test_accuracy,
            "wx": -0.07 + 1e-3 * steps if wx is None else wx,
            "wy": 0.04 + 2e-4 * steps**2 if wy is None else wy,
        }
    )
