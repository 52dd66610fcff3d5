"""Feature scaling made visible: a quadratic's contours and gradient descent's path on them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hindi_bn.figures.style import Caption, composing, log_axis

Array = NDArray[np.float64]
SCALINGS, DIGITS = ("as they are", "one range", "standardised"), ("unit", "half", "standard")
PATH = "#CC79A7"


def scaling_figure(arrays: Mapping[str, Array], title: str, caption: Caption) -> Figure:
    """Draw the surfaces to scale, and the curvatures of digits' inputs if there are some.

    `arrays` are those of `hindi_bn.explain.scaling.explain_scaling_by_hand`.
    """
    digits = arrays.get("digits")
    rows = 1 if digits is None else 2
    note = caption.plus(
        "κ: condition number; steps to 1 % of the distance, at each surface's best rate; both axes "
        "of a surface to one scale"
    )
    with composing(title, note, 12.5, 4.6 + 3.2 * (rows - 1)) as figure:
        grid = figure.add_gridspec(rows, 3, height_ratios=(1.0, 0.7)[:rows])
        for place, name in enumerate(SCALINGS):
            surface(arrays, name, figure.add_subplot(grid[0, place]))
        if digits is not None:
            curvatures(digits, arrays["digits numbers"], figure.add_subplot(grid[1, :]))
    return figure


def surface(arrays: Mapping[str, Array], name: str, ax: Axes) -> Axes:
    """Draw a loss's contours, each nine times the loss of the one within, and a path to scale."""
    loss, path = arrays[f"{name} loss"], arrays[f"{name} path"]
    levels = float(loss.max()) / 9.0 ** np.arange(6, -1, -1)
    axes = arrays[f"{name} w1"], arrays[f"{name} w2"]
    ax.contour(*axes, loss, levels=levels, colors="0.6", linewidths=0.9)
    ax.plot(
        *path.T, "o-", color=PATH, markersize=3.5, linewidth=0.8,
        label=f"descent, {len(path) - 1} steps",
    )  # fmt: skip
    best = [float(axis.mean()) for axis in axes]
    ax.plot(*best, "*", color="black", markersize=11, linestyle="none", label="best weights")
    ax.set_aspect("equal")
    ax.set(xlim=axes[0][[0, -1]], ylim=axes[1][[0, -1]], xlabel="Weight w₁", ylabel="Weight w₂")
    ax.set_title(f"Features {name}: {_numbers(arrays[f'{name} numbers'])}", fontsize=11)
    ax.grid(visible=False)
    ax.legend(loc="upper left", fontsize=8)
    return ax


def curvatures(values: Array, numbers: Array, ax: Axes) -> Axes:
    """Draw eigenvalues (scalings, weights) on a logarithmic axis, a row per scaling.

    `numbers` (scalings, 2) are condition numbers and steps.
    """
    for row, of_row in enumerate(values):
        ax.plot(
            of_row, np.full(len(of_row), row), "|", color=PATH, markersize=18, markeredgewidth=2
        )
        about = _numbers(numbers[row])
        ax.annotate(
            about, (of_row[-1], row), (12, 0), textcoords="offset points", va="center", fontsize=10
        )
    log_axis(ax, "x")
    ax.set_xlim(right=6 * float(values.max()))
    ax.set(ylim=(len(DIGITS) - 0.5, -0.5), xlabel="Curvature along each of ten directions")
    ax.set_yticks(range(len(DIGITS)), DIGITS)
    ax.set_title("What a 3 x 3 convolution sees of the digits, by scaling")
    return ax


def _numbers(numbers: Array) -> str:
    return f"κ = {numbers[0]:,.0f}, {numbers[1]:,.0f} steps"
