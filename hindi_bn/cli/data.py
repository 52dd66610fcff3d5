"""`hindi-bn download` and `hindi-bn data`: fetch the data, and show what is there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.errors import SourceError

if TYPE_CHECKING:
    from rich.console import Console

    from hindi_bn.digits import Digits
    from hindi_bn.digits.images import Advance

REDRAW = 0.1  # seconds between two drawings of a bar


class SourceName(StrEnum):
    """Sources that can be asked for."""

    auto = "auto"
    kaggle = "kaggle"
    uci = "uci"
    archive = "archive"
    folder = "folder"
    drawn = "drawn"


@app.command()
def download(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="Archive (.zip, .tar.gz, .tgz) or folder that has the digits.",
            show_default="none; for auto, what HINDI_BN_ARCHIVE names",
        ),
    ] = None,
    source: Annotated[
        SourceName,
        typer.Option(
            "--source",
            help="Where to get the digits: auto tries PATH, archives in DIR, Kaggle if there are "
            "credentials, and UCI, in this order; drawn is the stand-in, made here.",
        ),
    ] = SourceName.auto,
    name: Annotated[
        options.DataName,
        typer.Option(
            "--name",
            help="Data set to fetch: the digits; the stand-in, as by --source drawn; or mnist or "
            "fashion-mnist, through torchvision from its mirrors.",
        ),
    ] = options.DataName.digits,
    force: Annotated[
        bool, typer.Option("--force", help="Fetch even though verified data are there.")
    ] = False,
    accept_different: Annotated[
        bool,
        typer.Option(
            "--accept-different",
            help="Keep digits that are not the article's; everything made from them says so.",
        ),
    ] = False,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch the digits, check them against the article's and put them into DIR/digits.

    Nothing half-made is ever left there. They take about 100 MB on the disk.

    With --name mnist or fashion-mnist: download that, check it by MD5; 55 MB in one file.
    """
    if path is not None and source not in (SourceName.auto, SourceName.archive, SourceName.folder):
        raise typer.BadParameter(f"--source {source.value} takes no PATH.")
    elsewhere = path is not None or source is not SourceName.auto or accept_different
    if name is not options.DataName.digits and elsewhere:
        raise typer.BadParameter(
            f"--name {name.value} takes no PATH, --source or --accept-different."
        )
    chosen = source.value if name is options.DataName.digits else name.value

    def say(text: str) -> None:
        note(text, quiet=quiet)

    with progress_bar(quiet=quiet) as advance:
        digits = _fetch(chosen, data_dir, path, force, accept_different, say, advance)
    if json_:
        print_json(describe(digits, data_dir))
    else:
        typer.echo(f"{digits.title} (from {digits.source}) -> {data_dir}")


@app.command()
def data(
    data_dir: options.DataDir = Path("data"),
    name: Annotated[
        options.DataName, typer.Option("--name", help="Data set to show.")
    ] = options.DataName.digits,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(
            "--contact-sheet",
            metavar="FILE",
            help="Draw some training images of each class into this file (.png, .svg or .pdf).",
            show_default="none",
        ),
    ] = None,
    per_class: Annotated[
        int,
        typer.Option("--per-class", min=1, max=100, help="Images a class on the contact sheet."),
    ] = 20,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show which data are there: source, counts, identity with the article's, mean and spread."""
    from hindi_bn.digits import load

    with progress_bar(quiet=quiet) as advance:
        digits = load(data_dir, name.value, advance)
    if contact_sheet is not None:
        drawn = _draw_contact_sheet(digits, per_class, contact_sheet)
        note(f"Contact sheet: {drawn}", quiet=quiet)
    document = describe(digits, data_dir)
    if json_:
        print_json(document)
    else:
        _print_table(document)


