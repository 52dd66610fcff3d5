"""`hindi-bn explain`: batch norm worked through, step by step, and checked against torch."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.errors import HindiBnError

if TYPE_CHECKING:
    from hindi_bn.explain import Explanation, RealBatch

RUN = Path("results/article/bn")
REAL_BATCH = 32


class LayerName(StrEnum):
    """The worked examples."""

    two = "2d"
    one = "1d"


@app.command()
def explain(
    layer: Annotated[
        LayerName | None,
        typer.Option(
            "--layer",
            help="Worked example: 2d, the article's batch of feature maps; 1d, a 5 x 3 matrix as "
            "in a fully connected network.",
            show_default="2d",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", min=1, max=10_000, help="Images (2d) or rows (1d) of the batch.",
            show_default="2 for 2d, 5 for 1d, 32 for a real batch",
        ),
    ] = None,
    digit: Annotated[
        int | None,
        typer.Option(
            "--digit", min=0, max=9, show_default="none",
            help="Instead of a worked example: a real batch that begins with a test image of this "
            "digit, through the first batch-norm layer of a trained run.",
        ),
    ] = None,
    index: Annotated[
        int | None,
        typer.Option(
            "--index", min=0, show_default="0",
            help="With --digit: which of its test images, counted from 0.",
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            "--image", metavar="FILE", show_default="none",
            help="Like --digit, but the batch begins with an image of one's own.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="DIR", show_default=str(RUN),
            help="With --digit or --image: folder of the trained run.",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure", metavar="FILE", show_default="none",
            help="Draw the batch before and after to FILE (.png, .svg or .pdf).",
        ),
    ] = None,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Work batch norm through by hand, step by step, each step checked against torch.

    Means, biased variances, normalised values, scale and shift, running averages and inference on
    a small batch; `--layer 1d --batch-size 1` shows why nothing can be learned there. With --digit
    or --image the first batch-norm layer of a trained run is followed on a real batch, in train and
    in eval mode; the images beside the first one are test images spread evenly over the classes.
    """
    _refuse_contradictions(layer, digit, index, image, run)
    if figure is not None:
        from hindi_bn.figures.style import format_of

        format_of(figure)
    if digit is None and image is None:
        from hindi_bn.explain import explain_worked

        batch, explanation = None, explain_worked((layer or LayerName.two).value, batch_size)
    else:
        size = batch_size or REAL_BATCH
        batch, explanation = _real(digit, index or 0, image, size, run or RUN, data_dir)
    if figure is not None:
        _draw(explanation, batch, figure)
        note(f"Figure: {figure}", quiet=quiet or json_)
    _print(explanation, json_)


def _refuse_contradictions(
    layer: LayerName | None,
    digit: int | None,
    index: int | None,
    image: Path | None,
    run: Path | None,
) -> None:
    if digit is not None and image is not None:
        raise typer.BadParameter("give --digit or --image, not both")
    if index is not None and digit is None:
        raise typer.BadParameter("--index needs --digit")
    if layer is not None and (digit is not None or image is not None):
        raise typer.BadParameter("--layer is for the worked examples, without --digit or --image")
    if run is not None and digit is None and image is None:
        raise typer.BadParameter("--run needs --digit or --image")


def _real(
    digit: int | None, index: int, image: Path | None, batch_size: int, run: Path, data_dir: Path
) -> tuple[RealBatch, Explanation]:
    from hindi_bn.digits import load
    from hindi_bn.explain import batch_of_digit, batch_of_image, explain_run
    from hindi_bn.records import RunFolder

    record = RunFolder(run).read()
    digits = load(data_dir, record.study.data)
    if image is not None:
        batch = batch_of_image(digits, image, batch_size)
    else:
        assert digit is not None
        batch = batch_of_digit(digits, digit, index, batch_size)
    return batch, explain_run(record, digits, batch)


def _draw(explanation: Explanation, batch: RealBatch | None, file: Path) -> None:
    from hindi_bn.figures.explain import batch_figure, worked_figure
    from hindi_bn.figures.style import Caption, save_as

    heading = explanation.title, Caption(explanation.data)
    if batch is None:
        drawn = worked_figure(explanation.arrays, *heading)
    else:
        drawn = batch_figure(explanation.arrays, batch.images.numpy(), *heading)
    save_as(drawn, file)


def _print(explanation: Explanation, json_: bool) -> None:
    if json_:
        print_json(explanation.document())
    else:
        from hindi_bn.cli.explain_text import print_explanation

        print_explanation(explanation)
    if not explanation.agrees:
        raise HindiBnError(
            "A step by hand differs from torch.",
            "See the checks marked so above.",
            "report it with the output of `hindi-bn doctor`",
        )
