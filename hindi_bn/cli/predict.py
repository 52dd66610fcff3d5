"""`hindi-bn predict`: the digits on one's own images, by a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json


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
    them like the training images (32 x 32, white on black) is said for each.
    """
    answers = predictions(images, run, data_dir)
    for answer in answers:
        note(f"{answer['image']}: {'; '.join(answer['prepared'])}", quiet=quiet or json_)
    if json_:
        print_json(answers)
        return
    from rich.console import Console

    from hindi_bn.cli.tables import prediction_table

    Console().print(prediction_table(answers))


def predictions(images: list[Path], run: Path, data_dir: Path) -> list[dict[str, Any]]:
    """Return for each image its class, the ten probabilities, and how it was prepared.

    Raises
    ------
    DataError
        When a file cannot be read as an image or shows nothing.
    RunError
        When the run is not finished or damaged, or was not trained on Hindi digits.
    """
    import numpy as np
    import torch

    from hindi_bn.digits.own_images import SIDE, prepare
    from hindi_bn.errors import RunError
    from hindi_bn.records import RunFolder
    from hindi_bn.training.loop import predict as probabilities_of
    from hindi_bn.training.run import load_network
    from hindi_bn.training.tensors import scale

    record = RunFolder(run).read()
    if record.study.image_size != SIDE:
        raise RunError(
            f"{run} cannot be asked about own images: it was trained on "
            f"{record.environment['data']['title']}.",
            "Own images are prepared as the Hindi digits are, which is not how that data was made.",
            "choose a --run that was trained on the Hindi digits",
        )
    network = load_network(record)
    prepared = [prepare(image) for image in images]
    pixels = torch.from_numpy(np.stack([array for array, _ in prepared]))  # (images, 32, 32)
    scaled = scale(pixels, input_constants(record, data_dir))
    rows = probabilities_of(network, scaled).double()
    return [
        {
            "image": str(image),
            "digit": int(row.argmax()),
            "probability": float(row.max()),
            "probabilities": [float(value) for value in row],
            "prepared": steps,
            "run": str(run),
            "trained_on": record.environment["data"]["title"],
        }
        for image, (_, steps), row in zip(images, prepared, rows, strict=True)
    ]


def input_constants(record: Any, data_dir: Path) -> tuple[float, float]:
    """Return the scaling constants of a run; only `standard` scaling needs the training images."""
    from hindi_bn.digits import load
    from hindi_bn.training.tensors import run_constants, scaling_constants

    scaling = record.run.scaling
    if scaling != "standard":
        import torch

        return scaling_constants(torch.empty(0), scaling)
    digits = load(data_dir, record.study.data)
    record.check_data(digits)
    return run_constants(digits, record.run)
