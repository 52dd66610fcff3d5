"""What is here and what would be used."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from hindi_bn import digits as source
from hindi_bn import environment
from hindi_bn.engine.library import variants, why_not
from hindi_bn.errors import HindiBnError
from hindi_bn.study import data_names
from hindi_bn.study.files import study_names
from hindi_bn.training.arithmetic import advice, checks
from hindi_bn.training.device import choose_device


def diagnose(
    data_dir: str | os.PathLike[str] = "data", out: str | os.PathLike[str] = "results"
) -> dict[str, dict[str, Any]]:
    """Return versions, devices, threads, the state of the data, and what would be used."""
    device = choose_device("auto")
    described = environment.describe(device.type)
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "not available"
    mps = "available" if torch.backends.mps.is_available() else "not available"
    return {
        "versions": described["versions"],
        "code": {"commit": described["commit"] or "not a checkout", "changed": described["dirty"]},
        "machine": {
            "system": described["system"], "processor": environment.processor(),
            "cores": os.cpu_count(), "cuda": cuda, "mps": mps,
        },
        "would be used": {
            "device": device.type, "threads": described["threads"],
            "engine": why_not() or f"{variants()[0]} lanes",
            "data folder": str(data_dir), "results folder": str(out),
            "HINDI_BN_ARCHIVE": os.environ.get("HINDI_BN_ARCHIVE", "not set"),
            "studies": ", ".join(study_names()),
        },
        "data": {name: _state(Path(data_dir), name) for name in data_names() if name != "stand-in"},
    }  # fmt: skip


def check_numerics(
    on_check: Callable[[dict[str, Any]], None] = lambda row: None,
) -> tuple[list[dict[str, Any]], str]:
    """Hold what this processor computes against float64; see `hindi_bn.training.arithmetic`.

    Returns a row per check (what, numerics, error, allowed, agrees) and the setting that avoids
    what disagrees, empty when all agree. `on_check` is called with each row.
    """
    rows, done = [], []
    for check in checks():
        done.append(check)
        rows.append(asdict(check) | {"agrees": check.agrees})
        on_check(rows[-1])
    wrong = [check for check in done if not check.agrees]
    return rows, advice(wrong, [c for c in done if c.agrees]) if wrong else ""


def _state(data_dir: Path, name: str) -> str:
    """Return the title of the data that is there, or why there is none."""
    try:
        digits = source.load(data_dir, name)
    except HindiBnError as error:
        return " ".join(str(error).split("\n"))
    return f"{digits.title} (source: {digits.source})"
