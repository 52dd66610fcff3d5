"""`hindi-bn export`: a trained network for other programs."""

from pathlib import Path
from typing import Annotated

import typer

import hindi_bn
from hindi_bn import registry
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.cli.tables import show, table_of

FORMATS = registry.summaries("exports")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    format_: Annotated[str, typer.Option(
        "--format", **options.one_of("", tuple(FORMATS)),
        help=" ".join(f"{name}: {text}" for name, text in FORMATS.items()),
    )] = "onnx",
    to: Annotated[Path | None, typer.Option(
        "--to", metavar="DIR", help="Folder to write into.",
        show_default="one with the format's name in the run's folder",
    )] = None,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Export a trained network, and hold its answers for the test digits against torch's.

    ONNX needs the extra: pip install 'hindi-bn[export]'.
    """
    rows = [
        vars(each) | {"file": str(each.file)}
        for each in hindi_bn.export(run, format_, data_dir=data_dir, folder=to)
    ]
    if json_:
        print_json(rows)
        return
    columns = {
        "file": ("file", ""), "batch_norms": ("batch norms", "d"),
        "difference": ("logits, apart from torch", ".1e"),
        "percent": ("test accuracy, %", ".2f"),
    }  # fmt: skip
    shown = [row | {"percent": 100 * row["accuracy"]} for row in rows]
    show([table_of(shown, "Exported, checked on the test digits", columns)])
    if format_ == "huggingface":
        folder = Path(rows[0]["file"]).parent
        note(f"To publish it: hf upload NAME {folder}", quiet=quiet)
