"""`hindi-bn predict`: the digits on one's own images, by a trained run."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.cli.tables import Parts, show, table_of


@app.command()
def predict(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Image files, one digit each.")
    ],
    run: Annotated[
        Path, typer.Option("--run", metavar="DIR", help="Folder of the trained run to ask.")
    ] = Path("results/article/bn"),
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Tell which Hindi digit each image shows, with the probability of every class.

    Images of any size, in colour or grey, dark on light or light on dark: what was done to make
    them like the training images (32 x 32, white on black) is printed for each.
    """
    answers = [asdict(answer) for answer in hindi_bn.predict(images, run, data_dir=data_dir)]
    for answer in answers:
        note(f"{answer['image']}: {'; '.join(answer['prepared'])}", quiet=quiet or json_)
    if json_:
        print_json(answers)
    else:
        show(_table(answers))


def _table(answers: list[dict[str, Any]]) -> Parts:
    """Return a table with a row per image: digit, its probability, and the next best two."""
    rows = []
    for answer in answers:
        ranked = sorted(enumerate(answer["probabilities"]), key=lambda pair: -pair[1])
        others = ", ".join(f"{digit} ({100 * share:.1f} %)" for digit, share in ranked[1:3])
        rows.append(answer | {"probability": 100 * answer["probability"], "others": others})
    title = f"Run {answers[0]['run']}, trained on: {answers[0]['trained_on']}"
    columns = {
        "image": ("image", ""), "digit": ("digit", "d"),
        "probability": ("probability, %", ".1f"), "others": ("then", ""),
    }  # fmt: skip
    return [table_of(rows, title, columns)]
