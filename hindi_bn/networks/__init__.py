"""The networks of the study, built by name; shapes stand beside every layer."""

from hindi_bn.networks.architectures import build, last_convolution, parameter_count

__all__ = ["build", "last_convolution", "parameter_count"]
