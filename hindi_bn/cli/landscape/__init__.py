"""`hindi-bn landscape`: the loss around a network's weights, a file for what belongs together."""

# ruff: noqa: F401 - importing a command's file adds the command
from hindi_bn.cli.landscape import curvature, depth, gradient, surface
