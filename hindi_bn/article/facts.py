"""What the article published, as facts to compare with.

Source: M. Kashaboina, "Exploring the Superhero Role of 2D Batch Normalization in Deep Learning
Architectures", Towards Data Science, January 2024, and its notebook,
https://github.com/kbmurali/hindi_hw_digits. Numbers are the author's; the wording is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
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


def _by_run(without: float, with_bn: float) -> Mapping[str, float]:
    return MappingProxyType({"no-bn": without, "bn": with_bn})


@dataclass(frozen=True)
class Article:
    """The article's facts (source: see the module).

    Args:
        final_test_accuracy: After the last epoch, by run.
        total_seconds: Of the author's progress bars (7:30 and 8:14 minutes), by run. They are
            longer than 30 of the training passes in `published_head`, so they seem to hold the
            evaluation too.
        accuracy_figure, loss_figure, descent_figure: The article's figure numbers.
    """

    author: str = "M. Kashaboina"
    title: str = (
        "Exploring the Superhero Role of 2D Batch Normalization in Deep Learning Architectures"
    )
    venue: str = "Towards Data Science"
    month: str = "January 2024"
    year: int = 2024
    url: str = "https://github.com/kbmurali/hindi_hw_digits"
    seed: int = 5842
    train_images: int = 17_000
    test_images: int = 3_000
    batch_size: int = 32
    learning_rate: float = 0.001
    epochs: int = 30
    final_test_accuracy: Mapping[str, float] = field(
        default_factory=lambda: _by_run(0.924, 0.9913333)
    )
    total_seconds: Mapping[str, float] = field(
        default_factory=lambda: _by_run(7 * 60 + 30.0, 8 * 60 + 14.0)
    )
    accuracy_figure: int = 6
    loss_figure: int = 7
    descent_figure: int = 8

    @property
    def last_epoch(self) -> int:
        """The last epoch, counted from 0."""
        return self.epochs - 1

    @property
    def citation(self) -> str:
        """Author, title, place, time and address in one line."""
        return f'{self.author}, "{self.title}", {self.venue}, {self.month}; notebook: {self.url}'


ARTICLE = Article()

FINDINGS = (
    PublishedFinding(
        1,
        "Test accuracy",
        "After the 30th epoch the network with BN reaches 99.1 % test accuracy and the one without "
        "92.4 %; with BN the accuracy climbs steadily, without it oscillates.",
        ARTICLE.accuracy_figure,
    ),
    PublishedFinding(
        2,
        "Training loss",
        "From about the third epoch on the training loss with BN is the lower one.",
        ARTICLE.loss_figure,
    ),
    PublishedFinding(
        3,
        "Smoothness of the descent",
        "Along two sample weights of the last convolution the descent is smoother with BN; "
        "without it the path is a zig-zag.",
        ARTICLE.descent_figure,
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
