"""Accuracy on scaled, enlarged and rotated test digits."""

from torchvision.transforms.v2 import InterpolationMode, functional

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import AT_ONCE, accuracy_of
from hindi_bn.records import Record
from hindi_bn.stats.metrics import accuracy as share
from hindi_bn.training.augment import DEGREES
from hindi_bn.training.augment import FACTORS as TRAINED
from hindi_bn.training.loop import predict
from hindi_bn.training.numerics import arrange
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale

FACTORS = (0.5, 0.7, 1.3)
ANGLES = (-45, -30, -15, 15, 30, 45)
"""Degrees; positive is clockwise."""

ENLARGEMENTS = (sum(TRAINED) / 2, TRAINED[1])
"""The middle and the end of what `augment: enlarge` shows."""

VERSION = 2
VALUES = {
    "upright_accuracy": share("Accuracy on the test digits as they are"),
    **{f"scaled_{each}": share(f"Accuracy on digits {each} times as large") for each in FACTORS},
    **{
        f"enlarged_{each}": share(f"Accuracy on digits {each} times as large")
        for each in ENLARGEMENTS
    },
    **{f"rotated_{angle}": share(f"Accuracy on digits rotated by {angle}°") for angle in ANGLES},
    "scaled_accuracy": share("Accuracy on scaled test digits"),
    "enlarged_accuracy": share("Accuracy on enlarged test digits"),
    "rotated_accuracy": share("Accuracy on rotated test digits"),
    "rotated_up_to_30": share(f"Accuracy on test digits rotated by up to {DEGREES:g}°"),
}
"""Shares; the last four are means over factors and over angles."""


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure the accuracy on scaled, enlarged and rotated test digits.

    The grey values are moved bilinearly around the middle of the image; what comes from outside is
    black, as the digits' background is, and what an enlargement pushes outside is cropped. Scaling
    of the grey values follows as in training.
    """
    network, constants = arrange(load_network(record), "fast"), run_constants(digits, record.run)

    def accuracy(angle: float = 0.0, factor: float = 1.0) -> float:
        moved = functional.affine(
            digits.test_images.unsqueeze(1), angle, [0, 0], factor, [0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )  # fmt: skip
        answers = predict(network, scale(moved.squeeze(1), constants), AT_ONCE).argmax(1)
        return accuracy_of(answers, digits.test_labels)

    upright = predict(network, scale(digits.test_images, constants), AT_ONCE).argmax(1)
    scaled = {f"scaled_{factor}": accuracy(factor=factor) for factor in FACTORS}
    enlarged = {f"enlarged_{factor}": accuracy(factor=factor) for factor in ENLARGEMENTS}
    rotated = {angle: accuracy(angle=angle) for angle in ANGLES}
    known = [rotated[angle] for angle in ANGLES if abs(angle) <= DEGREES]
    return {
        "upright_accuracy": accuracy_of(upright, digits.test_labels),
        **scaled,
        **enlarged,
        **{f"rotated_{angle}": value for angle, value in rotated.items()},
        "scaled_accuracy": sum(scaled.values()) / len(scaled),
        "enlarged_accuracy": sum(enlarged.values()) / len(enlarged),
        "rotated_accuracy": sum(rotated.values()) / len(rotated),
        "rotated_up_to_30": sum(known) / len(known),
    }
