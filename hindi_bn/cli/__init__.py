"""The command line: parse, call one function, print. Nothing below knows it."""

from hindi_bn.cli import data, doctor, predict, results, train
from hindi_bn.cli.app import app

__all__ = ["app", "data", "doctor", "main", "predict", "results", "train"]


def main() -> None:
    """Run `hindi-bn`."""
    app()
