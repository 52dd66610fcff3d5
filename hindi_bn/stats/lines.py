"""Straight lines through points."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

_FEWEST_POINTS = 3  # any two lie on a line


class Line(NamedTuple):
    """A least-squares line, y = start + slope x, with its coefficient of determination."""

    slope: float
    start: float
    r_squared: float


def fitted_line(x: ArrayLike, y: ArrayLike) -> Line | None:
    """Fit a line by least squares; None when there are fewer than three points."""
    points = np.array([x, y], dtype=np.float64)
    if points.shape[1] < _FEWEST_POINTS:
        return None
    found = stats.linregress(points[0], points[1])
    return Line(float(found.slope), float(found.intercept), float(found.rvalue**2))
