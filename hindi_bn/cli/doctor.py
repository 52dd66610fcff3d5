"""`hindi-bn doctor`: what is here and what would be used, to paste into a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from hindi_bn.cli import options
from hindi_bn.cli.app import app, print_json
from hindi_bn.errors import HindiBnError


@app.command()
def doctor(
    data_dir: options.DataDir = Path("data"),
    out: options.Out = Path("results"),
    json_: options.Json = False,
) -> None:
    """Show versions, devices, threads, the state of the data, and what would be used."""
    document = examine(data_dir, out)
    if json_:
        print_json(document)
        return
    for heading, entries in document.items():
        typer.echo(f"{heading}:")
        for key, value in entries.items():
            typer.echo(f"  {key + ':':<20} {value}")


def examine(data_dir: Path, out: Path) -> dict[str, dict[str, Any]]:
    """Return the findings by heading."""
    import torch

    from hindi_bn import environment
    from hindi_bn.study.files import study_names
    from hindi_bn.training.device import choose_device

    device = choose_device("auto")
    described = environment.describe(device.type)
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "not available"
    return {
        "versions": described["versions"],
        "code": {"commit": described["commit"] or "not a checkout", "changed": described["dirty"]},
        "machine": {
            "system": described["system"],
            "processor": environment.processor(),
            "cores": os.cpu_count(),
            "cuda": cuda,
            "mps": "available" if torch.backends.mps.is_available() else "not available",
        },
        "would be used": {
            "device": device.type,
            "threads": described["threads"],
            "data folder": str(data_dir),
            "results folder": str(out),
            "HINDI_BN_ARCHIVE": os.environ.get("HINDI_BN_ARCHIVE", "not set"),
            "studies": ", ".join(study_names()),
        },
        "data": {
            name.value: data_state(data_dir, name.value)
            for name in options.DataName
            if name is not options.DataName.drawn
        },
    }


def data_state(data_dir: Path, name: str) -> str:
    """Return the title of the data that is there, or why there is none."""
    from hindi_bn.digits import load

    try:
        digits = load(data_dir, name)
    except HindiBnError as error:
        return " ".join(str(error).split("\n"))
    return f"{digits.title} (source: {digits.source})"
