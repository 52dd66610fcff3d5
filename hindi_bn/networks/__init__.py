"""The networks of the study, built by name, with any normalisation."""

from hindi_bn.networks.build import (
    build,
    build_run,
    last_convolution,
    network_called,
    options_of,
    run_of,
)
from hindi_bn.networks.checks import check
from hindi_bn.networks.norms import Norm, norm_of, weight_of
from hindi_bn.networks.table import Layer, kind_of, layer_table, parameter_count

__all__ = [
    "Layer", "Norm", "build", "build_run", "check", "kind_of", "last_convolution", "layer_table",
    "network_called", "norm_of", "options_of", "parameter_count", "run_of", "weight_of",
]  # fmt: skip
