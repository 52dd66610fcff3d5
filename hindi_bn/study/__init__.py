"""What is to be done: settings, recordings, and the YAML files that hold them."""

from hindi_bn.study.model import (
    Arithmetic,
    Augment,
    Capture,
    Device,
    Init,
    Norm,
    NormalInit,
    Precision,
    Run,
    Scaling,
    Study,
    batches,
    norm_names,
)

__all__ = [
    "Arithmetic",
    "Augment",
    "Capture",
    "Device",
    "Init",
    "Norm",
    "NormalInit",
    "Precision",
    "Run",
    "Scaling",
    "Study",
    "batches",
    "norm_names",
]
