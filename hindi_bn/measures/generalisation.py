"""How well a trained network fits the images that it was trained on, and those that it was not."""

from torch.nn import functional

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import accuracy_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import accuracy, nats, points
from hindi_bn.training.loop import predict
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale, training_digits

TINY = 1e-30
"""Probabilities below it count as this: their logarithm is finite."""

VERSION = 1
VALUES = {
    "train_accuracy": accuracy("Accuracy on training images, in eval mode"),
    "test_accuracy": accuracy("Accuracy on test images, in eval mode"),
    "gap": points("Generalisation gap, in eval mode"),
    "train_loss": nats("Loss on training images, in eval mode"),
    "test_loss": nats("Loss on test images, in eval mode"),
    "loss_gap": nats("Test loss minus training loss, in eval mode"),
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure a network on its training images and on the test images, both in eval mode.

    The history's training accuracy is that of the running epoch, in train mode: Dropout lowers it,
    and the network still changes. Here nothing of that stands in the comparison. Training images
    are those that the run uses, as they are: without augmentation. Losses are means over images.
    """
    network, constants = load_network(record), run_constants(digits, record.run)
    used = training_digits(digits, record.run)
    values = {}
    for split, images, labels in (
        ("train", used.train_images, used.train_labels),
        ("test", digits.test_images, digits.test_labels),
    ):
        shares = predict(network, scale(images, constants))
        values[f"{split}_accuracy"] = accuracy_of(shares.argmax(1), labels)
        smallest = shares.double().clamp_min(TINY).log()
        values[f"{split}_loss"] = float(functional.nll_loss(smallest, labels))
    values["gap"] = values["train_accuracy"] - values["test_accuracy"]
    values["loss_gap"] = values["test_loss"] - values["train_loss"]
    return values
