"""What is to be done: settings, recordings, and the YAML files that hold them."""

from hindi_bn.study.model import (
    Augment,
    Capture,
    Device,
    Init,
    Norm,
    NormalInit,
    Numerics,
    Precision,
    Run,
    Scaling,
    Study,
    batches,
    norm_names,
)

__all__ = [
    "Augment",
    "Capture",
    "Device",
    "Init",
    "Norm",
    "NormalInit",
    "Numerics",
    "Precision",
    "Run",
    "Scaling",
    "Study",
    "batches",
    "norm_names",
]
