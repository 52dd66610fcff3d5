"""The command line: parse, call one function, print. Nothing below knows it."""

from hindi_bn.cli import train
from hindi_bn.cli.app import app

__all__ = ["app", "main", "train"]


def main() -> None:
    """Run `hindi-bn`."""
    app()
