"""The command line: parse, call one function of the API, print. Nothing below knows it."""

# ruff: noqa: F401 - importing a command's file adds the command
import sys

from hindi_bn.cli import (
    bench,
    claims,
    config,
    data,
    doctor,
    evidence,
    explain,
    export,
    landscape,
    networks,
    page,
    plot,
    predict,
    results,
    runs,
    sweep,
    train,
)
from hindi_bn.cli.app import app, print_anywhere, show_traceback
from hindi_bn.environment import wait_politely

__all__ = ["app", "main"]


def main() -> None:
    """Run `hindi-bn`."""
    wait_politely()
    print_anywhere()
    try:
        app()
    except Exception as error:
        show_traceback(error)
        sys.exit(1)
