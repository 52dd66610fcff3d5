"""What a trained network answers when its normalisation layers are left out."""

from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import AT_ONCE, accuracy_of
from hindi_bn.networks import kind_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric, accuracy, points
from hindi_bn.training.loop import predict
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale

VERSION = 1
VALUES = {
    "test_accuracy": accuracy("Test accuracy with all layers, in eval mode"),
    "accuracy": accuracy("Test accuracy without the normalisation layers"),
    "lost": points("Accuracy lost without the normalisation layers"),
    "layers": Metric("Normalisation layers that are left out"),
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure the test accuracy in eval mode with and without the normalisation layers.

    Without: the identity in the place of each, gamma and beta included; what a norm does to the
    weights themselves (weight, spectral) stays.
    """
    network, labels = load_network(record), digits.test_labels
    images = scale(digits.test_images, run_constants(digits, record.run))
    whole = accuracy_of(predict(network, images, AT_ONCE).argmax(1), labels)
    layers = list(network.children())
    left = [layer for layer in layers if kind_of(layer) != "normalisation"]
    without = accuracy_of(predict(nn.Sequential(*left), images, AT_ONCE).argmax(1), labels)
    return {
        "test_accuracy": whole,
        "accuracy": without,
        "lost": whole - without,
        "layers": float(len(layers) - len(left)),
    }
