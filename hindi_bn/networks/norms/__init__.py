"""Normalisation layers: a file each, whose name is the norm's name.

A file holds a `Norm` with its settings, its layers for feature maps and for features, and what
others need to know of it; CONTRIBUTING.md adds one.
"""

from hindi_bn.networks.norms._base import AffineNorm, BatchNormBase, Norm, norm_of, weight_of

__all__ = ["AffineNorm", "BatchNormBase", "Norm", "norm_of", "weight_of"]
