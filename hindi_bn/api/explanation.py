"""Batch norm worked through, on a small example or a trained run's real batch; and scaling."""

import os
from pathlib import Path

from hindi_bn import digits as source
from hindi_bn.api.runs import RunLike, read_run
from hindi_bn.explain.batches import batch_of_digit, batch_of_image
from hindi_bn.explain.document import Explanation
from hindi_bn.explain.real_batch import explain_run
from hindi_bn.explain.scaling import explain_scaling_by_hand
from hindi_bn.explain.worked import Example, explain_worked

REAL_BATCH = 32  # images


def explain_batch_norm(
    layer: Example = "2d",
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
    from hindi_bn.figures.explain import batch_figure, worked_figure
    from hindi_bn.figures.style import Caption, format_of, save_as

    if figure is not None:
        format_of(Path(figure))  # refuses a wrong name before anything is computed
    images = None
    if digit is None and image is None:
        explanation = explain_worked(layer, batch_size)
    else:
        record, size = read_run(run), batch_size or REAL_BATCH
        digits = source.load(Path(data_dir), record.study.data)
        if image is not None:
            batch = batch_of_image(digits, Path(image), size)
        else:
            assert digit is not None
            batch = batch_of_digit(digits, digit, index, size)
        explanation, images = explain_run(record, digits, batch), batch.images.numpy()
    if figure is not None:
        about = explanation.title, Caption(explanation.data)
        if images is None:
            drawn = worked_figure(explanation.arrays, *about)
        else:
            drawn = batch_figure(explanation.arrays, images, *about)
        save_as(drawn, Path(figure))
    return explanation


def explain_scaling(
    data: str | None = None,
    *,
    data_dir: str | os.PathLike[str] = "data",
    figure: str | os.PathLike[str] | None = None,
) -> Explanation:
    """Work through how features of one range round the error surface, checked by closed forms.

    Args:
        data: Also take the numbers of what a 3 x 3 convolution sees of this data's training images.
        figure: Also draw surfaces and paths into this .png, .svg or .pdf file.

    Examples:
        >>> explanation = explain_scaling()
        >>> explanation.agrees, len(explanation.steps)
        (True, 5)
    """
    from hindi_bn.figures.scaling import scaling_figure
    from hindi_bn.figures.style import Caption, format_of, save_as

    if figure is not None:
        format_of(Path(figure))  # refuses a wrong name before anything is computed
    digits = None if data is None else source.load(Path(data_dir), data)
    explanation = explain_scaling_by_hand(digits)
    if figure is not None:
        drawn = scaling_figure(explanation.arrays, explanation.title, Caption(explanation.data))
        save_as(drawn, Path(figure))
    return explanation
