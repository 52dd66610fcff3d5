"""`hindi-bn landscape depth`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import print_json
from hindi_bn.cli.landscape.group import Draw, landscape
from hindi_bn.cli.progress import download_progress
from hindi_bn.cli.tables import show, table_of
from hindi_bn.files import plain_json
from hindi_bn.study.words import rows_in_words


@landscape.command()
def depth(
    depths: Annotated[list[int] | None, typer.Option(
        "--depth", min=3, metavar="N", show_default="3, 5, 10, 20, 30 and 50",
        help="Number of convolutions; may be repeated.",
    )] = None,
    seeds: Annotated[int, options.seeds("10")] = 10,
    images: Annotated[int, typer.Option(
        "--images", min=1, metavar="N", help="Training images of the batch, as many per class."
    )] = 50,
    draw: Draw = 0,
    data: Annotated[str, typer.Option("--data", help="Data.", **options.DATA)] = "digits",
    data_dir: options.DataDir = Path("data"),
    to: Annotated[Path, typer.Option(
        "--to", metavar="DIR", help="Folder for the results."
    )] = Path("results/landscape"),
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Compare signals and gradients by depth before training, with BN and without.

    Channels' means and variances, each convolution's gradient, how it grows from the last one back
    to the second, and how heavy the tails of its entries are; from torch's own initial weights and
    from Kaiming's. Nothing is trained.
    """
    with download_progress(quiet=quiet or json_) as (_, advance):
        found = hindi_bn.landscape_depth(
            depths or (3, 5, 10, 20, 30, 50), seeds, images=images, draw=draw, data=data,
            data_dir=data_dir, advance=partial(advance, "Networks"),
        )  # fmt: skip
    written = found.write(to, options.formats(format_), dpi)
    document = plain_json(found.document)
    if json_:
        print_json({**document, "files": [str(path) for path in written]})
        return
    rows = rows_in_words(document["growth"])
    columns = {
        "init": ("weights", ""), "arm": ("network", ""), "depth": ("depth", "d"),
        "ratio": ("second / last", ".3g"), "low": ("from", ".3g"), "high": ("to", ".3g"),
        "per_layer": ("per layer", ".3f"), "kurtosis": ("kurtosis", ".1f"), "n": ("n", "d"),
    }  # fmt: skip
    show([table_of(rows, "Gradient of the second convolution over the last one's", columns)])
    options.tell_files(written, json_=False)
