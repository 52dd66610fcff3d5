"""The networks of the study, built by name, with any normalisation."""

from hindi_bn.networks.architectures import (
    NETWORKS,
    build,
    build_run,
    last_convolution,
    parameter_count,
    run_of,
)
from hindi_bn.networks.checks import check
from hindi_bn.networks.norms import weight_of
from hindi_bn.networks.table import Layer, layer_table

__all__ = [
    "NETWORKS",
    "Layer",
    "build",
    "build_run",
    "check",
    "last_convolution",
    "layer_table",
    "parameter_count",
    "run_of",
    "weight_of",
]
