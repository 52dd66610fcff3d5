"""Which digits are recognised: per-class scores and the confusion matrix, by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hindi_bn.errors import RunError

Classes = NDArray[np.integer[Any]]
DIGITS = tuple(range(10))


def per_class(
    labels: Classes, predictions: Classes, classes: tuple[int, ...] = DIGITS
) -> pd.DataFrame:
    """Score every class.

    Args:
        labels, predictions: True and predicted class of each image, shape (images,).

    Returns:
        A row per class, in the order of `classes`: `class`, `precision`, `recall`, `f1` (0..1; 0
        where nothing was predicted or nothing is there), `support` (images of the class).

    Raises:
        RunError: When the two do not have the same length, or there is no image.
    """
    from sklearn.metrics import precision_recall_fscore_support

    _check(labels, predictions)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=list(classes), zero_division=0
    )
    columns = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    return pd.DataFrame({"class": list(classes), **columns})


def confusion(
    labels: Classes, predictions: Classes, classes: tuple[int, ...] = DIGITS
) -> pd.DataFrame:
    """Count the images: a row per true class (index `true`), a column per predicted one.

    Parameters and errors as for `per_class`.
    """
    from sklearn.metrics import confusion_matrix

    _check(labels, predictions)
    counts = confusion_matrix(labels, predictions, labels=list(classes))
    return pd.DataFrame(
        counts,
        index=pd.Index(classes, name="true"),
        columns=pd.Index(classes, name="predicted"),
    )


def _check(labels: Classes, predictions: Classes) -> None:
    if len(labels) != len(predictions) or not len(labels):
        raise RunError(
            "Predictions cannot be scored.",
            f"There are {len(predictions)} predictions for {len(labels)} images.",
            "compare runs of the same data, as in `hindi-bn compare`",
        )
