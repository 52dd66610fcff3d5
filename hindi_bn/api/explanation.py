"""Batch norm worked through, on a small example or on a real batch of a trained run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import hindi_bn.explain
from hindi_bn import digits as source
from hindi_bn.api.runs import RunLike, read_run
from hindi_bn.explain import Explanation, RealBatch, batch_of_digit, batch_of_image, explain_run

REAL_BATCH = 32  # images


def explain_batch_norm(
    layer: Literal["1d", "2d"] = "2d",
    batch_size: int | None = None,
    *,
    digit: int | None = None,
    index: int = 0,
    image: str | os.PathLike[str] | None = None,
    run: RunLike = "results/article/bn",
    data_dir: str | os.PathLike[str] = "data",
    figure: str | os.PathLike[str] | None = None,
) -> Explanation:
    """Work batch norm through by hand, each step checked against torch.

    Args:
        layer: Worked example: the article's batch of feature maps, or a matrix (batch, features).
        digit, index, image: Instead of an example: a real batch that begins with a test image of a
            digit, or with an image of one's own, through the first batch-norm layer of a trained
            run.
        figure: Also draw the batch before and after into this .png, .svg or .pdf file.

    Examples:
        >>> explanation = explain_batch_norm("1d", batch_size=5)
        >>> explanation.agrees, len(explanation.steps)
        (True, 9)
    """
    if figure is not None:
        from hindi_bn.figures.style import format_of

        format_of(Path(figure))  # refuses a wrong name before anything is computed
    batch = None
    if digit is None and image is None:
        explanation = hindi_bn.explain.explain_worked(layer, batch_size)
    else:
        record, size = read_run(run), batch_size or REAL_BATCH
        digits = source.load(Path(data_dir), record.study.data)
        if image is not None:
            batch = batch_of_image(digits, Path(image), size)
        else:
            assert digit is not None
            batch = batch_of_digit(digits, digit, index, size)
        explanation = explain_run(record, digits, batch)
    if figure is not None:
        _draw(explanation, batch, Path(figure))
    return explanation


def _draw(explanation: Explanation, batch: RealBatch | None, file: Path) -> None:
    from hindi_bn.figures.explain import batch_figure, worked_figure
    from hindi_bn.figures.style import Caption, save_as

    heading = explanation.title, Caption(explanation.data)
    if batch is None:
        drawn = worked_figure(explanation.arrays, *heading)
    else:
        drawn = batch_figure(explanation.arrays, batch.images.numpy(), *heading)
    save_as(drawn, file)
