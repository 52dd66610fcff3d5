"""Reading what a figure shows, for the tests of figures over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text


def panel() -> Axes:
    return Figure().add_subplot()


def texts(drawn: Figure | Axes) -> str:
    return "\n".join(text.get_text() for text in drawn.findobj(Text) if isinstance(text, Text))


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def rows_of(ax: Axes) -> list[str]:
    """The labels of the rows, each in one line."""
    return [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]


def labelled(ax: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in ax.lines}


def xs(line: Line2D) -> list[float]:
    return [round(float(value), 9) for value in np.asarray(line.get_xdata())]


def ys(line: Line2D) -> list[float]:
    return [round(float(value), 9) for value in np.asarray(line.get_ydata())]


def inside(figure: Figure) -> bool:
    """Whether everything that is drawn lies within the figure, at the resolution of files."""
    figure.set_dpi(150)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    return bool(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height)


def metrics_table(
    values: dict[str, Sequence[float]], metric: str = "final_test_accuracy"
) -> pd.DataFrame:
    """Runs with the given metric by arm, seeds from 0; NaN means diverged."""
    rows = [
        {
            "arm": arm, "seed": seed, "key": f"{arm}{seed}", metric: value,
            "status": "diverged" if np.isnan(value) else "finished",
        }
        for arm, of_arm in values.items() for seed, value in enumerate(of_arm)
    ]  # fmt: skip
    return pd.DataFrame(rows)
