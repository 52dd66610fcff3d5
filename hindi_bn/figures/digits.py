"""Contact sheet: what the digits look like, a row per class."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hindi_bn.figures.style import Caption, composing

_GAP = 2  # grey pixels between images
_GREY = 110


def contact_sheet(
    images: NDArray[np.uint8], labels: NDArray[np.integer], per_class: int, ax: Axes
) -> Axes:
    """Draw the first images of every class, a row per class, its digit beside it.

    `images` are uint8 `(N, height, width)`, 0 black to 255 white; a class with fewer than
    `per_class` leaves the rest of its row empty. ValueError when `images` and `labels` differ in
    length, there are none, or `per_class` is less than 1.
    """
    if len(images) != len(labels) or len(images) == 0 or per_class < 1:
        raise ValueError("a contact sheet needs images, as many labels, and per_class from 1 up")
    classes = np.unique(labels)
    height, width = images.shape[1:]
    step, pace = height + _GAP, width + _GAP
    sheet = np.full((len(classes) * step + _GAP, per_class * pace + _GAP), _GREY, dtype=np.uint8)
    for row, digit in enumerate(classes):
        for column, image in enumerate(images[labels == digit][:per_class]):
            top, left = row * step + _GAP, column * pace + _GAP
            sheet[top : top + height, left : left + width] = image
    ax.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks(np.arange(len(classes)) * step + _GAP + (height - 1) / 2, map(str, classes))
    ax.set_ylabel("Digit")
    ax.grid(visible=False)
    return ax


def contact_sheet_figure(
    images: NDArray[np.uint8], labels: NDArray[np.integer], per_class: int, caption: Caption
) -> Figure:
    """Compose the figure of `contact_sheet`."""
    with composing("", caption, max(6.0, 0.4 * per_class + 1.0), 4.8) as figure:
        contact_sheet(images, labels, per_class, figure.subplots())
    return figure
