"""Trained networks for other programs: a file per format, named as the format.

A file has one function, `export(record, digits, folder)`: it writes its files into a folder, reads
them back by the format's own library, holds what they answer for the test digits against torch, and
returns what it wrote. Nothing else needs to be changed for a new format.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.errors import RunError
from hindi_bn.networks.preserved import preserved
from hindi_bn.records import Record
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale

Pixels = NDArray[np.float32]

FOLDER = "exports"
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
BATCH = 500
TOLERANCE = 1e-4
"""Largest difference of a logit from torch's, as a share of the largest logit."""

REPORT = "report it with the output of `hindi-bn doctor`; nothing was written"


@dataclass(frozen=True)
class Exported:
    """One written network, and how it differs from torch on the test digits.

    Args:
        difference: Largest absolute difference of a logit.
        accuracy: Share of the test images that it classifies rightly.
        batch_norms: Batch-norm nodes or layers in the file.
    """

    file: Path
    difference: float
    accuracy: float
    batch_norms: int


@dataclass(frozen=True)
class Answers:
    """The test digits, scaled (images, 1, side, side), and torch's logits for them (images, 10)."""

    images: Pixels
    labels: NDArray[np.int64]
    logits: Pixels

    def compared(self, file: Path, logits: Pixels, batch_norms: int) -> Exported:
        """Return what a written network's logits are worth; RunError when they are not torch's."""
        difference = float(np.abs(logits - self.logits).max())
        if not difference <= TOLERANCE * float(np.abs(self.logits).max()):  # not a number, too
            raise RunError(
                f"{file.name} does not answer as the trained network does.",
                f"Its logits for the test digits differ by up to {difference:.2g} from torch's.",
                REPORT,
            )
        accuracy = float((logits.argmax(1) == self.labels).mean())
        return Exported(file, difference, accuracy, batch_norms)


def answers(record: Record, digits: Digits) -> Answers:
    """Return torch's answers for the test digits; RunError when they are not the run's digits."""
    record.check_data(digits)
    images = scale(digits.test_images, run_constants(digits, record.run)).numpy()
    return Answers(images, digits.test_labels.numpy(), logits_of(load_network(record), images))


def logits_of(network: nn.Module, images: Pixels) -> Pixels:
    """Return a network's logits (images, 10) in eval mode, by torch."""
    with torch.no_grad(), preserved(network):
        batches = [network(batch) for batch in torch.from_numpy(images).split(BATCH)]
    return np.asarray(torch.cat(batches))


def batch_norms_of(network: nn.Module) -> int:
    """Count torch's batch-norm layers in a network."""
    return sum(isinstance(layer, BATCH_NORMS) for layer in network.modules())