def describe(digits: Digits, data_dir: Path) -> dict[str, Any]:
    """Return what `hindi-bn data` tells: title, source, counts, digests, mean and deviation.

    Mean and population standard deviation are over all pixels, with grey values from 0 to 1.
    """
    images = {"train": digits.train_images, "test": digits.test_images}
    moments = {split: _moments(pixels) for split, pixels in images.items()}
    return {
        "name": digits.name,
        "title": digits.title,
        "source": digits.source,
        "folder": str(data_dir),
        "identical": digits.identical,
        "differing_classes": digits.differing if digits.name == "digits" else None,
        "counts": digits.counts,
        "sha256": dict(digits.digests),
        "mean": {split: mean for split, (mean, _) in moments.items()},
        "std": {split: deviation for split, (_, deviation) in moments.items()},
    }


@contextlib.contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Advance]:
    """Give a progress callback; it draws a bar on stderr when that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield lambda task, done, total: None
        return
    yield from _bar(console)


def _bar(console: Console) -> Iterator[Advance]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = {
        name: (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
        for name, amount in (("bytes", DownloadColumn()), ("images", MofNCompleteColumn()))
    }
    shown: dict[str, Any] = {"task": None, "bar": None, "id": None, "drawn": 0.0}

    def advance(task: str, done: int, total: int | None) -> None:
        if task != shown["task"]:
            if shown["bar"] is not None:
                shown["bar"].stop()
            kind = "bytes" if task == "Downloading" else "images"
            bar = Progress(*columns[kind], console=console, transient=True)
            bar.start()
            shown.update(task=task, bar=bar, id=bar.add_task(task, total=total), drawn=0.0)
        now = time.monotonic()
        if done == total or now - shown["drawn"] >= REDRAW:
            shown["drawn"] = now
            shown["bar"].update(shown["id"], completed=done, total=total)

    try:
        yield advance
    finally:
        if shown["bar"] is not None:
            shown["bar"].stop()


def _fetch(
    chosen: str,
    data_dir: Path,
    path: Path | None,
    force: bool,
    accept_different: bool,
    say: Callable[[str], None],
    advance: Advance,
) -> Digits:
    from hindi_bn.digits.sources import fetch, first_available, listed

    if path is not None and chosen == "auto":
        chosen = "folder" if path.is_dir() else "archive"
    if chosen != "auto":
        return fetch(
            chosen, data_dir, path,
            force=force, accept_different=accept_different, note=say, advance=advance,
        )  # fmt: skip
    digits, failures = first_available(
        data_dir, force=force, accept_different=accept_different, note=say, advance=advance
    )
    if digits is None:
        raise SourceError(
            "No source had the digits.",
            "\n" + listed(failures),
            "hindi-bn download PATH with an archive or folder of them, or the drawn stand-in: "
            "hindi-bn download --source drawn",
        )
    return digits


def _moments(images: Any) -> tuple[float, float]:
    """Mean and population deviation of uint8 images, as grey values 0..1."""
    import numpy as np

    counts = np.bincount(images.numpy().ravel(), minlength=256)
    grey = np.arange(256) / 255
    mean = float(np.average(grey, weights=counts))
    return mean, float(np.sqrt(np.average((grey - mean) ** 2, weights=counts)))


def _draw_contact_sheet(digits: Digits, per_class: int, file: Path) -> Path:
    from hindi_bn.figures.digits import contact_sheet_figure
    from hindi_bn.figures.style import Caption, save_as

    images, labels = digits.train_images.numpy(), digits.train_labels.numpy()
    caption = Caption(digits.title, f"first {per_class} training images of each class")
    figure = contact_sheet_figure(images, labels, per_class, caption)
    return save_as(figure, file if file.suffix else file.with_suffix(".png"))


def _print_table(document: dict[str, Any]) -> None:
    typer.echo(document["title"])
    typer.echo(f"source: {document['source']}    folder: {document['folder']}")
    typer.echo("class  " + " ".join(f"{digit:>6}" for digit in range(10)))
    for split, counts in document["counts"].items():
        typer.echo(f"{split:<6} " + " ".join(f"{count:>6,}" for count in counts))
    for split, digest in document["sha256"].items():
        typer.echo(
            f"{split:<6} mean {document['mean'][split]:.6f}  standard deviation "
            f"{document['std'][split]:.6f} (grey values 0..1)  sha256 {digest}"
        )
