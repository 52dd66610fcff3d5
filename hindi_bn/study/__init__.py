"""What is to be done: settings, recordings, and the YAML files that hold them."""

from hindi_bn.study.model import (
    Augment,
    Device,
    Init,
    NormalInit,
    NormSettings,
    Numerics,
    Precision,
    Run,
    Scaling,
    Study,
    batches,
    data_names,
    network_names,
    norm_names,
    results_folder,
)

__all__ = [
    "Augment", "Device", "Init", "NormSettings", "NormalInit", "Numerics", "Precision", "Run",
    "Scaling", "Study", "batches", "data_names", "network_names", "norm_names", "results_folder",
]  # fmt: skip
