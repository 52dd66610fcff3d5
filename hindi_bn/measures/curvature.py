"""How curved the loss is at the end of a run, and before its first step."""

import numpy as np
import torch
from torch import nn

from hindi_bn.curvature.hessian import Hessian, Statistics
from hindi_bn.curvature.quantities import OUTLIERS, curvature_of
from hindi_bn.digits import Digits
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric, accuracy
from hindi_bn.training.run import initial_network, load_network
from hindi_bn.training.tensors import run_constants, scale, training_digits

IMAGES = 500
"""As many of each class, or all of fewer: a product takes about a second on one core."""

VERSION = 1
VALUES = {
    "largest": Metric("Largest eigenvalue of the Hessian"),
    "largest_normalised": Metric("Largest eigenvalue, filters of length 1"),
    "largest_running": Metric("Largest eigenvalue in eval mode"),
    "outlier_ratio": Metric(f"Largest over {OUTLIERS}th eigenvalue"),
    "gradient_share": accuracy(f"Squared gradient along {OUTLIERS} eigenvectors"),
    "start_largest": Metric("Largest eigenvalue, untrained"),
    "start_largest_normalised": Metric("Largest eigenvalue, filters of length 1, untrained"),
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure the largest eigenvalues of the loss's Hessian; see `hindi_bn.curvature.quantities`.

    The loss is that of training: in train mode, in batches of the training size, always the same
    images. `largest_running` is in eval mode, with running averages; `start_...` before the first
    step.
    """
    own = training_digits(digits, record.run)
    counts = own.train_labels.unique(return_counts=True)[1]
    most = int(counts.min()) * len(counts)
    used = training_digits(own, record.run.model_copy(update={"train_images": min(IMAGES, most)}))
    order = torch.randperm(len(used.train_labels), generator=torch.Generator().manual_seed(0))
    images = scale(used.train_images[order], run_constants(digits, record.run))
    labels = used.train_labels[order]

    def values(
        network: nn.Module, eigenvalues: int = 1, statistics: Statistics = "batch"
    ) -> dict[str, float]:
        assert isinstance(network, nn.Sequential)
        hessian = Hessian(network, images, labels, statistics, record.run.batch_size)
        rng = np.random.default_rng(0)
        return curvature_of(hessian, network, rng, eigenvalues).quantities

    trained, start = load_network(record), values(initial_network(record))
    found = values(trained, OUTLIERS) | {
        "largest_running": values(trained, statistics="running")["largest"],
        "start_largest": start["largest"],
        "start_largest_normalised": start["largest_normalised"],
    }
    return {name: found[name] for name in VALUES}
