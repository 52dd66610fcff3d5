"""The command line: parse, call one function, print. Nothing below knows it."""

from hindi_bn.cli import (
    bench,
    claims,
    data,
    doctor,
    explain,
    networks,
    plot,
    predict,
    results,
    sweep,
    train,
)
from hindi_bn.cli.app import app

__all__ = [
    "app",
    "bench",
    "claims",
    "data",
    "doctor",
    "explain",
    "main",
    "networks",
    "plot",
    "predict",
    "results",
    "sweep",
    "train",
]


def main() -> None:
    """Run `hindi-bn`."""
    app()
