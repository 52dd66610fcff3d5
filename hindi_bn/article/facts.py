"""What the article published, as facts to compare with.

Source: M. Kashaboina, "Exploring the Superhero Role of 2D Batch Normalization in Deep Learning
Architectures", Towards Data Science, January 2024, and its notebook,
https://github.com/kbmurali/hindi_hw_digits. Numbers are the author's; the wording is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Printed numbers are rounded to six decimals: half a unit of the last one is always allowed.
HALF_LAST_DIGIT = 5e-7


@dataclass(frozen=True)
class PublishedFinding:
    """One of the article's findings, in our own words, and the figure that carries it."""

    number: int
    title: str
    statement: str
    figure: int


@dataclass(frozen=True)
class Article:
    """The article's facts (source: see the module).

    Args:
        final_test_accuracy: After the last epoch (counted from 0), by run.
        total_seconds: Of the author's progress bars (7:30 and 8:14 minutes), by run. They are
            longer than 30 of the training passes in `published_head`, so they seem to hold the
            evaluation too.
    """

    citation: str = (
        'M. Kashaboina, "Exploring the Superhero Role of 2D Batch Normalization in Deep Learning '
        'Architectures", Towards Data Science, January 2024; notebook: '
        "https://github.com/kbmurali/hindi_hw_digits"
    )
    train_images: int = 17_000
    test_images: int = 3_000
    last_epoch: int = 29
    final_test_accuracy: Mapping[str, float] = field(
        default_factory=lambda: {"no-bn": 0.924, "bn": 0.9913333}
    )
    total_seconds: Mapping[str, float] = field(
        default_factory=lambda: {"no-bn": 7 * 60 + 30.0, "bn": 8 * 60 + 14.0}
    )


ARTICLE = Article()

FINDINGS = (
    PublishedFinding(
        1,
        "Test accuracy",
        "After the 30th epoch the network with BN reaches 99.1 % test accuracy and the one without "
        "92.4 %; with BN the accuracy climbs steadily, without it oscillates.",
        6,
    ),
    PublishedFinding(
        2,
        "Training loss",
        "From about the third epoch on the training loss with BN is the lower one.",
        7,
    ),
    PublishedFinding(
        3,
        "Smoothness of the descent",
        "Along two sample weights of the last convolution the descent is smoother with BN; "
        "without it the path is a zig-zag.",
        8,
    ),
)


def published_head() -> pd.DataFrame:
    """Return the first five epochs of both runs, as the notebook prints them.

    Returns:
        Ten rows with `run`, `epoch`, `seconds` (cumulative, the author's machine), `train_loss`,
        `wx`, `wy`, `test_loss`, `train_accuracy` and `test_accuracy`, rounded to six decimals.
    """
    import pandas as pd

    with resources.files(__package__).joinpath("published_head.csv").open("rb") as file:
        text = pd.read_csv(file, dtype=str)  # read_csv's own floats can be off by the last bit
    numbers = {column: "float64" for column in text.columns if column != "run"}
    return text.astype(numbers | {"epoch": "int64"})
