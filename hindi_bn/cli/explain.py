"""`hindi-bn explain`: batch norm, or feature scaling, worked through step by step and checked."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.errors import HindiBnError


@app.command()
def explain(
    subject: Annotated[Literal["batch-norm", "scaling"], typer.Argument(
        help="batch-norm; scaling: how features of one range round the error surface."
    )] = "batch-norm",
    layer: Annotated[Literal["2d", "1d"] | None, typer.Option(
        "--layer",
        help="Worked example: 2d, the article's batch of feature maps; 1d, a 5 x 3 matrix as "
        "in a fully connected network.",
        show_default="2d",
    )] = None,
    batch_size: Annotated[int | None, typer.Option(
        "--batch-size", min=1, max=10_000, help="Images (2d) or rows (1d) of the batch.",
        show_default="2 for 2d, 5 for 1d, 32 for a real batch",
    )] = None,
    digit: Annotated[int | None, typer.Option(
        "--digit", min=0, max=9, show_default="none",
        help="Instead of a worked example: a real batch that begins with a test image of this "
        "digit, through the first batch-norm layer of a trained run.",
    )] = None,
    index: Annotated[int | None, typer.Option(
        "--index", min=0, show_default="0",
        help="With --digit: which of its test images, counted from 0.",
    )] = None,
    image: Annotated[Path | None, typer.Option(
        "--image", metavar="FILE", show_default="none",
        help="Like --digit, but the batch begins with an image of one's own.",
    )] = None,
    run: Annotated[Path | None, typer.Option(
        "--run", metavar="DIR", show_default="results/article/bn",
        help="With --digit or --image: folder of the trained run.",
    )] = None,
    data: Annotated[str | None, typer.Option(
        "--data", show_default="none",
        help="With scaling: the same numbers for the images of this data too.", **options.DATA,
    )] = None,
    figure: Annotated[Path | None, typer.Option(
        "--figure", metavar="FILE", show_default="none",
        help="Draw the batch before and after, or the surfaces, to FILE (.png, .svg or .pdf).",
    )] = None,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Work batch norm through by hand, step by step, each step checked against torch; or scaling.

    Means, biased variances, normalised values, scale and shift, running averages and inference on
    a small batch; `--layer 1d --batch-size 1` shows why nothing can be learned there. With --digit
    or --image the first batch-norm layer of a trained run is followed on a real batch, in train and
    in eval mode; the images beside the first one are test images spread evenly over the classes.

    `explain scaling` follows gradient descent on two features of different range, before and after
    they are brought to one: contours, condition number, largest learning rate, steps to converge,
    each number checked against a closed form.
    """
    given = {
        "layer": layer, "batch-size": batch_size, "digit": digit, "index": index, "image": image,
        "run": run, "data": data,
    }  # fmt: skip
    _refuse_clashes(subject, {name for name, value in given.items() if value is not None})
    if subject == "scaling":
        explanation = hindi_bn.explain_scaling(data, data_dir=data_dir, figure=figure)
    else:
        explanation = hindi_bn.explain_batch_norm(
            layer or "2d", batch_size, digit=digit, index=index or 0, image=image,
            run=run or options.default_run(), data_dir=data_dir, figure=figure,
        )  # fmt: skip
    if figure is not None:
        note(f"Figure: {figure}", quiet=quiet or json_)
    if json_:
        print_json(explanation.document())
    else:
        from hindi_bn.cli.explain_text import print_explanation

        print_explanation(explanation)
    if not explanation.agrees:
        raise HindiBnError(
            f"A step by hand differs from {explanation.against}.",
            "See the checks marked so above.",
            "report it with the output of `hindi-bn doctor`",
        )


def _refuse_clashes(subject: str, given: set[str]) -> None:
    """Refuse options, by their names, that do not go together."""
    own = {"data"} if subject == "scaling" else given - {"data"}
    if given - own:
        raise typer.BadParameter(f"--{min(given - own)} does not go with explain {subject}")
    if given >= {"digit", "image"}:
        raise typer.BadParameter("give --digit or --image, not both")
    if "index" in given and "digit" not in given:
        raise typer.BadParameter("--index needs --digit")
    if "layer" in given and given & {"digit", "image"}:
        raise typer.BadParameter("--layer is for the worked examples, without --digit or --image")
    if "run" in given and not given & {"digit", "image"}:
        raise typer.BadParameter("--run needs --digit or --image")
