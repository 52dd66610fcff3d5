"""The command line: parse, call one function, print. Nothing below knows it.

The order of the imports is the order of the commands in `hindi-bn --help`.
"""

# isort: off
from hindi_bn.cli import train
from hindi_bn.cli import results
from hindi_bn.cli import predict
from hindi_bn.cli import doctor

# isort: on
from hindi_bn.cli.app import app

__all__ = ["app", "doctor", "main", "predict", "results", "train"]


def main() -> None:
    """Run `hindi-bn`."""
    app()
