"""How far an image is from the data set's digits, whatever a network says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hindi_bn.digits.checksums import CLASSES, Pixels
from hindi_bn.digits.shapes import BOX, MARGIN

CELLS = 7  # means of 4 x 4 pixels
RIDGE = 1e-3  # added to variances, of grey values 0..1
FARTHEST = 98  # percentile of the test images' distances

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """Mahalanobis distances from the ten classes, of images reduced to 7 x 7.

    Attributes:
        means: (10, 49) of the training images' classes.
        precisions: (10, 49, 49), the inverses of their covariances.
    """

    means: Floats
    precisions: Floats

    def distances(self, images: Pixels) -> Floats:
        """Return the squared distance of uint8 (n, 32, 32) from the nearest class, (n,)."""
        apart = _cells(images)[:, np.newaxis] - self.means  # (n, 10, 49)
        squared: Floats = np.einsum("nci,cij,ncj->nc", apart, self.precisions, apart)
        nearest: Floats = squared.min(axis=1)
        return nearest


def likeness_of(images: Pixels, labels: NDArray[np.int64]) -> Likeness:
    """Measure the classes of training images, uint8 (n, 32, 32)."""
    cells = [_cells(images[labels == digit]) for digit in range(CLASSES)]
    spreads = [np.cov(of.T) + RIDGE * np.eye(CELLS**2) for of in cells]
    means = np.stack([of.mean(axis=0) for of in cells])
    return Likeness(means, np.stack([np.linalg.inv(spread) for spread in spreads]))


def _cells(images: Pixels) -> Floats:
    """Reduce uint8 (n, 32, 32) to grey values 0..1 (n, 49)."""
    inner, size = images[:, MARGIN:-MARGIN, MARGIN:-MARGIN], BOX // CELLS
    cells: Floats = inner.reshape(-1, CELLS, size, CELLS, size).mean(axis=(2, 4)) / 255
    return cells.reshape(-1, CELLS**2)
