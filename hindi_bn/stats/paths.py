"""How smooth a path is: the measures behind the article's third finding."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def scaled_to_range(points: Points) -> Points:
    """Scale every axis of a path (points, axes) to 0..1, so that different units count alike.

    An axis along which nothing moves is all 0.
    """
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    moving = span > 0
    return np.where(moving, (points - low) / np.where(moving, span, 1.0), 0.0)


def turning_angles(points: Points) -> NDArray[np.float64]:
    """Measure how far each step of a path (points, axes) turns away from the step before it.

    Degrees, 0 (straight on) to 180 (back), one for each pair of successive steps. Steps of no
    length are left out: they have no direction.
    """
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    directions = steps[lengths > 0] / lengths[lengths > 0, None]
    cosines = (directions[:-1] * directions[1:]).sum(axis=1)
    angles: NDArray[np.float64] = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return angles


def mean_turning_angle(points: Points) -> float | None:
    """Return the mean of `turning_angles` in degrees; None when there are fewer than two steps."""
    angles = turning_angles(points)
    return float(angles.mean()) if angles.size else None


def tortuosity(points: Points) -> float | None:
    """Return the path's length over the distance between its ends; 1 is a straight line.

    None when the path ends where it starts.
    """
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    distance = np.linalg.norm(points[-1] - points[0])
    return float(length / distance) if distance > 0 else None
