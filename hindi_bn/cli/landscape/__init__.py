"""`hindi-bn landscape`: the loss around a network's weights, a file per command."""

# ruff: noqa: F401 - importing a command's file adds the command
from hindi_bn.cli.landscape import depth, gradient
